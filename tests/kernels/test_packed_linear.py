"""A packed weight multiplies as the plain one does, whatever it looks like in memory."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.kernels.packed_linear import pack_linear
from tests.builders import draw_normal

ROW, INPUT, OUTPUT = 5, 12, 7

LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "rows": lambda weight: weight,
    "columns": lambda weight: weight.t().contiguous().t(),
    "part": lambda weight: torch.cat([weight, weight], 1)[:, :INPUT],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("added", [None, (OUTPUT,)])
def test_it_is_the_plain_product(layout: str, added: tuple[int, ...] | None) -> None:
    weight, x = LAYOUTS[layout](draw_normal(OUTPUT, INPUT, seed=1)), draw_normal(ROW, INPUT, seed=2)
    more = None if added is None else draw_normal(*added, seed=3)
    wanted = x @ weight.t() + (0 if more is None else more)
    assert_close(pack_linear(weight)(x, more), wanted)


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="needs AVX-512")
@pytest.mark.parametrize("added", [None, (OUTPUT,)])
def test_in_bfloat16_it_rounds_what_it_is_given_and_gives(added: tuple[int, ...] | None) -> None:
    weight, x = draw_normal(OUTPUT, INPUT, seed=1).bfloat16(), draw_normal(ROW, INPUT, seed=2).bfloat16()
    more = None if added is None else draw_normal(*added, seed=3).bfloat16()
    wanted = x.float() @ weight.float().t() + (0 if more is None else more.float())
    found = pack_linear(weight)(x, more)
    assert found.dtype == torch.bfloat16
    assert_close(found.float(), wanted, atol=0.01, rtol=0.01)


def test_it_stays_as_the_weight_was() -> None:
    weight, x = draw_normal(OUTPUT, INPUT, seed=1), draw_normal(ROW, INPUT, seed=2)
    multiply, wanted = pack_linear(weight), x @ weight.t()
    weight.zero_()
    assert_close(multiply(x, None), wanted)
