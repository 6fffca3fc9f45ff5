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
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.attention.attention import Attended, Attention, Look, Past
from nmt.attention.memory import Memory, join_heads
from nmt.config import Plain
from nmt.data.batching import Batch, Epoch
from nmt.kernels.cross_entropy import real_places, selected, vocabulary_loss
from nmt.model.decoders.decoder import DecoderState
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import PAD
from nmt.trees import over

STAGES = ("data", "encoder", "recurrence", "attention", "vocabulary", "optimizer")


class Nothing(Attention):
    """Remembers as another attention does, and has the first value for a context, whatever the query."""

    def __init__(self, other: Attention) -> None:
        nn.Module.__init__(self)
        self.other = other

    def remember(self, states: Float[Tensor, "row source memory"], mask: Bool[Tensor, "row source"]) -> Memory:
        return self.other.remember(states, mask)

    def over(self, memory: Memory) -> Look:
        first = join_heads(memory.values[:, :, :1])
        weights = memory.bias[:, None, None].expand(-1, self.other.heads, -1, -1)

        def look(query: Tensor, positions: Tensor, past: Past) -> Attended:
            target = query.shape[1]
            return Attended(first.expand(-1, target, -1), weights.expand(-1, -1, target, -1), past)

        return look


class Watch:
    """Adds up seconds by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.spent[stage] = self.spent.get(stage, 0.0) + now - self._last
        self._last = now


def leaves(parts: Any, found: list[tuple[Tensor, Tensor]]) -> Any:
    """The same state or memory, cut off from what made it.

    `found` gets each tensor that wants a gradient, as it was and as it is.
    """

    def cut(part: Tensor) -> Tensor:
        if not part.requires_grad:
            return part
        leaf = part.detach().requires_grad_()
        found.append((part, leaf))
        return leaf

    return over(parts, cut)


def step(
    model: Seq2Seq, optimizer: torch.optim.Optimizer, epoch: Epoch, index: int, training: Plain
) -> dict[str, float]:
    """Seconds of one training step by stage; `recurrence` has the attention in it."""
    watch = Watch()
    batch: Batch = epoch.batch(index)
    places = real_places(batch.wanted)
    watch.lap("data")
    optimizer.zero_grad(set_to_none=True)
    memory, state = model.encode(batch.source, batch.source_lengths)
    cuts: list[tuple[Tensor, Tensor]] = []
    cut_memory: Memory = leaves(memory, cuts)
    cut_state: DecoderState = leaves(state, cuts)
    watch.lap("encoder")
    decoded = model.decoder(model.target(batch.read), cut_state, cut_memory).readout
    readout = selected(model.readout(decoded), places)
    cut_readout = readout.detach().requires_grad_()
    watch.lap("recurrence")
    output = model.output
    loss = vocabulary_loss(
        cut_readout, output.weight, output.bias, selected(batch.wanted, places), training["label_smoothing"]
    )
    (loss.smoothed / len(readout)).backward()  # type: ignore[no-untyped-call]
    watch.lap("vocabulary")
    readout.backward(cut_readout.grad)
    watch.lap("recurrence")
    reached = [(part, leaf.grad) for part, leaf in cuts if leaf.grad is not None]
    torch.autograd.backward([part for part, _ in reached], [grad for _, grad in reached])
    watch.lap("encoder")
    torch.nn.utils.clip_grad_norm_(model.parameters(), training["clip_norm"] or float("inf"))
    optimizer.step()
    watch.lap("optimizer")
    return watch.spent


def uncut(model: Seq2Seq, optimizer: torch.optim.Optimizer, epoch: Epoch, index: int, training: Plain) -> float:
    """Seconds of the same step in one piece."""
    started = time.perf_counter()
    batch = epoch.batch(index)
    places = real_places(batch.wanted)
    optimizer.zero_grad(set_to_none=True)
    readout = selected(model(batch.source, batch.source_lengths, batch.read), places)
    output = model.output
    loss = vocabulary_loss(
        readout, output.weight, output.bias, selected(batch.wanted, places), training["label_smoothing"]
    )
    (loss.smoothed / len(readout)).backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), training["clip_norm"] or float("inf"))
    optimizer.step()
    return time.perf_counter() - started


def measured(
    model: Seq2Seq, optimizer: torch.optim.Optimizer, epoch: Epoch, training: Plain, seconds: float
) -> dict[str, Any]:
    """Milliseconds of a step by stage: the median over turns, each of which takes one typical batch in every way.

    The first turn is the warm-up.
    """
    attention = model.decoder.attention
    turns: list[dict[str, float]] = []
    with_nothing = Nothing(attention)
    index, end = typical(epoch), time.perf_counter() + seconds
    while time.perf_counter() < end or len(turns) < 3:
        found = {"whole": uncut(model, optimizer, epoch, index, training)}
        found |= step(model, optimizer, epoch, index, training)
        model.decoder.attention = with_nothing
        found["without"] = step(model, optimizer, epoch, index, training)["recurrence"]
        model.decoder.attention = attention
        turns.append({name: 1000 * spent for name, spent in found.items()})
    median = {name: statistics.median(turn[name] for turn in turns[1:]) for name in turns[0]}
    median["attention"] = median["recurrence"] - median["without"]
    median["recurrence"] = median.pop("without")
    words = int((epoch.batch(index).wanted != PAD).sum())
    return {"milliseconds": median, "turns": len(turns) - 1, "target_tokens": words}


def typical(epoch: Epoch) -> int:
    """The batch whose targets are as wide as the median."""
    widths = [int(epoch.tokenized.target.lengths[rows].max()) for rows in epoch.rows]
    return min(range(len(widths)), key=lambda index: abs(widths[index] - statistics.median(widths)))
