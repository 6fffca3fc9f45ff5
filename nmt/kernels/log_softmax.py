"""log softmax in the place of its logits, the largest tensor of a step of a search."""

import torch
from jaxtyping import Float
from torch import Tensor

from nmt.kernels.switch import is_enabled


def log_softmax_(logits: Float[Tensor, "row word"]) -> Float[Tensor, "row word"]:
    """The values of `torch.log_softmax(logits, -1)`, without gradients. The logits are not to be used again.

    On a CPU they are overwritten: its kernel reads a row before it writes it.
    """
    is_in_place = is_enabled("log_softmax") and logits.device.type == "cpu"
    return torch.log_softmax(logits, -1, out=logits if is_in_place else None)
