"""nmt-score writes the log-probability of every given translation."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nmt.cli import translate
from nmt.cli.score import ScoringPair, format_json, run_task
from nmt.errors import ConfigError, DataError
from nmt.inference import answers
from nmt.inference.inference import InferenceSettings, load
from nmt.translation.scoring import PairScore, score_pairs
from tests.commands import compose_command, read_lines, write_lines
from tests.trained import TrainedRun


@pytest.fixture(scope="module")
def files(trained: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The words of a command that scores four pairs, with empty sides among them."""
    folder = tmp_path_factory.mktemp("files")
    source = write_lines(folder / "source.txt", trained.text.source[0], "", trained.text.source[1], "")
    target = write_lines(folder / "target.txt", trained.text.target[0], "", "", trained.text.target[1])
    return f"model={trained.folder}", f"source={source}", f"target={target}"


def compute_expected(trained: TrainedRun, source: list[str], target: list[str]) -> list[PairScore]:
    loaded = load(str(trained.folder), InferenceSettings(device="cpu", threads=None, tokens=100))
    sides = [side.encode(text) for side, text in zip(loaded.tokenizers, (source, target), strict=True)]
    return score_pairs([loaded.model], list(zip(*sides, strict=True)))


def compute_scores(folder: Path, *given: str) -> list[str]:
    out = folder / "scores.txt"
    run_task(compose_command("score", *given, f"output={out}"))
    return read_lines(out)


def test_a_line_has_the_log_probability_of_a_pair(
    files: tuple[str, ...], trained: TrainedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [[float(column) for column in row.split("\t")] for row in compute_scores(tmp_path, *files)]
    (one, other), (first, second) = trained.text.source[:2], trained.text.target[:2]
    scores = compute_expected(trained, [one, "", other, ""], [first, "", "", second])
    for row, score in zip(rows, scores, strict=True):
        log_prob, tokens, per_token, perplexity = row
        assert log_prob == pytest.approx(score.log_prob, abs=1e-3)
        assert tokens == score.tokens
        assert per_token == pytest.approx(log_prob / tokens, abs=1e-4)
        assert perplexity == pytest.approx(math.exp(-per_token), rel=1e-4)
    assert [row[1] for row in rows[1:3]] == [1, 1]
    total = dict(part.split(" ") for part in capsys.readouterr().err.splitlines()[-1].split(", "))
    assert total["pairs"] == "4"
    assert float(total["log_prob"]) == pytest.approx(sum(row[0] for row in rows), abs=1e-3)
    assert float(total["tokens"]) == sum(row[1] for row in rows)
    assert float(total["perplexity"]) == pytest.approx(math.exp(-float(total["per_token"])), rel=1e-4)


def test_as_json_every_piece_has_its_log_probability(files: tuple[str, ...], tmp_path: Path) -> None:
    plain = compute_scores(tmp_path, *files)
    found = [json.loads(row) for row in compute_scores(tmp_path, *files, "format=json")]
    assert [row["line"] for row in found] == [0, 1, 2, 3]
    assert [row["text"] for row in found] == read_lines(Path(files[2].removeprefix("target=")))
    for row, line in zip(found, plain, strict=True):
        assert len(row["pieces"]) == len(row["log_probs"]) == row["tokens"]
        assert row["pieces"][-1] == "</s>"
        assert sum(row["log_probs"]) == pytest.approx(row["log_prob"], abs=1e-4)
        assert row["log_prob"] == pytest.approx(float(line.split("\t")[0]), abs=1e-5)


def test_a_translation_gets_the_log_prob_with_which_it_was_found(
    trained: TrainedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_lines(tmp_path / "source.txt", *trained.text.source[:3])
    found = tmp_path / "found.jsonl"
    given = [f"model={trained.folder}", f"input={source}", f"output={found}", "search.nbest=2", "format=json"]
    translate.run_task(compose_command("translate", *given))
    listed = [(n, each) for n, row in enumerate(read_lines(found)) for each in json.loads(row)["hypotheses"]]
    nbest = write_lines(
        tmp_path / "nbest.txt", *(f"{n} ||| {each['text']} ||| {each['score']:.3f}" for n, each in listed)
    )
    words = [f"model={trained.folder}", f"source={source}", f"nbest={nbest}"]
    rows = [json.loads(row) for row in compute_scores(tmp_path, *words, "format=json")]
    same = 0
    for row, (number, each) in zip(rows, listed, strict=True):
        assert (row["line"], row["text"]) == (number, each["text"])
        if row["pieces"] == each["pieces"]:  # the search may have put the text together from others
            same += 1
            assert row["log_prob"] == pytest.approx(each["log_prob"], abs=1e-3)
    assert same >= 3
    for row, line, full in zip(read_lines(nbest), compute_scores(tmp_path, *words), rows, strict=True):
        assert line == f"{row} ||| {full['log_prob']:.6f}"


def test_an_ensemble_of_a_model_with_itself_is_that_model(files: tuple[str, ...], tmp_path: Path) -> None:
    folder = files[0].removeprefix("model=")
    alone, together = (
        compute_scores(tmp_path, f"model={model}", *files[1:]) for model in (folder, f"[{folder},{folder}]")
    )
    for one, other in zip(alone, together, strict=True):
        assert float(one.split("\t")[0]) == pytest.approx(float(other.split("\t")[0]), abs=1e-4)


@pytest.mark.parametrize("side", ["source", "target", "nbest"])
def test_a_line_over_the_limit_is_refused_and_none_is_scored_in_part(
    files: tuple[str, ...], tmp_path: Path, side: str
) -> None:
    long = write_lines(
        tmp_path / "long.txt", *(["0 ||| b"] if side == "nbest" else ["a", "b", "c"]), "0 ||| " + "a " * 300_000
    )
    words = {"source": [f"source={long}", files[2]], "target": [files[1], f"target={long}"]}
    with pytest.raises(DataError, match=rf"long\.txt, line {2 if side == 'nbest' else 4} has more than 1000 pieces"):
        run_task(compose_command("score", files[0], *words.get(side, [files[1], f"nbest={long}"])))


def test_without_a_limit_a_line_is_scored_whole(files: tuple[str, ...], tmp_path: Path) -> None:
    assert compute_scores(tmp_path, *files, "max_length=null") == compute_scores(tmp_path, *files)
    with pytest.raises(DataError, match=r"line 1 has more than 2 pieces, the limit \(max_length\)"):
        compute_scores(tmp_path, *files, "max_length=2")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a translation", "line 2: a line of an n-best list is"),
        ("-1 ||| a translation", "line 2: a line of an n-best list is"),
        ("7", "line 2: a line of an n-best list is"),
        ("4 ||| a translation", "line 2: translates line 4 of the source, which has 4 lines"),
    ],
)
def test_what_is_no_list_of_translations_is_refused(
    files: tuple[str, ...], tmp_path: Path, row: str, message: str
) -> None:
    nbest = write_lines(tmp_path / "nbest.txt", "0 ||| fine", row)
    with pytest.raises(DataError, match=message):
        run_task(compose_command("score", *files[:2], f"nbest={nbest}"))


