"""Where the time of a training step goes.

The graph of a step is cut between its stages: each runs forward on leaves that hold what the stage before it gave, and
backward from the gradients that the stage after it left there. The stages of a step so cut do the same arithmetic as
the whole, and their sum is held against the time of a step that is not cut. Attention is inside the decoder's
recurrence, where no cut can be made: what it takes is the difference to the same decoder with an attention that looks
at nothing.
"""

import statistics
import time
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.attention.attention import Attended, Attention, Past
from nmt.attention.memory import Memory, join_heads
from nmt.config import ConfigDict
from nmt.data.batching import Batch, Epoch
from nmt.kernels.cross_entropy import word_indices
from nmt.model.decoders.recurrent import DecoderState
from nmt.model.heads.head import HeadInputs
from nmt.model.seq2seq import Seq2Seq, SourceMemory
from nmt.special_tokens import PAD
from nmt.trees import tree_map

STAGES = ("data", "encoder", "recurrence", "attention", "vocabulary", "optimizer")


class ConstantAttention(Attention):
    """Remembers as another attention does, and has the first value for a context, whatever the query."""

    def __init__(self, other: Attention) -> None:
        super().__init__()
        self.context_size = other.context_size
        self.other = other

    def remember(self, states: Float[Tensor, "row source memory"], mask: Bool[Tensor, "row source"]) -> Memory:
        return self.other.remember(states, mask)

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        memory: Memory,
        positions: Int[Tensor, "row target"],
        past: Past = (),
        *,
        keep_weights: bool = False,
    ) -> Attended:
        target = query.shape[1]
        weights = memory.bias[:, None, None].expand(-1, self.other.heads, target, -1)
        return Attended(join_heads(memory.values[:, :, :1]).expand(-1, target, -1), weights, past)


class Stopwatch:
    """Adds up seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def add_lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


def detach_leaves(parts: Any, pairs: list[tuple[Tensor, Tensor]]) -> Any:
    """The same state or memory, cut off from what made it.

    `found` gets each tensor that wants a gradient, as it was and as it is.
    """

    def cut(part: Tensor) -> Tensor:
        if not part.requires_grad:
            return part
        leaf = part.detach().requires_grad_()
        pairs.append((part, leaf))
        return leaf

    return tree_map(parts, cut)


def time_stages(
    model: Seq2Seq, optimizer: torch.optim.Optimizer, epoch: Epoch, index: int, training: ConfigDict
) -> dict[str, float]:
    """Seconds of one training step by stage; `recurrence` has the attention in it."""
    watch = Stopwatch()
    batch: Batch = epoch.get_batch(index)
    indices = word_indices(batch.target_output)
    watch.add_lap("data")
    optimizer.zero_grad(set_to_none=True)
    memory, state = model.encode(batch.source, batch.source_lengths)
    cuts: list[tuple[Tensor, Tensor]] = []
    cut_memory: SourceMemory = detach_leaves(memory, cuts)
    cut_state: DecoderState = detach_leaves(state, cuts)
    watch.add_lap("encoder")
    embedded = model.target(batch.target_input)
    decoded = model.decoder(embedded, cut_state, cut_memory.memory, keep_weights=model.head.reads_attention)
    inputs = model.head.gather_inputs(decoded, embedded, batch.source)
    pairs: list[tuple[Tensor, Tensor]] = []
    cut_inputs: HeadInputs = detach_leaves(inputs, pairs)
    watch.add_lap("recurrence")
    loss = model.compute_loss(cut_inputs, batch.target_output, smoothing=training["label_smoothing"], indices=indices)
    (loss.objective / len(loss.word_nll)).backward()  # type: ignore[no-untyped-call]
    watch.add_lap("vocabulary")
    torch.autograd.backward([part for part, _ in pairs], [leaf.grad for _, leaf in pairs])
    watch.add_lap("recurrence")
    leaf_grads = [(part, leaf.grad) for part, leaf in cuts if leaf.grad is not None]
    torch.autograd.backward([part for part, _ in leaf_grads], [grad for _, grad in leaf_grads])
    watch.add_lap("encoder")
    torch.nn.utils.clip_grad_norm_(model.parameters(), training["clip_norm"] or float("inf"))
    optimizer.step()
    watch.add_lap("optimizer")
    return watch.seconds


def time_whole_step(
    model: Seq2Seq, optimizer: torch.optim.Optimizer, epoch: Epoch, index: int, training: ConfigDict
) -> float:
    """Seconds of the same step in one piece."""
    started = time.perf_counter()
    batch = epoch.get_batch(index)
    indices = word_indices(batch.target_output)
    optimizer.zero_grad(set_to_none=True)
    inputs = model(batch.source, batch.source_lengths, batch.target_input)
    loss = model.compute_loss(inputs, batch.target_output, smoothing=training["label_smoothing"], indices=indices)
    (loss.objective / len(loss.word_nll)).backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), training["clip_norm"] or float("inf"))
    optimizer.step()
    return time.perf_counter() - started


def measure_stages(
    model: Seq2Seq, optimizer: torch.optim.Optimizer, epoch: Epoch, training: ConfigDict, seconds: float
) -> dict[str, Any]:
    """Milliseconds of a step by stage: the median over turns, each of which takes one typical batch in every way.

    The first turn is the warm-up.
    """
    attention = model.decoder.attention
    turns: list[dict[str, float]] = []
    constant_attention = ConstantAttention(attention)
    index, end = find_typical_batch(epoch), time.perf_counter() + seconds
    while time.perf_counter() < end or len(turns) < 3:
        spent_by_stage = {"whole": time_whole_step(model, optimizer, epoch, index, training)}
        spent_by_stage |= time_stages(model, optimizer, epoch, index, training)
        model.decoder.attention = constant_attention
        spent_by_stage["without"] = time_stages(model, optimizer, epoch, index, training)["recurrence"]
        model.decoder.attention = attention
        turns.append({name: 1000 * spent for name, spent in spent_by_stage.items()})
    median = {name: statistics.median(turn[name] for turn in turns[1:]) for name in turns[0]}
    median["attention"] = median["recurrence"] - median["without"]
    median["recurrence"] = median.pop("without")
    words = int((epoch.get_batch(index).target_output != PAD).sum())
    return {"milliseconds": median, "turns": len(turns) - 1, "target_tokens": words}


def find_typical_batch(epoch: Epoch) -> int:
    """The batch whose targets are as wide as the median."""
    widths = [int(epoch.tokenized.target.lengths[rows].max()) for rows in epoch.rows]
    return min(range(len(widths)), key=lambda index: abs(widths[index] - statistics.median(widths)))
