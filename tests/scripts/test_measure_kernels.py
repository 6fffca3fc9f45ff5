"""Kernels are turned off one at a time, in turns of one process."""

from nmt.kernels.switch import KERNELS, is_enabled
from scripts.measure_kernels import LONG_INPUT, SEARCH, TRAINING, find_variants, format_ratio, measure_ratios


def test_every_kernel_is_measured() -> None:
    assert {*TRAINING, *SEARCH, *LONG_INPUT} == set(KERNELS)


def test_each_variant_runs_once_in_every_turn_with_its_kernels_off() -> None:
    seen: list[frozenset[str]] = []
    variants = find_variants(["additive", "additive+topk"])
    measure_ratios(lambda: seen.append(frozenset(k for k in KERNELS if not is_enabled(k))), variants, 3, 60.0)
    expected = sorted([(), (), ("additive",), ("additive", "topk"), tuple(sorted(KERNELS))])
    for turn in range(4):
        assert sorted(tuple(sorted(off)) for off in seen[5 * turn : 5 * turn + 5]) == expected


def test_a_ratio_has_its_quartiles() -> None:
    assert format_ratio([1.0, 2.0, 3.0]) == "2.000 [1.000 .. 3.000]"
