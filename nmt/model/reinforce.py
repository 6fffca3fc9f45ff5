"""The gradient of what was drawn: REINFORCE, for models whose attention samples."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.attention.selection import BaselineName, Sampled

POSITIONS = 512
"""Target positions that have an average of their own; those behind share that of the last."""

DECAY = 0.9
"""How much of an average stays at a step (Xu et al. 2015, section 4.1)."""

Costs = Float[Tensor, "row target"]
Mask = Bool[Tensor, "row target"]


class Reinforce(nn.Module):
    """weight sum over t of (R_t - b_t) log p(drawn_t)

    Its gradient, beside that of the nll itself, is an unbiased estimate of that of the expected nll (Williams 1992), if
    weight is 1. R_t is nll_t where the state goes on with the expected value, so that a draw is answerable for its own
    word alone (Deng et al. 2018), and else, with `to_go`, the sum of nll_u over u >= t: later words have read what was
    drawn. The baseline b_t depends on no draw of t, so that it changes the variance and not the mean:

    - batch: the mean of R_t over the other rows that have a word at t; a row that is alone there has none.
    - average: of earlier steps, b_t <- 0.9 b_t + 0.1 (mean of R_t over the rows), from 0   (Xu et al. 2015)
    - expected: nll of the same word, predicted from the expected value   (Deng et al. 2018)
    - none: 0.
    """

    def __init__(self, *, baseline: BaselineName = "batch", to_go: bool = True, weight: float = 1.0) -> None:
        super().__init__()
        self.baseline = baseline
        self.to_go = to_go
        self.weight = weight
        self.average: nn.Parameter | None = None  # a parameter, which no optimizer moves, to be saved as others are
        if baseline == "average":
            self.average = nn.Parameter(torch.zeros(POSITIONS), requires_grad=False)

    @classmethod
    def of(cls, selection: Sampled) -> "Reinforce":
        """That of a selection's settings."""
        return cls(baseline=selection.baseline, to_go=selection.goes_on == "selected", weight=selection.weight)

    def forward(
        self,
        log_prob: Float[Tensor, "row target"],
        nll: Costs,
        mask: Mask,
        expected_nll: Costs | None = None,
    ) -> Float[Tensor, ""]:
        """log_prob: of what each target position drew. nll: of its word. mask: where there is a word. expected_nll: of
        the same word by the expected value, for the baseline of that name. In training, the average takes a step."""
        costs = torch.where(mask, nll.detach(), 0.0)
        if self.to_go:
            costs = torch.where(mask, costs.flip(1).cumsum(1).flip(1), 0.0)
        baseline = self.compute_baseline(costs, mask, expected_nll)
        return self.weight * torch.where(mask, (costs - baseline) * log_prob, 0.0).sum()

    def compute_baseline(self, costs: Costs, mask: Mask, expected_nll: Costs | None) -> Costs:
        """b of each row and position."""
        if self.baseline == "none":
            return torch.zeros_like(costs)
        if self.baseline == "expected":
            assert expected_nll is not None
            return expected_nll
        counts = mask.sum(0)
        if self.baseline == "batch":
            others = counts - 1
            return torch.where(others > 0, (costs.sum(0) - costs) / others.clamp(min=1), 0.0)
        assert self.average is not None
        places = torch.arange(costs.shape[1], device=costs.device).clamp(max=POSITIONS - 1)
        baseline = self.average[places].to(costs.dtype).expand_as(costs)
        if self.training:
            self.advance(costs, mask)
        return baseline

    @torch.no_grad()
    def advance(self, costs: Costs, mask: Mask) -> None:
        """The average of each position that has a word, one step on."""
        assert self.average is not None
        places = torch.arange(costs.shape[1], device=costs.device).clamp(max=POSITIONS - 1)
        zeros = torch.zeros_like(self.average)
        sums = zeros.index_add(0, places, torch.where(mask, costs, 0.0).sum(0).to(zeros.dtype))
        counts = zeros.index_add(0, places, mask.sum(0).to(zeros.dtype))
        moved = DECAY * self.average + (1 - DECAY) * sums / counts.clamp(min=1)
        self.average.copy_(torch.where(counts > 0, moved, self.average))
