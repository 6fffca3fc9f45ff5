"""The commands make of models of version 0.1 what that version made of them: golden files in models/, see README.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.record_models import ALIGNMENTS, ENSEMBLE, MODELS, TRANSLATIONS, align, translate

HOME = Path(__file__).with_name("models")
SOURCE, TARGET = HOME / "source.txt", HOME / "target.txt"

SCORE = {"abs": 1.1e-5, "rel": 3e-7}
"""Of scores, which are written with six digits, and are sums in single precision."""

WEIGHT = 1.1e-4
"""Of weights, which are written with four."""

RECORDS: dict[str, dict[str, Any]] = {
    model: json.loads((HOME / f"{model}.json").read_text(encoding="utf-8")) for model in (*MODELS, ENSEMBLE)
}
CASES = [(model, name) for model, record in RECORDS.items() for name in record if name != "about"]
QUICK = [(model, name) for model, name in CASES if name in ("translate: json", "align: argmax")]
QUICK += [("heads", "translate: sampling"), ("luong", "translate: nbest")]

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def found(model: str, name: str, place: Path) -> list[str]:
    """What the recorded command writes now."""
    words = list(RECORDS[model][name]["words"])
    chosen = ",".join(str(HOME / part) for part in model.split(","))
    if name.startswith("align: "):
        return align(chosen, SOURCE, TARGET, place / "links.txt", words)
    if "format=json" in words:
        words.append("weights=true")  # version 0.1 always wrote them
    return translate(chosen, SOURCE, place / "out.txt", words)


def hypotheses(lines: list[str]) -> list[tuple[list[str], float]]:
    """The number, text and score of each line of an n-best list."""
    rows = [line.split(" ||| ") for line in lines]
    return [(row[:-1], float(row[-1])) for row in rows]


def same_text(lines: list[str], before: list[str]) -> None:
    assert lines == before


def same_hypotheses(lines: list[str], before: list[str]) -> None:
    now, then = hypotheses(lines), hypotheses(before)
    assert [texts for texts, _ in now] == [texts for texts, _ in then]
    assert [score for _, score in now] == pytest.approx([score for _, score in then], **SCORE)


def same_objects(lines: list[str], before: list[str]) -> None:
    """Objects count lines from 1, and have the source text, since version 0.1."""
    assert len(lines) == len(before)
    for now, then in zip(map(json.loads, lines), map(json.loads, before), strict=True):
        assert now["line"] == then["line"] + 1
        assert (now["text"], now["source"]) == (then["text"], then["source"])
        assert len(now["hypotheses"]) == len(then["hypotheses"])
        for one, other in zip(now["hypotheses"], then["hypotheses"], strict=True):
            assert (one["text"], one["pieces"]) == (other["text"], other["pieces"])
            assert [one["score"], one["log_prob"]] == pytest.approx([other["score"], other["log_prob"]], **SCORE)
            for row, row_before in zip(one["weights"], other["weights"], strict=True):
                assert row == pytest.approx(row_before, abs=WEIGHT)


def compare(model: str, name: str, place: Path) -> None:
    """Asserts that a command writes what was recorded."""
    words, before = RECORDS[model][name]["words"], RECORDS[model][name]["lines"]
    same = same_hypotheses if "format=nbest" in words else same_objects if "format=json" in words else same_text
    same(found(model, name, place), before)


def test_the_records_are_of_version_0_1_and_of_these_commands() -> None:
    commands = {f"translate: {name}": list(words) for name, words in TRANSLATIONS.items()}
    commands |= {f"align: {name}": list(words) for name, words in ALIGNMENTS.items()}
    for model, record in RECORDS.items():
        assert record["about"]["commit"].startswith("57e1f4f")
        given = {name: output["words"] for name, output in record.items() if name != "about"}
        assert given == {name: words for name, words in commands.items() if model in MODELS or "align" not in name}


@pytest.mark.parametrize("model", RECORDS)
def test_the_models_have_learnt_something(model: str) -> None:
    """Different lines have different translations, and an n-best list has different hypotheses."""
    best = RECORDS[model]["translate: own search"]["lines"]
    assert len(set(best)) >= 9
    listed = hypotheses(RECORDS[model]["translate: nbest"]["lines"])
    assert len({tuple(texts) for texts, _ in listed}) > 3 * len(best)


@pytest.mark.parametrize(("model", "name"), QUICK)
def test_a_command_writes_what_version_0_1_wrote(model: str, name: str, tmp_path: Path) -> None:
    compare(model, name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "name"), [case for case in CASES if case not in QUICK])
def test_all_commands_write_what_version_0_1_wrote(model: str, name: str, tmp_path: Path) -> None:
    compare(model, name, tmp_path)
