"""What of the values becomes the context?

The weights say how much each source position matters. A selection turns them into those with which values are mixed:
all of them for soft attention, one position for hard attention.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.masks import safe_log

Weights = Float[Tensor, "row head target source"]


class Selected(NamedTuple):
    """weights: those with which values are mixed. log_prob: of what all heads drew; None where nothing is drawn."""

    weights: Weights
    log_prob: Float[Tensor, "row target"] | None = None


class Chosen(NamedTuple):
    """Source positions of a sum, and the log of how much each counts; these sum to one."""

    positions: Int[Tensor, "row target choice"]
    log_weights: Float[Tensor, "row target choice"]


class Selection(nn.Module):
    """selection=expected: c = sum over s of w[s] v[s], the expected value   (Bahdanau et al. 2015; soft attention)"""

    has_choices = False
    """Whether the next word's distribution is a sum over source positions; then `choose` says which."""

    def choose(self, weights: Weights) -> Chosen:
        """The source positions that the distribution is summed over."""
        raise NotImplementedError(f"{type(self).__name__} has no choices.")

    def forward(self, weights: Weights) -> Selected:
        """What becomes of these weights, which need not sum to one."""
        return Selected(weights)


class Sampled(Selection):
    """c = v[s],  s ~ Categorical(w / sum w) in training,  s = argmax w otherwise   (Xu et al. 2015; hard attention)

    Each head draws for itself. No gradient passes through the draw: the weights learn by REINFORCE (Williams 1992) from
    the log-probability of what was drawn, which the model's loss takes up. Where no weight is above 0, as in a row
    without a source, any position is drawn, and there is nothing to learn from it.
    """

    def forward(self, weights: Weights) -> Selected:
        size = weights.shape[-1]
        if not self.training:
            return Selected(F.one_hot(weights.argmax(-1), size).to(weights.dtype))
        total = weights.sum(-1, keepdim=True)
        is_known = total > 0
        probs = torch.where(is_known, weights, 1.0) / torch.where(is_known, total, 1.0)
        drawn = torch.multinomial(probs.detach().flatten(0, -2), 1).view(*weights.shape[:-1], 1)
        log_prob = probs.gather(-1, drawn).squeeze(-1).log().sum(1)
        return Selected(torch.zeros_like(weights).scatter(-1, drawn, 1.0), log_prob)


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

    has_choices = True

    def __init__(self, *, choices: int | None = None) -> None:
        super().__init__()
        if choices is not None and choices < 1:
            raise ConfigError(
                f"attention.selection.choices must be at least 1 source position, or null for all; got {choices}."
            )
        self.choices = choices

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
