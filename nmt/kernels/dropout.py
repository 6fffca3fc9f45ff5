"""Dropout that draws its bits quickly on a CPU.

Which numbers are drawn is part of what a seed means, so there is no switch: a run with a reference of other draws would
have other losses.
"""

import torch
from torch import Tensor, nn

PROBABILITY_STEPS = 2**16
"""A probability is rounded to a multiple of 1 / STEPS."""

NUMBERS_PER_DRAW = 4
"""Numbers of 16 bits in a draw of 64."""


class Dropout(nn.Dropout):
    """y = x m / (1 - p) with P(m = 0) = p, each entry by itself   (Srivastava et al. 2014)

    On a CPU torch makes a number of 32 bits or more for each entry, which took some 5 % of a training step; here a draw
    of 64 bits decides on four of them.
    """

    def forward(self, input: Tensor) -> Tensor:
        # `input` as torch names it, so that this may stand where nn.Dropout does.
        if not self.training or self.p in (0.0, 1.0) or input.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(input)
        size = input.numel()
        draws = torch.empty(-(-size // NUMBERS_PER_DRAW), dtype=torch.int64).random_(-(2**63), None)
        threshold = min(round(self.p * PROBABILITY_STEPS), PROBABILITY_STEPS - 1) - PROBABILITY_STEPS // 2
        mask = draws.view(torch.int16)[:size].view(input.shape) >= threshold
        return input * mask.to(input.dtype).mul_(1.0 / (1.0 - self.p))
