"""In which number format matrix products are taken; everything else stays in single precision."""

import torch
from torch import Tensor


def lowered(tensor: Tensor) -> Tensor:
    """The tensor in the format of products: that of `torch.autocast` inside one, its own otherwise."""
    return tensor.to(torch.get_autocast_dtype(tensor.device.type)) if is_lowering(tensor) else tensor


def is_lowering(tensor: Tensor) -> bool:
    """Whether products with the tensor are now taken in a shorter format."""
    kind = tensor.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
