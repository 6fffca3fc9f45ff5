"""In which number format matrix products are taken; everything else stays in single precision."""

import torch
from torch import Tensor


def lowered(tensor: Tensor) -> Tensor:
    """The tensor in the format of products: that of `torch.autocast` inside one, its own otherwise."""
    kind = tensor.device.type
    inside = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return tensor.to(torch.get_autocast_dtype(kind)) if inside else tensor
