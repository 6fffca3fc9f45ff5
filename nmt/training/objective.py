"""What one optimizer step minimizes: the loss of the words, and the losses of attention that are asked for."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.data.batching import Batch
from nmt.kernels.cross_entropy import word_indices
from nmt.kernels.devices import get_widest_dtype
from nmt.kernels.precision import make_training_contexts
from nmt.model.reinforce import Reinforce
from nmt.model.seq2seq import Seq2Seq
from nmt.ranks import Ranks
from nmt.special_tokens import PAD
from nmt.training.alignment_losses import ALIGNMENT_LOSSES, AlignmentLossName, compute_alignment_losses, select_active
from nmt.training.compiled import make_forward_fn
from nmt.training.settings import Training
from nmt.trees import to_device


class Counts(NamedTuple):
    """What losses are means over, in all batches of a step. words: of the target, </s> among them. alignment: of each
    alignment loss."""

    words: int
    alignment: dict[AlignmentLossName, int]


class Sums(NamedTuple):
    """The losses of a batch, summed, without a gradient."""

    objective: Float[Tensor, ""]
    nll: Float[Tensor, ""]
    alignment: dict[AlignmentLossName, Float[Tensor, ""]]


class Objective:
    """objective / words + sum over k of weight_k loss_k / count_k, of all batches of a step

    Raises ConfigError for a training.compile that the model's device cannot do.
    """

    def __init__(self, model: Seq2Seq, settings: Training) -> None:
        self.model = model
        self.settings = settings
        self.weights = select_active(settings.alignment_losses)
        self.forward = make_forward_fn(model, settings.compile, keep_weights=bool(self.weights))

    def count(self, group: Sequence[Batch]) -> Counts:
        """What the losses of these batches are means over."""
        words = sum(int((batch.target_output != PAD).sum()) for batch in group)
        return Counts(words, {name: sum(map(ALIGNMENT_LOSSES[name].count, group)) for name in self.weights})

    def backward(self, batch: Batch, counts: Counts) -> Sums:
        """Adds the gradient of a batch's share to those of the weights."""
        device_batch = to_device(batch, self.model.device)
        # Only real words reach the vocabulary, which is over half of all arithmetic. They are counted before the move,
        # because the device would have to be waited for.
        indices = word_indices(batch.target_output)
        if indices is not None:
            indices = indices.to(device_batch.target_output.device, non_blocking=True)
        by_amx, by_autocast = make_training_contexts(self.model.device, is_low=self.settings.precision == "bfloat16")
        with by_amx:
            with by_autocast:
                inputs = self.forward(device_batch.source, device_batch.source_lengths, device_batch.target_input)
                loss = self.model.compute_loss(
                    inputs, device_batch.target_output, smoothing=self.settings.label_smoothing, indices=indices
                )
            alignment = compute_alignment_losses(self.weights, inputs, device_batch)
            total = loss.objective / counts.words
            for name, value in alignment.items():
                total = total + self.weights[name] * value / max(counts.alignment[name], 1)
            total.backward()  # type: ignore[no-untyped-call]
        wide = get_widest_dtype(self.model.device)
        return Sums(
            loss.objective.detach().to(wide),
            loss.nll.to(wide),
            {name: value.detach().to(wide) for name, value in alignment.items()},
        )

    def add(self, parts: Sequence[Sums]) -> Sums:
        """The losses of several batches; zeros where there are none."""
        if not parts:
            zero = torch.zeros((), dtype=get_widest_dtype(self.model.device), device=self.model.device)
            return Sums(zero, zero, dict.fromkeys(self.weights, zero))
        return add_sums(parts)


def sum_counts(counts: Counts, ranks: Ranks) -> Counts:
    """What the losses of a step are means over, in all processes together."""
    words, *rest = map(int, ranks.sum([counts.words, *counts.alignment.values()]))
    return Counts(words, dict(zip(counts.alignment, rest, strict=True)))


def sum_gradients(model: nn.Module, sums: Sums, ranks: Ranks) -> Sums:
    """Puts the sum of the gradients of all processes into the weights; returns the sum of their losses.

    Running averages of what was drawn become the mean of those of all processes. The losses go first, as numbers of the
    CPU, so that a process that has ended is noticed before a GPU waits for it.
    """
    if ranks.count == 1:
        return sums
    parameters = list(model.parameters())
    losses = [float(loss) for loss in (sums.objective, sums.nll, *sums.alignment.values())]
    totals = ranks.sum([*losses, *(parameter.grad is not None for parameter in parameters)])
    ranks.average(
        [part.average for part in model.modules() if isinstance(part, Reinforce) and part.average is not None]
    )
    ranks.sum_gradients(parameters, [count > 0 for count in totals[len(losses) :]])
    wide = get_widest_dtype(next(model.parameters()).device)
    objective, nll, *alignment = (torch.tensor(total, dtype=wide) for total in totals[: len(losses)])
    return Sums(objective, nll, dict(zip(sums.alignment, alignment, strict=True)))


def add_sums(parts: Sequence[Sums]) -> Sums:
    """The losses of several batches."""
    objective, nll = (torch.stack(losses).sum() for losses in ([p.objective for p in parts], [p.nll for p in parts]))
    alignment = {name: torch.stack([part.alignment[name] for part in parts]).sum() for name in parts[0].alignment}
    return Sums(objective, nll, alignment)
