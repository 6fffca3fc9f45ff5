"""A line's translation is its own: no matter how many lines a batch has, which, in what order, on how many threads."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt import build
from nmt.runs.training_run import run
from tests import tiny_runs
from tests.commands import run_process, write_lines
from tests.trust.conftest import RecordFigures
from tests.trust.test_text import fuzz

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked_shapes")]

TOLERANCE = 1e-4
"""The most by which a score, the logarithm of a probability, may differ. Translations may not."""

MODEL = (
    *("data.train=2000", "data.validation=20", "data.test=400", "tokenizer.vocab_size=300", "batching.tokens=2000"),
    *("model.embedding_size=32", "model.encoder.hidden_size=32", "model.decoder.hidden_size=48"),
    *("training.stop.steps=150", "training.validation.every_steps=150", "search=beam", "search.max_ratio=1.5"),
)

Said = list[tuple[str, float]]
"""For every line its translation and the score of that."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt something, in `run`, and lines of text, in in.txt."""
    home = tmp_path_factory.mktemp("translations")
    settings = tiny_runs.build_settings(home / "run", *MODEL)
    run(settings, home / "run")
    text = build.build_corpus(settings).load("test")
    assert text is not None
    write_lines(home / "in.txt", *text.source)
    return home


@pytest.fixture(scope="module")
def lines(home: Path) -> list[bytes]:
    return (home / "in.txt").read_bytes().split(b"\n")[:-1]


def said(home: Path, lines: list[bytes], *words: str) -> Said:
    """What the command says to these lines."""
    given = (f"model={home / 'run'}", "format=nbest", "threads=1", "errors=replace", *words)
    done = run_process("translate", *given, text=b"".join(line + b"\n" for line in lines))
    assert done.returncode == 0, done.stderr
    rows = [row.split(" ||| ") for row in done.stdout.decode().split("\n")[:-1]]
    assert [int(row[0]) for row in rows] == list(range(len(lines)))
    return [(text, float(score)) for _, text, score in rows]


@pytest.fixture(scope="module")
def wanted(home: Path, lines: list[bytes]) -> Said:
    found = said(home, lines)
    assert len({text for text, _ in found}) > len(lines) / 2  # or all this would say little
    return found


def reversed_lines(home: Path, lines: list[bytes]) -> Said:
    return said(home, lines[::-1])[::-1]


def a_few_at_a_time(home: Path, lines: list[bytes]) -> Said:
    shares = [said(home, lines[first::4]) for first in range(4)]
    return [shares[place % 4][place // 4] for place in range(len(lines))]


def in_bad_company(home: Path, lines: list[bytes]) -> Said:
    company = fuzz(len(lines), 20_000).split(b"\n")
    mixed = [line for both in zip(company, lines, strict=True) for line in both]
    return said(home, mixed)[1::2]


def shuffled(home: Path, lines: list[bytes]) -> Said:
    order = random.Random(0).sample(range(len(lines)), len(lines))
    found = said(home, [lines[place] for place in order])
    return [found[order.index(place)] for place in range(len(lines))]


def with_words(*words: str) -> Callable[[Path, list[bytes]], Said]:
    return lambda home, lines: said(home, lines, *words)


WAYS: dict[str, Callable[[Path, list[bytes]], Said]] = {
    "the same again": with_words(),
    "one at a time": with_words("tokens=1"),
    "small batches": with_words("tokens=200"),
    "one batch": with_words("tokens=1000000"),
    "chunks of seven": with_words("chunk=7"),
    "two threads": with_words("threads=2"),
    "two processes": with_words("processes=2", "threads=2", "chunk=50"),
    "backwards": reversed_lines,
    "shuffled": shuffled,
    "a few at a time": a_few_at_a_time,
    "in bad company": in_bad_company,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_line_has_one_translation(
    way: str, home: Path, lines: list[bytes], wanted: Said, measured: RecordFigures
) -> None:
    found = WAYS[way](home, lines)
    assert [text for text, _ in found] == [text for text, _ in wanted]
    apart = max(abs(score - other) for (_, score), (_, other) in zip(found, wanted, strict=True))
    assert apart <= (0.0 if way == "the same again" else TOLERANCE)
    measured("10 the same again", {"lines translated in another way": len(lines), "most that a score differs": apart})
