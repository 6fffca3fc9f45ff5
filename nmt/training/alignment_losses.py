"""What training may ask of attention weights, beside translation: pure functions of weights and links.

Each gives a sum over a batch and says of what; what is minimized and logged is the mean over a whole step.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nmt.data.batching import Batch
from nmt.masks import NEG_INF, mask
from nmt.model.heads.head import HeadInputs
from nmt.special_tokens import PAD

Weights = Float[Tensor, "row head target source"]
Mean = Float[Tensor, "row target source"]


class AttentionWeights(NamedTuple):
    """Of one batch. log_weights: minus infinity where nothing can be looked at. links: which source pieces each target
    piece is linked to, None where nobody knows. target, source: where there are pieces, and no padding."""

    weights: Weights
    log_weights: Weights
    target: Bool[Tensor, "row target"]
    source: Bool[Tensor, "row source"]
    links: Bool[Tensor, "row target source"] | None = None

    def compute_mean(self) -> Mean:
        """The weights averaged over heads, zero in the rows of padding."""
        return self.weights.mean(1) * self.target.unsqueeze(-1)


def compute_coverage(attention: AttentionWeights) -> Float[Tensor, ""]:
    """sum over t, s of min(w[t, s], c[t, s]),  c[t, s] = sum over u < t of w[u, s]   (See, Liu and Manning 2017, 12)

    What looks again where it has looked before costs as much as it looks. The mean over heads; per target piece.
    """
    weights = attention.compute_mean()
    before = weights.cumsum(1) - weights
    return torch.minimum(weights, before).sum()


def compute_doubly_stochastic(attention: AttentionWeights) -> Float[Tensor, ""]:
    """sum over s of (1 - sum over t of w[t, s])^2   (Xu et al. 2015, equation 14)

    Every source piece shall get a total of one. The mean over heads; per sentence.
    """
    totals = attention.compute_mean().sum(1)
    return ((1.0 - totals).square() * attention.source).sum()


def compute_entropy(attention: AttentionWeights) -> Float[Tensor, ""]:
    """- sum over t, s of w[t, s] log w[t, s], in nats, the mean of the entropies of all heads; per target piece.

    A weight above zero in `training.alignment_losses` makes attention look at few places, one below zero at many.
    """
    weights = attention.weights
    logs = torch.where(weights > 0, weights, 1.0).log()  # has no infinite gradient at zero
    return -((weights * logs).sum(-1).mean(1) * attention.target).sum()


def compute_guided(attention: AttentionWeights) -> Float[Tensor, ""]:
    """- sum over t, s of a[t, s] log w[t, s],  a[t, .] = the links of t, each alike, summing to one; per linked piece

    (Chen et al. 2016; Garg et al. 2019.) w is the mean over heads. Target pieces without links, and links to what the
    scope does not let t see, give nothing. Of a normalizer with exact zeros, w is the softmax of the same scores.
    """
    assert attention.links is not None
    logs, heads = attention.log_weights, attention.log_weights.shape[1]
    seen = logs > NEG_INF
    # A large number in place of infinity, of which logsumexp has no gradient where all heads have it.
    finite = logs.masked_fill(~seen, torch.finfo(logs.dtype).min / 2)
    mean = finite.squeeze(1) if heads == 1 else finite.logsumexp(1) - torch.tensor(heads, dtype=logs.dtype).log()
    links = attention.links & attention.target.unsqueeze(-1)
    shares = links / links.sum(-1, keepdim=True).clamp(min=1)
    return -torch.where(links & seen.any(1), shares * mean, 0.0).sum()


def count_target(batch: Batch) -> int:
    """Target pieces, </s> among them."""
    return int((batch.target_output != PAD).sum())


def count_sentences(batch: Batch) -> int:
    """Sentence pairs."""
    return len(batch.target_output)


def count_linked(batch: Batch) -> int:
    """Target pieces with a link."""
    return 0 if batch.links is None else int(batch.links.any(-1).sum())


class AlignmentLoss(NamedTuple):
    """compute: the sum over a batch. count: what it is a sum over. needs_links: whether it learns from links."""

    compute: Callable[[AttentionWeights], Float[Tensor, ""]]
    count: Callable[[Batch], int]
    needs_links: bool = False


AlignmentLossName = Literal["coverage", "doubly_stochastic", "entropy", "guided"]

ALIGNMENT_LOSSES: dict[AlignmentLossName, AlignmentLoss] = {
    "coverage": AlignmentLoss(compute_coverage, count_target),
    "doubly_stochastic": AlignmentLoss(compute_doubly_stochastic, count_sentences),
    "entropy": AlignmentLoss(compute_entropy, count_target),
    "guided": AlignmentLoss(compute_guided, count_linked, needs_links=True),
}
"""By the names that `training.alignment_losses` has."""


def select_active(weights: Mapping[AlignmentLossName, float]) -> dict[AlignmentLossName, float]:
    """The losses that have a weight other than zero."""
    return {name: weight for name, weight in weights.items() if weight}


def needs_links(weights: Mapping[AlignmentLossName, float]) -> bool:
    """Whether links of the training text are needed."""
    return any(ALIGNMENT_LOSSES[name].needs_links for name in select_active(weights))


def read_attention(inputs: HeadInputs, batch: Batch) -> AttentionWeights:
    """What `Seq2Seq.forward` kept of attention, with axes (row, head, target, source) and those of the batch."""
    assert inputs.head_weights is not None
    assert inputs.head_log_weights is not None
    size = batch.source.shape[1]  # a compiled decoder pads the source
    weights, logs = (
        part.transpose(1, 2)[..., :size].float() for part in (inputs.head_weights, inputs.head_log_weights)
    )
    return AttentionWeights(weights, logs, batch.target_output != PAD, mask(batch.source_lengths, size), batch.links)


def compute_alignment_losses(
    names: Mapping[AlignmentLossName, float], inputs: HeadInputs, batch: Batch
) -> dict[AlignmentLossName, Float[Tensor, ""]]:
    """The sum over a batch of each of these losses."""
    if not names:
        return {}
    attention = read_attention(inputs, batch)
    return {name: ALIGNMENT_LOSSES[name].compute(attention) for name in names}
