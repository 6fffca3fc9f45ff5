"""x W' + b with W made ready once, because it will be asked for at every step of a search."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor

from nmt.errors import ConfigError
from nmt.kernels.packed_linear import pack_linear
from nmt.kernels.precision import amx_bfloat16, has_amx

Precision = Literal["float32", "bfloat16", "int8"]

_ROW_MULTIPLE = 32
"""A number of rows is rounded up to a multiple of this."""

Rows = Float[Tensor, "row features"]
Weight = Float[Tensor, "outputs features"]
Bias = Float[Tensor, " outputs"]


class PreparedLinear(ABC):
    """x W' + b for a weight and a bias that stay as they are.

    inputs_bounded: no entry of x is above 1 in magnitude. may_round: the result may be rounded as W and x are, because
    what follows bounds it.
    """

    @abstractmethod
    def __init__(
        self, weight: Weight, bias: Bias | None, *, inputs_bounded: bool = False, may_round: bool = False
    ) -> None: ...

    @abstractmethod
    def __call__(self, x: Rows) -> Float[Tensor, "row outputs"]:
        """The product for any number of rows."""


class Float32(PreparedLinear):
    """In the precision of the weight; packed on a CPU, since a search takes more products than any packing costs."""

    def __init__(
        self, weight: Weight, bias: Bias | None, *, inputs_bounded: bool = False, may_round: bool = False
    ) -> None:
        self.bias = None if bias is None else bias.detach()
        self.multiply = pack_linear(weight)

    def __call__(self, x: Rows) -> Float[Tensor, "row outputs"]:
        return self.multiply(x, self.bias)


def pad_rows(x: Rows, dtype: torch.dtype) -> Num[Tensor, "more_rows features"]:
    """A copy in that format with rows of zeros, up to a multiple of 32 on a CPU.

    There the library writes code of its own for each number of rows, which takes it longer than the product; and as
    sentences end, the rows of a search are of any number.
    """
    if x.device.type != "cpu":
        return x.to(dtype)
    output = x.new_empty(-(-len(x) // _ROW_MULTIPLE) * _ROW_MULTIPLE, x.shape[1], dtype=dtype)
    output[: len(x)] = x
    output[len(x) :] = 0
    return output


class BFloat16(PreparedLinear):
    """With W and x rounded to 8 binary digits, and sums in single precision.

    On a CPU the result keeps its digits unless it may be rounded: then no single precision is left to convert at every
    step, and the product is twice as fast.

    Raises ConfigError where the CPU has no AMX: others are no faster than in single precision, or cannot.
    """

    def __init__(
        self, weight: Weight, bias: Bias | None, *, inputs_bounded: bool = False, may_round: bool = False
    ) -> None:
        if weight.device.type == "cpu" and not has_amx("cpu"):
            others = "float32 or int8" if torch.cpu._is_vnni_supported() else "float32"
            raise ConfigError(
                f"precision=bfloat16 of a search needs a CPU with AMX, or a GPU; choose precision={others}."
            )
        self.rounds_output = may_round or weight.device.type != "cpu"
        if self.rounds_output:
            weight, bias = weight.bfloat16(), None if bias is None else bias.bfloat16()
        with amx_bfloat16():
            self.linear = Float32(weight, bias)

    def __call__(self, x: Rows) -> Float[Tensor, "row outputs"]:
        rows = len(x)
        if self.rounds_output:
            return self.linear(pad_rows(x, torch.bfloat16))[:rows].float()
        with amx_bfloat16():
            return self.linear(pad_rows(x, x.dtype))[:rows]


class Int8(PreparedLinear):
    """W = diag(s) Q with integers Q of at most 127 in magnitude and one s an output; x = u (P - 128) / 127 likewise

    u is 1 where no entry of x is above 1, and else the largest magnitude in each row of x, so that a row's result does
    not depend on the other rows. Sums are exact, in 32 bits; what is lost is the rounding of x and W. The product is
    oneDNN's, which torch.export's quantizer for x86 produces too.

    Raises ConfigError where the processor has no instruction for it: others saturate, or are slower than float32.
    """

    def __init__(
        self, weight: Weight, bias: Bias | None, *, inputs_bounded: bool = False, may_round: bool = False
    ) -> None:
        if weight.device.type != "cpu" or not torch.cpu._is_vnni_supported():
            raise ConfigError(
                f"precision=int8 needs a CPU with VNNI instructions; the model is on {weight.device.type}"
                f"{' without them' if weight.device.type == 'cpu' else ''}. Choose precision=float32."
            )
        weight = weight.detach()
        self.scale = (weight.abs().amax(1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
        self.packed_weight = torch.ops.onednn.qlinear_prepack(
            (weight / self.scale.unsqueeze(1)).round().to(torch.int8), None
        )
        self.zero_points = torch.zeros(len(weight), dtype=torch.int32)
        self.bias = None if bias is None else bias.detach()
        self.inputs_bounded = inputs_bounded

    def __call__(self, x: Rows) -> Float[Tensor, "row outputs"]:
        if self.inputs_bounded:
            return self._multiply(x, self.bias)
        row_scale = x.abs().amax(1, keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny)
        output = self._multiply(x / row_scale, None)
        return output.mul_(row_scale) if self.bias is None else torch.addcmul(self.bias, output, row_scale, out=output)

    def _multiply(self, x: Rows, bias: Float[Tensor, " outputs"] | None) -> Float[Tensor, "row outputs"]:
        # Adding one half makes of the conversion, which cuts off, a rounding.
        quantized = pad_rows(torch.add(128.5, x, alpha=127), torch.uint8)
        output: Tensor = torch.ops.onednn.qlinear_pointwise(
            quantized,
            1 / 127,
            128,
            self.packed_weight,
            self.scale,
            self.zero_points,
            bias,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return output[: len(x)]


PRECISIONS: dict[Precision, type[PreparedLinear]] = {"float32": Float32, "bfloat16": BFloat16, "int8": Int8}
