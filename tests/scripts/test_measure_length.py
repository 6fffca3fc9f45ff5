"""The measurement of time by length: slopes are exponents, and every kind of layer runs."""

import pytest
from matplotlib.figure import Figure

from nmt.attention.linear import FeatureForm, WindowForm
from scripts.measure_length import KINDS, compute_slope, draw, make_step


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.7])
def test_a_slope_is_the_exponent(exponent: float) -> None:
    lengths = [256, 512, 4096]
    assert compute_slope(lengths, [3 * length**exponent for length in lengths]) == pytest.approx(exponent)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_takes_a_step(kind: str) -> None:
    make_step(kind, 300)()
    form = KINDS[kind].build(128, "").linear_form
    assert {"full": type(None), "window": WindowForm, "favor": FeatureForm}[kind] is type(form)


def test_a_picture_has_time_and_memory() -> None:
    figure = draw([256, 512], {"full": ([0.1, 0.4], [10.0, 20.0])})
    assert isinstance(figure, Figure)
    assert [ax.get_ylabel() for ax in figure.axes] == ["CPU seconds", "MiB at the peak"]
