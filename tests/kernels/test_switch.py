"""One switch turns every kernel off, and whoever turned it puts it back."""

import re
from pathlib import Path

import pytest

from nmt.kernels import process_setup
from nmt.kernels.process_state import preserve_arithmetic
from nmt.kernels.switch import KERNELS, disable_kernels, is_enabled, use_kernels

NMT = Path(__file__).parents[2] / "nmt"


def test_reference_turns_all_kernels_off_and_auto_all_on() -> None:
    with preserve_arithmetic():
        use_kernels("reference")
        assert not any(map(is_enabled, KERNELS))
        process_setup.configure(None)
        assert all(map(is_enabled, KERNELS))
        process_setup.configure(None, "reference")
        assert not any(map(is_enabled, KERNELS))
    assert all(map(is_enabled, KERNELS))


def test_kernels_are_disabled_one_by_one_and_come_back_after_an_error() -> None:
    first, second, *others = KERNELS
    with pytest.raises(ZeroDivisionError), disable_kernels(first):
        with disable_kernels(second):
            assert [is_enabled(kernel) for kernel in KERNELS] == [False, False, *(True for _ in others)]
        assert is_enabled(second)
        raise ZeroDivisionError
    assert all(map(is_enabled, KERNELS))


def test_every_kernel_asks_the_switch_and_every_question_names_a_kernel() -> None:
    asked = {name for path in NMT.rglob("*.py") for name in re.findall(r'is_enabled\("(\w+)"\)', path.read_text())}
    assert asked == set(KERNELS)
