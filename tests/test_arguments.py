"""What is no text, no choice, no count and no folder is said in a sentence that names the argument."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nmt
from nmt import api, arguments
from nmt.errors import ConfigError, DataError, NmtError
from tests.trained import TrainedRun

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

NO_LINES: list[Any] = [
    *(None, 3, "a dog", b"a dog", {"a": 1}, {"a"}, frozenset("a"), object()),
    *([b"a"], [1], [None], [["a"]], ["a", ["b"]], ["\udc80"], ["a", "\ud800"], iter([1])),
]
"""What is given where lines of text are wanted."""


@pytest.fixture(scope="module")
def model(trained: TrainedRun) -> api.Translator:
    return nmt.load(trained.folder, device="cpu")


def check_sentence(problem: NmtError, name: str) -> None:
    """One line that begins with the argument, and is not too long."""
    (line,) = problem.args
    assert line.startswith(name)
    assert len(line) < 400
    assert line.isprintable()


@pytest.mark.parametrize("lines", NO_LINES, ids=lambda lines: type(lines).__name__)
def test_what_is_no_text_is_refused_by_every_function_that_takes_lines(model: api.Translator, lines: Any) -> None:
    calls: dict[str, list[Callable[[], object]]] = {
        "lines": [lambda: model.translate(lines)],
        "prefixes": [lambda: model.translate(["a"], prefixes=lines)] * (lines is not None),
        "source": [
            lambda: model.score(lines, ["a"]),
            lambda: model.align(lines, ["a"]),
            *[lambda: nmt.evaluate(["a"], ["a"], source=lines)] * (lines is not None),
        ],
        "target": [lambda: model.score(["a"], lines), lambda: model.align(["a"], lines)],
        "hypotheses": [lambda: nmt.evaluate(lines, ["a"])],
        "references": [lambda: nmt.evaluate(["a"], lines)] * (lines != [["a"]]),
    }
    for name, each in calls.items():
        for call in each:
            if hasattr(lines, "__next__"):
                lines = iter([1])
            with pytest.raises(DataError) as problem:
                call()
            check_sentence(problem.value, name)


WRONG: dict[str, tuple[str, Callable[[api.Translator, Any], object], list[Any]]] = {
    "search": (
        "search",
        lambda model, value: model.translate(["a"], search=value),
        [3, [("size", 2)], b"beam", {1: 2}, "\ud800", {"no_repeat_exempt": ["\ud800"]}, {"size": "a"}],
    ),
    "max_source": (
        "max_source",
        lambda model, value: model.translate(["a"], max_source=value),
        ["a", 2.0, True, 0, -1, [1]],
    ),
    "max_source of score": (
        "max_source",
        lambda model, value: model.score(["a"], ["b"], max_source=value),
        ["a", 2.0, 0],
    ),
    "reverse": ("reverse", lambda model, value: model.align(["a"], ["b"], reverse=value), ["ms", 3, Path("ms")]),
    "extract": ("extract", lambda model, value: model.align(["a"], ["b"], extract=value), [3, ["argmax"], b"argmax"]),
    "language": (
        "language",
        lambda _, value: nmt.evaluate(["a"], ["a"], language=value),
        [5, b"de", ["de"], "\ud800", "nolanguage"],
    ),
    "tokenize": ("tokenize", lambda _, value: nmt.evaluate(["a"], ["a"], tokenize=value), [5, None, b"13a"]),
    "folder": ("folder", lambda _, value: nmt.load(value), [None, 5, b"ms", "", "a\0b", "\ud800", [None], [b"ms"], {}]),
    "shortlist": (
        "shortlist",
        lambda model, value: nmt.load(model.folders[0], shortlist=value),
        [3, ["none"], b"none"],
    ),
    "output": ("output", lambda _, value: nmt.train("seed=1", output=value), [3, b"out", "", "a\0b"]),
    "query_size": (
        "query_size",
        lambda _, value: nmt.Attention.of(query_size=value, memory_size=4),
        [-4, 0, 4.0, 10**12, "4", None, True],
    ),
    "memory_size": (
        "memory_size",
        lambda _, value: nmt.Attention.of(query_size=4, memory_size=value),
        [-4, 0, 4.0, 10**12, "4", None, True],
    ),
    "heads": (
        "heads",
        lambda _, value: nmt.Attention.of(query_size=4, memory_size=4, heads=value),
        [-1, 0, 1.0, 10**12, "2"],
    ),
    "score": ("score", lambda _, value: nmt.Attention.of(query_size=4, memory_size=4, score=value), [3, ["dot"]]),
}
"""Argument, how it is given, and what it cannot be."""


@pytest.mark.parametrize("case", WRONG)
def test_arguments_of_the_wrong_kind_are_named(case: str, model: api.Translator) -> None:
    name, call, values = WRONG[case]
    for value in values:
        with pytest.raises(ConfigError) as problem:
            call(model, value)
        check_sentence(problem.value, name)


def test_a_title_is_text(model: api.Translator) -> None:
    with pytest.raises(ConfigError, match="title must be text or None; got 5"):
        model.align(["a"], ["b"])[0].heatmap(title=5)  # type: ignore[arg-type]


def test_generators_of_text_are_lines(model: api.Translator) -> None:
    lines = ["Emma sells letters.", "a", ""]
    texts = [each.text for each in model.translate(lines)]
    assert [each.text for each in model.translate(line for line in lines)] == texts
    assert model.score((x for x in lines), iter(lines)) == model.score(lines, lines)
    assert nmt.evaluate(iter(lines), (line for line in lines)) == nmt.evaluate(lines, lines)


@pytest.mark.parametrize("references", [[["a b c d e"], "x"], ["x", ["a b c d e"]], [["a"], ["a", "b"]]])
def test_references_are_lines_or_lists_of_lines(references: Any) -> None:
    with pytest.raises(DataError, match=r"references"):
        nmt.evaluate(["a b c d e"], references)


def test_sets_of_references_are_kept() -> None:
    assert arguments.check_sets("references", [["a"], ("b",), iter(["c"])]) == [["a"], ["b"], ["c"]]
    assert arguments.check_sets("references", ["a", "b"]) == [["a", "b"]]
