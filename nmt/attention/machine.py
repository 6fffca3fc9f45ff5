"""A memory that is read and written at every step: the heads of a Neural Turing Machine."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.attention.addressing import interpolate, sharpen, shift
from nmt.attention.attention import Attended, Attention, Past
from nmt.attention.history import History
from nmt.attention.memory import Memory
from nmt.attention.scope import Global
from nmt.attention.score import CosineScore, Score
from nmt.attention.scored import ScoredAttention
from nmt.attention.selection import Selection
from nmt.errors import ConfigError
from nmt.trees import repeat_rows

EMPTY = 1e-6
"""Every number of a slot that nothing has been written to (Collier and Beel 2018: a constant learns most reliably)."""

FIRST_LOGIT = 5.0
"""Of the slot at which heads begin, before training; 0 for all others."""

AHEAD = 1.0
"""Of a step of one slot ahead, in the logits of `shift` of write heads before training; 0 for all others. Heads that
drift both ways alike write over what they wrote. Read heads that tend ahead from the start generalize worse."""

HeadWeights = Float[Tensor, "row head slot"]


class Slots(NamedTuple):
    """What lies in the slots before anything is erased or added: free ones, then the encoder's states.

    keys are compared, values are read; they are the same but where something asks what values do. bias: 0 for slots
    that there are. lengths: how many. origin: how much of what a slot holds came from each source position, where
    slots are not source positions.
    """

    keys: Float[Tensor, "row slot value"]
    values: Float[Tensor, "row slot value"]
    bias: Float[Tensor, "row slot"]
    lengths: Int[Tensor, " row"]
    origin: Float[Tensor, "row source slot"] | None = None


class MachinePast(NamedTuple):
    """What a hypothesis has made of the memory: M = kept * slots + added, and where its heads have been.

    weights: those of the read heads, then those of the write heads.
    """

    kept: Float[Tensor, "row 1 slot value"]
    added: Float[Tensor, "row 1 slot value"]
    weights: Float[Tensor, "row 1 head slot"]


class Addressing(nn.Module):
    """w_c = normalizer(score(o, M));  w = sharpen(shift(interpolate(w_c, w_(t-1))))   of each head

    g = sigmoid(.), kernel = softmax(.), gamma = 1 + softplus(.), each a linear map of the controller's output o.
    contents: the score and the normalizer of each head. Read and write heads are computed together.
    """

    def __init__(self, contents: list[ScoredAttention], *, query_size: int, reach: int, read_heads: int) -> None:
        super().__init__()
        self.scores = nn.ModuleList(each.score for each in contents)
        self.normalizers = nn.ModuleList(each.normalizer for each in contents)
        self.read_heads = read_heads
        self.location = nn.Linear(query_size, len(contents) * (2 * reach + 3))
        nn.init.xavier_uniform_(self.location.weight)
        nn.init.zeros_(self.location.bias)
        if reach:
            nn.init.constant_(self.location.bias.view(len(contents), -1)[read_heads:, 3 + reach], AHEAD)

    def compare(
        self,
        query: Float[Tensor, "row query"],
        memory: Float[Tensor, "row slot value"],
        positions: Int[Tensor, "row 1"],
        bias: Float[Tensor, "row slot"],
    ) -> HeadWeights:
        """w_c of each head."""
        found: list[Tensor] = []
        keys = None
        for score, normalizer in zip(self.scores, self.normalizers, strict=True):
            assert isinstance(score, Score)
            if keys is None or not isinstance(
                score, CosineScore
            ):  # whose keys have no weights, so all heads share them
                keys = score.remember(memory)
            energies = score.compare_at(query.unsqueeze(1), positions, keys)
            found.append(normalizer(energies + bias[:, None, None, :]))
        return torch.cat(found, 1).squeeze(2)

    def forward(
        self,
        query: Float[Tensor, "row query"],
        memory: Float[Tensor, "row slot value"],
        positions: Int[Tensor, "row 1"],
        previous: HeadWeights,
        bias: Float[Tensor, "row slot"],
        lengths: Int[Tensor, " row"],
    ) -> HeadWeights:
        """The weights of the read heads, then those of the write heads."""
        heads = previous.shape[1]
        location = self.location(query).to(memory.dtype).view(len(query), heads, -1)
        gate, power, kernel = location[..., :1].sigmoid(), 1 + F.softplus(location[..., 1:2]), location[..., 2:]
        content = self.compare(query, memory, positions, bias)
        moved = shift(interpolate(content, previous, gate), kernel.softmax(-1), lengths)
        return sharpen(moved, power, bias)


class MemoryMachine(Attention):
    """r_t = sum over i of w_r[i] M_(t-1)[i];   M_t[i] = M_(t-1)[i] * (1 - w_w[i] e) + w_w[i] a

    (Graves, Wayne and Danihelka 2014, sections 3.1 and 3.2.) e = sigmoid(.), a = tanh(.) of the controller's output, in
    each write head; the machine reads before it writes. Of several write heads all erase, then all add; what several
    read heads read stands side by side. Slots are `free_slots` that hold EMPTY, then the encoder's states, on a ring.
    Weights that are shown are those of read heads on source positions, so they sum to one at most.

    make_contents: the attentions whose scores and normalizers address by content. Raises ConfigError for those with
    other parts, for the machine has neither scopes nor histories.
    """

    is_stepwise = True

    def __init__(
        self,
        contents: list[ScoredAttention],
        *,
        query_size: int,
        slot_size: int,
        read_heads: int,
        reach: int,
        free_slots: int,
        holds_source: bool,
    ) -> None:
        super().__init__()
        self.read_heads, self.write_heads = read_heads, len(contents) - read_heads
        self.slot_size, self.context_size = slot_size, read_heads * slot_size
        self.free_slots, self.holds_source = free_slots, holds_source
        self.addressing = Addressing(contents, query_size=query_size, reach=reach, read_heads=read_heads)
        self.writing = nn.Linear(query_size, 2 * self.write_heads * slot_size)
        nn.init.xavier_uniform_(self.writing.weight)
        nn.init.zeros_(self.writing.bias)
        # Where heads begin: a number for each free slot, then one for the first source position and one for the others.
        self.first = nn.Parameter(torch.zeros(len(contents), free_slots + 2 * holds_source))
        nn.init.constant_(self.first[:, free_slots * holds_source], FIRST_LOGIT)

    def remember(self, states: Float[Tensor, "row source memory"], mask: Bool[Tensor, "row source"]) -> Memory:
        values = states.to(self.first.dtype).unsqueeze(1)
        return Memory(values, values, masks.log_mask(mask, values.dtype), mask.sum(-1))

    def make_free_slots(self, rows: int) -> Slots:
        """Slots without a source."""
        slots = self.first.new_full((rows, self.free_slots, self.slot_size), EMPTY)
        lengths = torch.full((rows,), self.free_slots, device=slots.device)
        return Slots(slots, slots, slots.new_zeros(rows, self.free_slots), lengths)

    def lay_out(self, memory: Memory) -> Slots:
        """The slots of each sentence: free ones, then its states. Padding comes last, so that no ring has a gap."""
        free = self.make_free_slots(len(memory.bias))
        values = torch.cat([free.values, memory.values.squeeze(1)], 1)
        same = memory.keys is memory.values
        keys = values if same else torch.cat([free.keys, memory.keys.squeeze(1)], 1)
        return Slots(keys, values, torch.cat([free.bias, memory.bias], 1), free.lengths + memory.lengths)

    def start(self, memory: Memory) -> MachinePast:
        return self.begin(self.lay_out(memory))

    def begin(self, slots: Slots) -> MachinePast:
        """The past of a memory that is as it was laid out."""
        size = slots.values.shape[1]
        logits: Tensor = self.first
        if self.holds_source:
            others = logits[:, -1:].expand(-1, size - self.free_slots - 1)
            logits = torch.cat([logits[:, :-1], others], 1)
        weights = (logits + slots.bias.unsqueeze(1)).softmax(-1)
        return MachinePast(
            torch.ones_like(slots.values).unsqueeze(1),
            torch.zeros_like(slots.values).unsqueeze(1),
            weights.unsqueeze(1),
        )

    def forward(
        self,
        query: Float[Tensor, "row 1 query"],
        memory: Memory | Slots,
        positions: Int[Tensor, "row 1"],
        past: Past = (),
        *,
        keep_weights: bool = False,
    ) -> Attended:
        """One step of every row: read, then write. memory: also as `lay_out` gives it, which saves time."""
        slots = memory if isinstance(memory, Slots) else self.lay_out(memory)
        slots = repeat_rows(slots, len(query) // len(slots.bias)) if len(query) > len(slots.bias) else slots
        context, following = self.step(query.squeeze(1), slots, positions, MachinePast(*past))
        if not keep_weights:
            return Attended(context.unsqueeze(1), past=following)
        weights = self.find_source(following.weights[:, 0, : self.read_heads], slots).unsqueeze(2)
        log_weights = masks.safe_log(weights) if self.training else None
        return Attended(context.unsqueeze(1), weights, following, log_weights=log_weights)

    def step(
        self, query: Float[Tensor, "row query"], slots: Slots, positions: Int[Tensor, "row 1"], past: MachinePast
    ) -> tuple[Float[Tensor, "row context"], MachinePast]:
        """What the read heads read, and the past after the write heads have written."""
        kept, added, previous = (part.squeeze(1) for part in past)
        values = torch.addcmul(added, slots.values, kept)
        keys = values if slots.keys is slots.values else torch.addcmul(added, slots.keys, kept)
        weights = self.addressing(query, keys, positions, previous, slots.bias, slots.lengths)
        context = torch.bmm(weights[:, : self.read_heads], values).flatten(1)
        if not self.write_heads:
            return context, MachinePast(past.kept, past.added, weights.unsqueeze(1))
        write = weights[:, self.read_heads :]
        sizes = len(query), 2, self.write_heads, self.slot_size
        erase, add = self.writing(query).to(kept.dtype).view(sizes).unbind(1)
        left = compute_left(write, erase.sigmoid())
        kept, added = kept * left, torch.baddbmm(added * left, write.transpose(1, 2), add.tanh())
        return context, MachinePast(kept.unsqueeze(1), added.unsqueeze(1), weights.unsqueeze(1))

    def find_source(self, weights: HeadWeights, slots: Slots) -> Float[Tensor, "row head source"]:
        """The part of weights over slots that falls on each source position."""
        if slots.origin is None:
            return weights[..., self.free_slots :]
        return torch.bmm(weights, slots.origin.transpose(1, 2))


def compute_left(write: HeadWeights, erase: Float[Tensor, "row head value"]) -> Float[Tensor, "row slot value"]:
    """prod over heads of 1 - w[i] e: the share of each number that stays."""
    if write.shape[1] == 1:
        return torch.baddbmm(write.new_ones(()), write.transpose(1, 2), erase, alpha=-1)
    return (1 - write.unsqueeze(3) * erase.unsqueeze(2)).prod(1)


def compute_origin(
    written: Float[Tensor, "row source slot"],
) -> Float[Tensor, "row source slot"]:
    """The share of each source position in what was written to a slot while the source was read; at most one in all.

    written: the weights of the write heads, summed, at each source position.
    """
    return written / written.sum(1, keepdim=True).clamp(min=1.0)


def check_contents(made: Attention, *, where: str) -> ScoredAttention:
    """The attention, whose score and normalizer a machine takes. Raises ConfigError where it has more than these."""
    if not isinstance(made, ScoredAttention):
        raise ConfigError(
            f"{where} addresses its memory by content, and attention=none compares nothing. Choose attention=cosine."
        )
    others = {
        "heads": (made.heads, 1),
        "scope": (type(made.scope), Global),
        "history": (type(made.history), History),
        "selection": (type(made.selection), Selection),
    }
    wrong = [axis for axis, (found, wanted) in others.items() if found != wanted]
    wrong += ["normalizer"] if made.normalizer.has_past else []
    if wrong:
        raise ConfigError(
            f"{where} takes attention/score and attention/normalizer, and where its heads look next follows from where "
            f"they were; attention.{wrong[0]} has no place there. Leave it as it is in attention=cosine; the number of "
            "heads is model.decoder.read_heads."
        )
    return made
