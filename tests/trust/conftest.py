"""What all tests of promises share: light runs, and the figures that the long ones measured, added up at the end."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.synthetic_light import lighten

RecordFigures = Callable[[str, Mapping[str, float]], None]
"""Takes a promise and what a test of it found, such as {"kills": 20, "most steps lost": 3}."""

KEY = "measured"


@pytest.fixture(scope="module", autouse=True)
def _light() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        lighten(patch)
        yield


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> RecordFigures:
    """Notes figures for the end of the session, whichever process a test runs in."""
    return lambda promise, found: record_property(KEY, [promise, dict(found)])


def sum_figures(notes: list[tuple[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The figures of each promise over all its tests: what begins with "most" is the largest, all else the sum."""
    total: dict[str, dict[str, float]] = {}
    for promise, found in notes:
        of = total.setdefault(promise, {})
        for name, value in found.items():
            of[name] = max(of.get(name, value), value) if name.startswith("most ") else of.get(name, 0) + value
    return total


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", metavar="FILE", help="also write what the tests of promises measured to this file")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line a promise."""
    passed = terminalreporter.stats.get("passed", [])
    notes = [tuple(value) for report in passed for name, value in report.user_properties if name == KEY]
    lines = [
        f"{promise}: {', '.join(f'{name} {value:.6g}' for name, value in found.items())}"
        for promise, found in sorted(sum_figures(notes).items())
    ]
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write("".join(f"{line}\n" for line in lines))
    if file := config.getoption("--figures", default=None):
        Path(file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
