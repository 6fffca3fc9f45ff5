"""Where a word stands, for models that read all words at once."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

WAVELENGTH = 10_000.0
"""2 pi of these positions is the longest wave."""


def compute_sinusoids(positions: Int[Tensor, "row time"], size: int) -> Float[Tensor, "row time {size}"]:
    """PE[p, 2i] = sin(p / 10000^(2i / size)),  PE[p, 2i + 1] = cos(p / 10000^(2i / size))   (Vaswani et al. 2017, 3.5)

    Features of sine and cosine alternate. For an odd size the last cosine is left out.
    """
    even = torch.arange(0, size, 2, device=positions.device, dtype=torch.float32)
    angles = positions.unsqueeze(-1) / WAVELENGTH ** (even / size)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :size]
