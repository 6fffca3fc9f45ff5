"""In which number format matrix products are taken, and by which library; everything else stays in single precision.

There are two ways to a shorter format. A processor with AMX is given single precision and gives it, and its library,
oneDNN, rounds what it multiplies on the way: no tensor of ours is in two formats. Everything else multiplies tensors of
the shorter format, which `torch.autocast` makes.

Torch hands products of single precision to oneDNN where these may be rounded, and to MKL where they may not. Without
AMX oneDNN rounds nothing, and is the faster one on some processors: see `processor.choose_library`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import torch
from torch import Tensor

from nmt.errors import ConfigError

mkldnn_matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


def to_autocast_dtype(tensor: Tensor) -> Tensor:
    """The tensor in the format of products: that of `torch.autocast` inside one, its own otherwise."""
    return tensor.to(torch.get_autocast_dtype(tensor.device.type)) if is_autocast_on(tensor) else tensor


def is_autocast_on(tensor: Tensor) -> bool:
    """Whether products with the tensor are now taken of tensors in a shorter format."""
    device_type = tensor.device.type
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)


def has_amx(device_type: str) -> bool:
    """Whether products on a device of this kind can round what they multiply: on a CPU that has AMX."""
    return device_type == "cpu" and torch.cpu._is_amx_tile_supported()


def supports_bfloat16(device_type: str) -> bool:
    """Whether a device of this kind has products of bfloat16; a CPU without them takes number after number."""
    return device_type != "cpu" or (torch._C._has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


def check_precision(precision: str, device_type: str) -> None:
    """Raises ConfigError where training in this precision, on a device of this kind, would take fifty times as long."""
    if precision == "bfloat16" and not supports_bfloat16(device_type):
        raise ConfigError(
            "training.precision=bfloat16 needs a GPU, or a CPU with AMX or AVX512-BF16 (lscpu lists amx_bf16 or "
            "avx512_bf16); this one has no products of bfloat16. Choose training.precision=float32."
        )


def use_onednn(is_on: bool) -> None:
    """Has the products of this process, on a CPU, taken by oneDNN, which rounds them where there is AMX, or by MKL."""
    mkldnn_matmul.fp32_precision = "bf16" if is_on else "ieee"


def is_onednn() -> bool:
    """Whether products on a CPU are now oneDNN's."""
    return bool(mkldnn_matmul.fp32_precision == "bf16")


@contextmanager
def _matmul_backend(by_onednn: bool) -> Iterator[None]:
    before = mkldnn_matmul.fp32_precision
    use_onednn(by_onednn)
    try:
        yield
    finally:
        mkldnn_matmul.fp32_precision = before


@contextmanager
def amx_bfloat16(is_on: bool = True) -> Iterator[None]:
    """Inside, products on a CPU round what they multiply to bfloat16, 8 binary digits, and sum in single precision.

    It holds for the whole process, and for backward passes that run inside. Without AMX products stay as they are.
    """
    with _matmul_backend(by_onednn=True) if is_on else nullcontext():
        yield


def make_training_contexts(
    device: torch.device, *, is_low: bool
) -> tuple[AbstractContextManager[None], AbstractContextManager[object]]:
    """Two contexts that have products take bfloat16 if `is_low`: one for forward and backward, one for forward alone.

    AMX rounds inside the first, and `torch.autocast` makes tensors of bfloat16 inside the second; only one of them does
    anything.
    """
    has_rounding = has_amx(device.type)
    by_autocast = torch.autocast(device.type, torch.bfloat16, enabled=is_low and not has_rounding)
    return amx_bfloat16(is_low and has_rounding), by_autocast


def multiply_memory(left: Tensor, memory: Tensor) -> Tensor:
    """left @ memory, keys or values of each sentence, given in the wider format of both.

    They are multiplied in single precision on a CPU: each is read once a product, which is then as fast as memory is,
    whatever the format, and the conversion of every query would come on top.
    """
    on_cpu = memory.device.type == "cpu"
    factor = memory.to(torch.promote_types(memory.dtype, torch.float32)) if on_cpu else to_autocast_dtype(memory)
    product = multiply_matrices(left.to(factor.dtype), factor)
    return product.to(torch.promote_types(left.dtype, factor.dtype))


def run_lstm(
    inputs: Tensor, carry: tuple[Tensor, ...], weights: list[Tensor], is_training: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """torch.lstm over one layer and direction: outputs, hidden state and cell.

    On a CPU in single precision even inside `torch.autocast`, where its kernel for bfloat16 takes three times as long.
    """
    with torch.autocast("cpu", enabled=False) if inputs.device.type == "cpu" else nullcontext():
        start = [part.unsqueeze(0) for part in carry]
        outputs, hidden, cell = torch.lstm(inputs, start, weights, True, 1, 0.0, is_training, False, True)
    return outputs, hidden[0], cell[0]


def multiply_matrices(left: Tensor, right: Tensor) -> Tensor:
    """left @ right in the format that they are in.

    Batches of small products are MKL's on a CPU, and so not rounded, unless they are compiled: they are as fast as
    memory is, since each number is read once. Rounding would come on top, and oneDNN's writing of code for every new
    number of rows and positions; and so would the copy that `torch.autocast` makes of keys and values at each position.
    """
    if left.ndim == 2 or torch.compiler.is_compiling():
        return left @ right
    with take_exact_products(left):
        return left @ right


def take_exact_products(tensor: Tensor) -> AbstractContextManager[object]:
    """Inside, products with the tensor are taken in the format that it is in, and nothing is rounded on the way."""
    if not (is_onednn() or is_autocast_on(tensor)):
        return nullcontext()
    exact = ExitStack()
    exact.enter_context(_matmul_backend(by_onednn=False))
    exact.enter_context(torch.autocast(tensor.device.type, enabled=False))
    return exact
