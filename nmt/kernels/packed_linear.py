"""A weight laid out once for many products, where the library would else lay it out at each of them."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nmt.kernels.switch import is_enabled

LinearFn = Callable[[Float[Tensor, "row input"], Float[Tensor, " output"] | None], Float[Tensor, "row output"]]
"""(x, bias) -> x W' + bias"""

PACKABLE_DTYPES = torch.float32, torch.bfloat16
"""What the library lays out."""


def pack_linear(weight: Float[Tensor, "output input"]) -> LinearFn:
    """x W' + bias by oneDNN on a CPU, with W laid out now, as `torch.compile` does when it freezes a model.

    It has no gradient. Elsewhere it is the reference, `torch.nn.functional.linear`.
    """
    weight = weight.detach()
    is_packable = weight.device.type == "cpu" and weight.dtype in PACKABLE_DTYPES and torch._C._has_mkldnn
    if not is_packable or not is_enabled("packed_linear"):
        return partial(_multiply, weight)
    return partial(_multiply_packed, torch.ops.mkldnn._reorder_linear_weight(weight.contiguous()))


def _multiply(weight: Tensor, x: Tensor, bias: Tensor | None) -> Tensor:
    return F.linear(x, weight, bias)


def _multiply_packed(packed_weight: Tensor, x: Tensor, bias: Tensor | None) -> Tensor:
    output: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed_weight, bias, "none", [], "")
    return output
