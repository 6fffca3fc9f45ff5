"""What of the values becomes the context?

The weights say how much each source position matters. A selection turns them into those with which values are mixed:
all of them for soft attention, one position for hard attention.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Weights = Float[Tensor, "row head target source"]


class Selected(NamedTuple):
    """weights: those with which values are mixed. log_prob: of what all heads drew; None where nothing is drawn."""

    weights: Weights
    log_prob: Float[Tensor, "row target"] | None = None


class Selection(nn.Module):
    """selection=expected: c = sum over s of w[s] v[s], the expected value   (Bahdanau et al. 2015; soft attention)"""

    def forward(self, weights: Weights) -> Selected:
        """What becomes of these weights, which need not sum to one."""
        return Selected(weights)


class Sampled(Selection):
    """c = v[s],  s ~ Categorical(w / sum w) in training,  s = argmax w otherwise   (Xu et al. 2015; hard attention)

    Each head draws for itself. No gradient passes through the draw: the weights learn by REINFORCE (Williams 1992) from
    the log-probability of what was drawn, which the model's loss takes up.
    """

    def forward(self, weights: Weights) -> Selected:
        size = weights.shape[-1]
        if not self.training:
            return Selected(F.one_hot(weights.argmax(-1), size).to(weights.dtype))
        probs = weights / weights.sum(-1, keepdim=True)
        drawn = torch.multinomial(probs.detach().flatten(0, -2), 1).view(*weights.shape[:-1], 1)
        log_prob = probs.gather(-1, drawn).squeeze(-1).log().sum(1)
        return Selected(torch.zeros_like(weights).scatter(-1, drawn, 1.0), log_prob)


SELECTIONS: dict[str, type[Selection]] = {"expected": Selection, "sampled": Sampled}
