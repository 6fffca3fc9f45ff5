"""In which number format matrix products are taken; everything else stays in single precision.

There are two ways. A processor with AMX is given single precision and gives it, and its library rounds what it
multiplies on the way: no tensor of ours is in two formats. Everything else multiplies tensors of the shorter
format, which `torch.autocast` makes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def lowered(tensor: Tensor) -> Tensor:
    """The tensor in the format of products: that of `torch.autocast` inside one, its own otherwise."""
    return tensor.to(torch.get_autocast_dtype(tensor.device.type)) if is_lowering(tensor) else tensor


def is_lowering(tensor: Tensor) -> bool:
    """Whether products with the tensor are now taken of tensors in a shorter format."""
    kind = tensor.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def can_round(kind: str) -> bool:
    """Whether products on a device of this kind can round what they multiply: on a CPU that has AMX."""
    return kind == "cpu" and torch.cpu._is_amx_tile_supported()


@contextmanager
def rounding(is_on: bool = True) -> Iterator[None]:
    """Inside, products on a CPU round what they multiply to bfloat16, 8 binary digits, and sum in single precision.

    It holds for the whole process, and for backward passes that run inside. Without AMX products stay as they are.
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
    """left @ right. Batches of small products are not rounded on a CPU, unless they are compiled.

    They are as fast as memory is, since each number is read once, and rounding would come on top.
    """
    if left.ndim == 2 or torch.compiler.is_compiling() or not is_rounding():
        return left @ right
    with rounding(False):
        return left @ right
