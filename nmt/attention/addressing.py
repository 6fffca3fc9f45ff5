"""Addressing by location: three steps from weights of content to weights of a head of a Neural Turing Machine.

(Graves, Wayne and Danihelka 2014, section 3.3.2.) All are pure functions of weights over slots; those of a row count
from 0 and form a ring.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt import masks

Weights = Float[Tensor, "row head slot"]

FLOOR = 1e-12
"""What stands for a weight of exactly 0 where its logarithm is taken."""


def interpolate(content: Weights, previous: Weights, gate: Float[Tensor, "row head 1"]) -> Weights:
    """w_g = g w_c + (1 - g) w_(t-1)   (equation 7)

    A gate of 1 looks by content alone; one of 0 stays where the last step has looked.
    """
    return torch.lerp(previous, content, gate)


def shift(weights: Weights, kernel: Float[Tensor, "row head offset"], lengths: Int[Tensor, " row"]) -> Weights:
    """w~[i] = sum over k of kernel[k] w[(i - k) mod n],  k = -m .. m   (equation 8)

    A circular convolution. n, the length of the ring, is that of each row, `lengths`, and not the padded width; what
    lies beyond it gets nothing. kernel: 2 m + 1 shares that sum to 1, from m slots back to m slots ahead.
    """
    rows, heads, size = weights.shape
    count = kernel.shape[2]
    slots = torch.arange(size, device=weights.device).unsqueeze(1)
    offsets = torch.arange(count, device=weights.device) - count // 2
    origins = (slots - offsets).remainder(lengths.view(-1, 1, 1)).view(rows, 1, -1).expand(-1, heads, -1)
    moved = (weights.gather(2, origins).view(rows, heads, size, count) * kernel.unsqueeze(2)).sum(-1)
    return moved * masks.mask(lengths, size).unsqueeze(1)


def sharpen(weights: Weights, power: Float[Tensor, "row head 1"], bias: Float[Tensor, "row slot"]) -> Weights:
    """w[i] = w~[i]^gamma / sum over j of w~[j]^gamma   (equation 9)

    Computed as softmax(gamma log w~ + bias), which divides by nothing; FLOOR stands for zeros. bias: 0 for slots that
    there are, minus infinity for others.
    """
    logs = torch.where(weights > 0, weights, FLOOR).clamp(min=FLOOR).log()
    return (power * logs + bias.unsqueeze(1)).softmax(-1)
