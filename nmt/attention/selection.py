"""What of the values becomes the context?

The weights say how much each source position matters. A selection turns them into those with which values are mixed:
all of them for soft attention, one position for hard attention.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import PredictsFrom
from nmt.errors import ConfigError
from nmt.masks import safe_log

Weights = Float[Tensor, "row head target source"]

BaselineName = Literal["batch", "average", "expected", "none"]
"""What a reward is compared with: that of other rows, the mean of earlier steps, that of the expected value, nothing.
"""


class Selected(NamedTuple):
    """weights: those with which values are mixed. log_prob: of what all heads drew; None where nothing is drawn."""

    weights: Weights
    log_prob: Float[Tensor, "row target"] | None = None


class Chosen(NamedTuple):
    """Source positions that the next word is predicted from, and the log of how much each counts; these sum to one.

    log_prob: of what was drawn; None where nothing is.
    """

    positions: Int[Tensor, "row target choice"]
    log_weights: Float[Tensor, "row target choice"]
    log_prob: Float[Tensor, "row target"] | None = None


class Drawn(NamedTuple):
    """A source position for each head, and the log of its probability."""

    positions: Int[Tensor, "row head target"]
    log_probs: Float[Tensor, "row head target"]


class Selection(nn.Module):
    """selection=expected: c = sum over s of w[s] v[s], the expected value   (Bahdanau et al. 2015; soft attention)"""

    predicts_from: PredictsFrom = "context"

    def check_heads(self, heads: int) -> None:
        """Raises ConfigError where it cannot serve so many heads."""

    def choose(self, weights: Weights) -> Chosen | None:
        """The source positions that the next word is predicted from; None where it is the context."""
        return None

    def forward(self, weights: Weights) -> Selected:
        """What becomes of these weights, which need not sum to one."""
        return Selected(weights)


class Sampled(Selection):
    """c = v[s],  s ~ Categorical(w / sum w) in training,  s = argmax w otherwise   (Xu et al. 2015; hard attention)

    Each head draws for itself. No gradient passes through the draw: the weights learn by REINFORCE (Williams 1992) from
    the log-probability of what was drawn, which the model's loss takes up. Where no weight is above 0, as in a row
    without a source, any position is drawn, and there is nothing to learn from it.

    goes_on: what the decoder's state goes on with, the value that was `selected` (Xu et al.), so that a draw is
    answerable for all later words, or the `expected` one (Deng et al. 2018), so that it is for its own word alone; one
    head then. baseline, weight: see `nmt.model.reinforce`. soft: the share of looks in training that read the expected
    value in place of a draw (Xu et al.: half of the batches).
    """

    def __init__(
        self,
        *,
        baseline: BaselineName = "batch",
        goes_on: Literal["selected", "expected"] = "selected",
        soft: float = 0.0,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        if baseline == "expected" and goes_on == "selected":
            raise ConfigError(
                "attention.selection.baseline=expected compares a draw with the expected value, which later words have "
                "not read where attention.selection.goes_on=selected. Set attention.selection.goes_on=expected, or "
                "another baseline."
            )
        if not 0.0 <= soft < 1.0:
            raise ConfigError(f"attention.selection.soft must be at least 0 and below 1; got {soft}.")
        if soft and goes_on == "expected":
            raise ConfigError(
                "attention.selection.soft is the share of looks whose state goes on with the expected value, and with "
                f"attention.selection.goes_on=expected all do. Set attention.selection.soft=0; got {soft}."
            )
        if not 0.0 < weight < float("inf"):
            raise ConfigError(f"attention.selection.weight must be a number above 0; got {weight}.")
        self.baseline = baseline
        self.goes_on = goes_on
        self.soft = soft
        self.weight = weight
        self.predicts_from = "draw" if goes_on == "expected" else "context"

    def check_heads(self, heads: int) -> None:
        if self.goes_on == "expected" and heads > 1:
            raise ConfigError(
                "attention.selection.goes_on=expected predicts the word from one source position, which is that of one "
                f"head. Set attention.heads=1; got {heads}."
            )

    def choose(self, weights: Weights) -> Chosen | None:
        if self.goes_on == "selected":
            return None
        if not self.training:
            likeliest = weights.argmax(-1).transpose(1, 2)
            return Chosen(likeliest, torch.zeros_like(likeliest, dtype=weights.dtype))
        drawn = draw(weights)
        positions = drawn.positions.transpose(1, 2)
        return Chosen(positions, torch.zeros_like(positions, dtype=weights.dtype), drawn.log_probs.sum(1))

    def forward(self, weights: Weights) -> Selected:
        if self.goes_on == "expected":
            return Selected(weights)
        size = weights.shape[-1]
        if not self.training:
            return Selected(F.one_hot(weights.argmax(-1), size).to(weights.dtype))
        drawn = draw(weights)
        log_prob = drawn.log_probs.sum(1)
        hard = torch.zeros_like(weights).scatter(-1, drawn.positions.unsqueeze(-1), 1.0)
        if not self.soft:
            return Selected(hard, log_prob)
        is_soft = torch.rand_like(log_prob) < self.soft
        return Selected(torch.where(is_soft[:, None, :, None], weights, hard), log_prob.masked_fill(is_soft, 0.0))


def draw(weights: Weights) -> Drawn:
    """s ~ Categorical(w / sum w), and log of its probability, which has the gradient."""
    total = weights.sum(-1, keepdim=True)
    is_known = total > 0
    probs = torch.where(is_known, weights, 1.0) / torch.where(is_known, total, 1.0)
    drawn = torch.multinomial(probs.detach().flatten(0, -2), 1).view(*weights.shape[:-1], 1)
    return Drawn(drawn.squeeze(-1), probs.gather(-1, drawn).squeeze(-1).log())


class StraightThrough(Selection):
    """c = v[s],  s = argmax(log w + g),  g ~ Gumbel in training,  s = argmax w otherwise   (Jang et al. 2017)

    The gradient is that of softmax((log w + g) / temperature), as if it had been the weights (Bengio et al. 2013): it
    is biased, and low in variance. A lower temperature is less biased and varies more. Each head draws for itself.
    """

    def __init__(self, *, temperature: float = 1.0) -> None:
        super().__init__()
        if not 0 < temperature < float("inf"):
            raise ConfigError(f"attention.selection.temperature must be a number above 0; got {temperature}.")
        self.temperature = temperature

    def forward(self, weights: Weights) -> Selected:
        size = weights.shape[-1]
        if not self.training:
            return Selected(F.one_hot(weights.argmax(-1), size).to(weights.dtype))
        noise = torch.empty_like(weights, dtype=torch.float32).exponential_().log_().neg_()
        scores = (safe_log(weights) + noise) / self.temperature
        soft = scores.softmax(-1).to(weights.dtype)
        hard = F.one_hot(scores.argmax(-1), size).to(weights.dtype)
        return Selected(hard + (soft - soft.detach()))


class Marginal(Selection):
    """p(y) = sum over s of w[s] p(y | v[s]), exactly   (Wu et al. 2018; Deng et al. 2018: hard attention, enumerated)

    The next word is predicted from each source position alone, and the predictions are mixed; the decoder's state goes
    on with the expected value, so that the sum is over positions, not over sequences of them. `choices`: only so many
    positions, those of the largest weights, which are then scaled to sum to one (Shankar et al. 2018); None for all
    that have a weight. What the weights say once the word is known, w[s] p(y | v[s]) / p(y), is the alignment.
    """

    predicts_from: PredictsFrom = "each"

    def __init__(self, *, choices: int | None = None) -> None:
        super().__init__()
        if choices is not None and choices < 1:
            raise ConfigError(
                f"attention.selection.choices must be at least 1 source position, or null for all; got {choices}."
            )
        self.choices = choices

    def check_heads(self, heads: int) -> None:
        if heads > 1:
            raise ConfigError(
                "attention/selection=marginal sums over the source positions of one head; with more the sum would be "
                f"over all their combinations. Set attention.heads=1; got {heads}."
            )

    def choose(self, weights: Weights) -> Chosen:
        (weights,) = weights.unbind(1)
        most = weights.shape[-1] if self.choices is None else min(self.choices, weights.shape[-1])
        most = min(most, max(1, int((weights > 0).sum(-1).max())))  # sparse weights have few
        largest, positions = weights.topk(most, -1)
        log_weights = safe_log(largest)
        return Chosen(positions, log_weights - log_weights.logsumexp(-1, keepdim=True))


SELECTIONS: dict[str, type[Selection]] = {
    "expected": Selection,
    "sampled": Sampled,
    "straight_through": StraightThrough,
    "marginal": Marginal,
}
