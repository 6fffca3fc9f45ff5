"""Weights laid out once for many products, where the library would else lay them out at each of them."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nmt.kernels.precision import has_amx, is_onednn, supports_bfloat16
from nmt.kernels.switch import is_enabled

LinearFn = Callable[[Float[Tensor, "row input"], Float[Tensor, "*row output"] | None], Float[Tensor, "row output"]]
"""(x, added) -> x W' + added; what is added is of the same format, one vector for all rows or one a row."""

MIN_ROWS_TO_PACK = 2048
"""From so many rows of products on: laying a weight out costs what is gained by it in half of them."""


def linear_for(weight: Float[Tensor, "output input"], rows: int) -> LinearFn:
    """What multiplies by the weight, which is laid out if that pays for `rows` rows in all.

    Of no gradient: this is for what has its own.
    """
    return pack_linear(weight) if rows >= MIN_ROWS_TO_PACK and is_packed_faster(weight) else partial(linear, weight)


def is_packed_faster(weight: Float[Tensor, "output input"]) -> bool:
    """Whether products with the weight are oneDNN's, and of numbers that it multiplies as they are.

    With AMX it converts single precision on the way, for which it has layouts of its own.
    """
    if weight.device.type != "cpu" or not torch._C._has_mkldnn or not is_enabled("packed_linear"):
        return False
    if weight.dtype == torch.float32:
        return is_onednn() and not has_amx("cpu")
    return weight.dtype == torch.bfloat16 and supports_bfloat16("cpu")


def pack_linear(weight: Float[Tensor, "output input"]) -> LinearFn:
    """x W' + added by oneDNN, with W laid out now, as `torch.compile` does when it freezes a model."""
    packed_weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())

    def multiply(x: Tensor, added: Tensor | None) -> Tensor:
        if added is None or added.ndim == 1:
            output: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed_weight, added, "none", [], "")
        else:
            output = torch.ops.mkldnn._linear_pointwise.binary(x, added.contiguous(), packed_weight, None, "add")
        return output

    return multiply


def linear(weight: Tensor, x: Tensor, added: Tensor | None) -> Tensor:
    """The plain product."""
    return torch.addmm(added, x, weight.t()) if added is not None and added.ndim == 2 else F.linear(x, weight, added)
