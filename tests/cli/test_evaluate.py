"""nmt-evaluate says what sacreBLEU's own command says, of files and of a model's translations."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from nmt.cli import translate
from nmt.cli.evaluate import run_task
from nmt.composition.overrides import quote
from nmt.errors import ConfigError, DataError, NmtError
from tests.commands import build_environment, compose_command, read_lines, run_process, write_lines
from tests.trained import TrainedRun

HYPOTHESES = ("The cat sat on the mat.", "It is raining, again", "", "Nobody knows why it works so well.")
REFERENCES = ("The cat sat on a mat.", "It rains again.", "Silence.", "Nobody knows why that works so well.")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Hypotheses and references."""
    return write_lines(tmp_path / "out.txt", *HYPOTHESES), write_lines(tmp_path / "references.txt", *REFERENCES)


def evaluate_texts(capsys: pytest.CaptureFixture[str], *given: str) -> list[dict[str, object]]:
    """What the task prints as JSON."""
    run_task(compose_command("evaluate", *given, "format=json"))
    printed = json.loads(capsys.readouterr().out)
    assert printed["lines"] > 0
    found: list[dict[str, object]] = printed["scores"]
    return found


def test_scores_are_those_of_the_sacrebleu_command(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    hypotheses, references = map(str, files)
    command = [sys.executable, "-m", "sacrebleu", references, "-i", hypotheses, "-m", "bleu", "chrf", "ter", "-w", "9"]
    judged = subprocess.run(command, capture_output=True, env=build_environment(), check=True)
    found = evaluate_texts(capsys, f"hypotheses={hypotheses}", f"references={references}")
    for ours, theirs in zip(found, json.loads(judged.stdout), strict=True):
        assert ours["name"] == theirs["name"]
        assert ours["value"] == pytest.approx(theirs["score"], abs=1e-8)
        assert ours["signature"] == theirs["signature"]
        assert ("details" in ours) == (ours["name"] == "BLEU")
    parts: Any = found[0]["details"]
    precisions = "/".join(f"{value:.1f}" for value in parts["precisions"])
    lengths = f"hyp_len = {parts['hypothesis_length']} ref_len = {parts['reference_length']}"
    ratios = f"BP = {parts['brevity_penalty']:.3f} ratio = {parts['length_ratio']:.3f}"
    assert json.loads(judged.stdout)[0]["verbose_score"] == f"{precisions} ({ratios} {lengths})"


def test_the_command_prints_a_table(files: tuple[Path, Path]) -> None:
    done = run_process("evaluate", f"hypotheses={files[0]}", f"references={files[1]}", "language=de")
    assert (done.returncode, done.stderr) == (0, b"")
    rows = done.stdout.decode().splitlines()
    assert [row[:16].strip() for row in rows] == ["BLEU", "chrF2", "TER", "literature BLEU", "lines"]
    assert all("version:" in row for row in rows[:4])
    assert rows[3].endswith("lang:de")
    assert rows[4].split()[1] == "4"


def test_a_model_is_scored_by_its_translations(
    trained: TrainedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_lines(tmp_path / "source.txt", *trained.text.source)
    references = write_lines(tmp_path / "references.txt", *trained.text.target)
    found = evaluate_texts(capsys, f"model={trained.folder}", f"source={source}", f"references={references}")
    out = tmp_path / "out.txt"
    translate.run_task(compose_command("translate", f"model={trained.folder}", f"input={source}", f"output={out}"))
    assert found == evaluate_texts(capsys, f"hypotheses={out}", f"references={references}", "language=de")
    assert [score["name"] for score in found] == ["BLEU", "chrF2", "TER", "literature BLEU"]


@pytest.mark.parametrize(
    ("given", "tok"), [("language=zh", "zh"), ("bleu.tokenize=char", "char"), ("language=th", "char")]
)
def test_the_tokens_of_bleu_are_those_of_the_language(
    given: str, tok: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hypotheses = write_lines(tmp_path / "out.zh", "猫在花园里睡觉。", "今天下雪。")
    references = write_lines(tmp_path / "references.zh", "猫在花园里睡着了。", "今天下雨。")
    found = evaluate_texts(capsys, f"hypotheses={hypotheses}", f"references={references}", given)
    metric = BLEU(tokenize=tok)
    theirs = metric.corpus_score(read_lines(hypotheses), [read_lines(references)])
    assert found[0]["value"] == pytest.approx(theirs.score)
    assert found[0]["signature"] == str(metric.get_signature())
    assert theirs.score > 10.0


def test_several_files_are_several_references_as_sacrebleu_has_them(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = write_lines(tmp_path / "references.txt.2", *HYPOTHESES[1:], REFERENCES[0])
    metrics = [BLEU(), CHRF(), TER()]
    expected = [metric.corpus_score(HYPOTHESES, [REFERENCES, read_lines(second)]).score for metric in metrics]
    given = (f"references=[{files[1]},{second}]", f"references='{files[1]}*'")
    for references in given:
        found = evaluate_texts(capsys, f"hypotheses={files[0]}", references, "language=en")
        assert [score["value"] for score in found[:3]] == pytest.approx(expected)
        assert all("nrefs:2" in str(score["signature"]) for score in found)
    write_lines(second, "one")
    with pytest.raises(DataError, match=r"out\.txt has 4 lines and .*txt\.2 1"):
        evaluate_texts(capsys, f"hypotheses={files[0]}", given[0])


def test_a_command_of_the_users_is_one_more_score(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import sys; print('lines', *(len(open(file).readlines()) for file in sys.argv[1:]), '\\nmean: -1.5e1\\n')"
    command = f'{sys.executable} -c "{code}" {{source}} {{hypotheses}} {{references}}'
    texts = (f"hypotheses={files[0]}", f"references={files[1]}")
    given = (*texts, f"score.command={command}", "score.name=mine")
    found = evaluate_texts(capsys, *given, f"source={files[1]}")
    assert (found[-1]["name"], found[-1]["value"]) == ("mine", -15.0)
    with pytest.raises(ConfigError, match="source=FILE"):
        evaluate_texts(capsys, *given)
    for wrong, said in (
        ("false {hypotheses}", "status 1"),
        ("true", "printed no number"),
        ("no-such-command", "cannot be run"),
        ("a {reference}", "stands for no file"),
        ("a 'b", "cannot be read"),
        ("", "is empty"),
    ):
        with pytest.raises(NmtError, match=said):
            evaluate_texts(capsys, *texts, f"score.command={quote(wrong)}")


def test_unequal_texts_are_told_with_their_lengths(files: tuple[Path, Path], tmp_path: Path) -> None:
    short = write_lines(tmp_path / "short.txt", *REFERENCES[:3])
    with pytest.raises(DataError, match=r"out\.txt has 4 lines and .*short\.txt 3"):
        run_task(compose_command("evaluate", f"hypotheses={files[0]}", f"references={short}"))


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("model=run",),
        ("source=in.txt",),
        ("hypotheses=out.txt", "model=run"),
        ("hypotheses=out.txt", "source=in.txt"),
    ],
    ids=" ".join,
)
def test_it_must_be_clear_what_is_scored(given: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="either hypotheses=FILE, or model=RUN and source=FILE"):
        run_task(compose_command("evaluate", *given, "references=test.de"))


def test_references_are_required() -> None:
    with pytest.raises(ConfigError, match="references must be given"):
        run_task(compose_command("evaluate", "hypotheses=out.txt"))
