"""Angles of positions, and vectors that are turned by them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

WAVELENGTH = 10_000.0
"""2 pi of these positions is about the longest wave."""


def compute_angles(
    positions: Int[Tensor, "row time"], size: int, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "row time pair"]:
    """p / 10000^(2i / size) for each pair of features i   (Vaswani et al. 2017, section 3.5; Su et al. 2021)"""
    even = torch.arange(0, size, 2, device=positions.device, dtype=dtype)
    return positions.unsqueeze(-1) / WAVELENGTH ** (even / size)


def rotate(
    vectors: Float[Tensor, "row head time size"], positions: Int[Tensor, "row time"]
) -> Float[Tensor, "row head time size"]:
    """Features 2i and 2i + 1, a point in the plane, turned by p / 10000^(2i / size); the size is even.

    (Su et al. 2021, "RoFormer", equation 34.) As complex numbers: z_i exp(j p / 10000^(2i / size)).
    """
    dtype = torch.promote_types(vectors.dtype, torch.float32)
    angles = compute_angles(positions, vectors.shape[-1], dtype).unsqueeze(1)
    cos, sin = angles.cos(), angles.sin()
    even, odd = vectors[..., 0::2], vectors[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(vectors.dtype)


def count_positions(states: Float[Tensor, "row time size"]) -> Int[Tensor, "row time"]:
    """0, 1, ... in each row."""
    return torch.arange(states.shape[1], device=states.device).expand(states.shape[:2])
