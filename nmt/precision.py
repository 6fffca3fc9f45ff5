"""In which number format matrix products are taken; everything else stays in single precision.

A GPU multiplies tensors of the shorter format, which `torch.autocast` makes. A CPU is given single precision and gives
it, and its library rounds what it multiplies on the way: no tensor is converted, or kept in two formats.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def lowered(tensor: Tensor) -> Tensor:
    """The tensor in the format of products: that of `torch.autocast` inside one, its own otherwise."""
    kind = tensor.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return tensor.to(torch.get_autocast_dtype(kind))
    return tensor


@contextmanager
def rounding(is_on: bool = True) -> Iterator[None]:
    """Inside, products on a CPU round what they multiply to bfloat16, 8 binary digits, and sum in single precision.

    It holds for the whole process, and for backward passes that run inside. Where the processor has no instructions
    for it, products stay as they are.
    """
    products = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = products.fp32_precision
    products.fp32_precision = "bf16" if is_on else "ieee"
    try:
        yield
    finally:
        products.fp32_precision = before


def is_rounding() -> bool:
    """Whether products on a CPU are now taken of rounded factors."""
    return bool(torch.backends.mkldnn.matmul.fp32_precision == "bf16")  # type: ignore[attr-defined]


def multiplied(left: Tensor, right: Tensor) -> Tensor:
    """left @ right. Batches of small products are never rounded on a CPU.

    They are as fast as memory is, since each number is read once, and rounding would come on top.
    """
    if left.ndim == 2 or not is_rounding():
        return left @ right
    with rounding(False):
        return left @ right