def test_files_that_do_not_belong_together_are_refused(files: tuple[str, ...], tmp_path: Path) -> None:
    short = write_lines(tmp_path / "short.txt", "one")
    with pytest.raises(DataError, match=r"4 lines and .*short\.txt 1"):
        run_task(compose_command("score", *files[:2], f"target={short}"))
    with pytest.raises(ConfigError, match="target and output are one file"):
        run_task(compose_command("score", *files, files[2].replace("target=", "output=")))


@pytest.mark.parametrize("given", [(), ("target=a", "nbest=b")])
def test_either_translations_or_a_list_of_them_is_given(given: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="Give either target=FILE"):
        run_task(compose_command("score", "model=run", "source=a", *given))


def test_numbers_out_of_range_are_refused() -> None:
    for wrong in ("max_length=0", "tokens=0"):
        with pytest.raises(ConfigError, match=f"{wrong.split('=')[0]} must be at least 1"):
            run_task(compose_command("score", "model=run", "source=a", "target=b", wrong))


def test_no_pairs_are_scored_to_no_lines(
    trained: TrainedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty: Any = write_lines(tmp_path / "empty.txt")
    assert compute_scores(tmp_path, f"model={trained.folder}", f"source={empty}", f"target={empty}") == []
    assert capsys.readouterr().err.splitlines()[-1] == "pairs 0, tokens 0, log_prob 0.0000"


def test_numbers_that_are_not_finite_are_null_in_json() -> None:
    class Pieces:
        def convert_ids_to_pieces(self, ids: object) -> list[str]:
            return ["a"]

        def label(self, item: object) -> list[str]:
            return ["a"]

    tokenizers: Any = SimpleNamespace(target=Pieces())
    log_probs = np.array([-1.0, math.nan], np.float32)
    row = json.loads(format_json(tokenizers, ScoringPair(0, "a", "a", None), ([4], [4]), PairScore(log_probs)))
    assert row["log_probs"] == [-1.0, None]
    assert [row[name] for name in ("log_prob", "per_token", "perplexity")] == [None] * 3
    hypothesis: Any = SimpleNamespace(
        tokens=[4], score=math.nan, log_prob=math.nan, log_probs=log_probs, weights=np.array([[math.nan, 0.5]])
    )
    tokenizers = SimpleNamespace(
        source=Pieces(),
        target=SimpleNamespace(convert_ids_to_pieces=Pieces().convert_ids_to_pieces, decode=lambda ids: ["a"]),
    )
    (line,) = answers.format_json(tokenizers, answers.TranslatedLine(0, "a", [4], "a", [hypothesis]))
    (found,) = json.loads(line)["hypotheses"]
    assert (found["score"], found["log_probs"], found["weights"]) == (None, [-1.0, None], [[None, 0.5]])
