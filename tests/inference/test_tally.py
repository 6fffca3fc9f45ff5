"""What nmt-translate counts, warns of and sums up."""

import logging
from pathlib import Path

import pytest
import torch

from nmt.cli.translate import run_task
from nmt.errors import ConfigError
from nmt.inference.parts import encode_parts
from nmt.inference.tally import (
    KINDS,
    MAX_NAMED_CHARACTERS,
    LineTally,
    TranslationSummary,
    count_lines,
    format_characters,
)
from nmt.model_folder import load
from nmt.special_tokens import UNK
from tests.commands import compose_command, read_lines, write_lines
from tests.trained import TrainedRun


def test_each_kind_is_counted_and_warned_of_once(
    trained: TrainedRun, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained.text.source[0]
    shouted = "WHO PUT ALL OF THE DOGS HERE"
    text = [first, "图 x", shouted, f"{first} {first.capitalize()}", "图", shouted, "USA", ""]
    source = write_lines(tmp_path / "in.txt", *text)
    run_task(
        compose_command(
            "translate", f"model={trained.folder}", f"input={source}", f"output={tmp_path / 'out'}", "chunk=2"
        )
    )
    said = [record.getMessage() for record in caplog.records if record.name == "nmt.inference.tally"]
    assert sum("line 2 has characters that the vocabulary does not have (图)" in line for line in said) == 1
    assert sum("line 3 is in capitals" in line for line in said) == 1
    assert len(said) == 2
    summary = capsys.readouterr().err.splitlines()[-1]
    assert summary.startswith(f"nmt-translate: {len(text)} lines in ")
    assert "lines/s" in summary
    assert "truncated" not in summary  # what did not happen is not said
    assert "2 in capitals" in summary
    assert "1 that look like several sentences (split=sentences" in summary


@pytest.mark.parametrize(
    "line", ["图" * 10_000, "a" + "\u0301\u0302\u0303\u0304\u0305\u0306" * 10_000, "\U000f0000\U000f0001\U000f0002" * 9]
)
def test_a_warning_of_unknown_characters_is_short(trained: TrainedRun, line: str) -> None:
    tokenizer = load(trained.folder, device=torch.device("cpu")).tokenizers.source
    found = count_lines(tokenizer, encode_parts(tokenizer, [[line]], None), first=10**6, max_pieces=None, language="en")
    assert len(found.warnings["unknown"]) < 200


def test_characters_are_shown_once_and_alone() -> None:
    assert format_characters(["图館", "图"]) == "图, 館"
    assert format_characters(["\u0301", "\u202e"]) == "\u25cc\u0301, \\u202e"
    assert format_characters(["abcdefgh"]).count(",") == MAX_NAMED_CHARACTERS


def test_counts_are_those_of_the_pieces(trained: TrainedRun) -> None:
    tokenizer = load(trained.folder, device=torch.device("cpu")).tokenizers.source
    text = [*trained.text.source, "图 and 館", "館館"]
    ids = tokenizer.encode(text)
    parts = encode_parts(tokenizer, [[line] for line in text], 4)
    assert [list(part.ids) for (part,) in parts] == ids
    found = count_lines(tokenizer, parts, first=5, max_pieces=4, language="en")
    assert found.lines == len(text)
    assert found.counts.keys() == KINDS.keys()
    assert found.counts["unknown"] == sum(UNK in line for line in ids) == 2
    assert found.counts["truncated"] == sum(len(line) > 4 for line in ids)
    assert found.warnings.keys() == {"unknown"}
    assert tokenizer.find_unknown("图 and 館, 图") == ["图", "館"]


def test_tallies_add_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    summary = TranslationSummary()
    for number in (1, 2):
        summary.add(LineTally(3, dict.fromkeys(KINDS, number), {"unknown": f"line {number}"}))
    assert caplog.messages == ["line 1"]
    assert str(summary).startswith("6 lines in ")
    assert f"3 {KINDS['truncated']}, 3 {KINDS['unknown']}" in str(summary)


def test_sentences_are_translated_one_by_one(trained: TrainedRun, tmp_path: Path) -> None:
    sentences = [line[0].upper() + line[1:].rstrip(".") + "." for line in trained.text.source[:3]]
    model = f"model={trained.folder}"
    alone, joined = (
        write_lines(tmp_path / "alone.txt", *sentences),
        write_lines(tmp_path / "joined.txt", " ".join(sentences), "", "a"),
    )
    run_task(compose_command("translate", model, f"input={alone}", f"output={tmp_path / 'alone.out'}"))
    run_task(
        compose_command("translate", model, f"input={joined}", f"output={tmp_path / 'joined.out'}", "split=sentences")
    )
    first, empty, _ = read_lines(tmp_path / "joined.out")
    assert first == " ".join(read_lines(tmp_path / "alone.out"))
    assert empty == ""


@pytest.mark.parametrize("word", ["format=json", "format=nbest", "show=attention"])
def test_split_is_for_text(word: str) -> None:
    with pytest.raises(ConfigError, match="split=sentences"):
        run_task(compose_command("translate", "model=none", "split=sentences", word))
