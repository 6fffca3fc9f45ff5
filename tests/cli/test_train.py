"""nmt-train: scores on stdout, all else on stderr, and a mistake is a sentence and exit status 2."""

import sys
from pathlib import Path
from typing import Any

import pytest

from nmt.cli import train
from nmt.errors import ConfigError
from nmt.runs.training_run import RunResult
from tests import tiny_runs
from tests.commands import write_lines
from tests.synthetic_light import lighten

SIDES = (("source", "en"), ("target", "de"))

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

QUICK = (*tiny_runs.BASE_OVERRIDES, "training.stop.steps=1", "search.max_ratio=0.1")


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    lighten(monkeypatch)


def run_train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str, str]:
    """Exit status, stdout and stderr of nmt-train."""
    monkeypatch.setattr(sys, "argv", ["nmt-train", *words])
    status: Any = 0
    try:
        train.main()
    except SystemExit as exit:
        status = exit.code
    return status, *capsys.readouterr()


def test_a_run_prints_its_scores_and_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run_train(monkeypatch, capsys, *QUICK, "output=run", "cache=cache")
    assert status == 0
    assert out.startswith("test BLEU")
    for expected in ("AER", "ended by         steps (1)", "run/checkpoints/best", "run/report.html"):
        assert expected in out
    assert "validation at step 1" in err
    assert "validation at step 1" not in out
    assert {path.name for path in tmp_path.iterdir()} == {"run", "cache"}, "Hydra writes nothing of its own"
    assert (tmp_path / "run" / "report.html").exists()


def test_a_finished_run_says_so_at_once_and_only_while_its_text_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ["a b c d e", "e d c b a", "b d a"] * 5
    for name in ("train.en", "train.de"):
        write_lines(tmp_path / name, *lines)
    files = [f"data.{split}.{side}=train.{end}" for split in ("train", "validation") for side, end in SIDES]
    own = [word for word in QUICK if not word.startswith(("data.", "tokenizer.vocab"))]
    words = [*own, "data=files", "data.source_language=en", "data.target_language=de", *files, "output=run"]
    first = run_train(monkeypatch, capsys, *words)
    assert first[0] == 0, first
    with monkeypatch.context() as patch:
        patch.setattr("nmt.runs.training_run.run", lambda *arguments: pytest.fail("there is nothing left to do"))
        again = run_train(monkeypatch, capsys, *words)
    assert again[:2] == first[:2]
    assert "run is finished" in again[2]
    assert run_train(monkeypatch, capsys, *words, "training.stop.steps=2")[1].count("steps (2)") == 1
    write_lines(tmp_path / "train.de", *lines[::-1])
    status, out, err = run_train(monkeypatch, capsys, *words, "training.stop.steps=2")
    assert (status, out) == (2, "")
    assert "made from other text" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optimizer.learning_rate=abc"], "optimizer.learning_rate='abc' must be a number"),
        (["optimizer.learningrate=1"], "Did you mean optimizer.learning_rate?"),
        (["+optimizer.momentum=0.9"], "optimizer.momentum is not a setting of adam"),
        (["optimizer.learning_rate=-1"], "optimizer.learning_rate must be above 0"),
        (["attention/score=dot", "model.decoder.hidden_size=100"], "attention/score=general"),
        (["data=files"], "data.train.source must be given"),
        (["training.stop.epochs=null"], "Training would never end"),
    ],
)
def test_a_mistake_is_told_and_leaves_nothing_behind(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run_train(monkeypatch, capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("nmt-train: ")
    assert told in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_all_mistakes_are_told_at_once() -> None:
    chosen = tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES)
    wrong = {**chosen, "seed": "one", "threads": 1.5, "filters": {"min_lenght": 1}}
    with pytest.raises(ConfigError) as caught:
        train.run_task(wrong)
    assert [line.split("=")[0].split(" ")[0] for line in str(caught.value).split("\n")] == [
        "filters.min_lenght",
        "seed",
        "threads",
    ]


def test_the_exit_status_of_an_interrupted_run_is_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = RunResult(Path("there"), "interrupted", [], {}, 143)
    monkeypatch.setattr("nmt.runs.training_run.run", lambda settings, folder: outcome)
    status, out, _ = run_train(monkeypatch, capsys, *QUICK)
    assert status == 143
    assert "ended by         interrupted" in out


def test_the_table_lines_up() -> None:
    scores = [
        {"name": "test BLEU", "value": 31.456, "signature": "nrefs:1"},
        {"name": "x", "value": 5, "signature": "s"},
    ]
    lines = train.format_outcome(RunResult(Path("out"), "steps (3)", scores, {"AER": 0.25})).split("\n")
    assert lines[0] == "test BLEU         31.46   nrefs:1"
    assert lines[1] == "x                  5.00   s"
    assert lines[2] == "AER               0.250"
    assert lines[3] == "ended by         steps (3), as training.stop.steps says"


def test_a_run_that_has_not_learnt_or_still_improved_says_so_last(tmp_path: Path) -> None:
    def tell(bleu: float, chrf: float, status: int = 0) -> list[str]:
        scores = [
            {"name": f"validation {name}", "value": value, "signature": "s"}
            for name, value in (("BLEU", bleu), ("chrF2", chrf))
        ]
        return train.format_outcome(RunResult(tmp_path, "steps (3)", scores, {}, status)).split("\n")

    heads = ("not learnt", "still improving")
    assert not [line for line in tell(20.0, 40.0) if line.startswith(heads)]
    assert tell(0.1, 9.0)[-1].startswith(
        "not learnt       BLEU 0.10 and chrF 9.0 are those of a model that has not learnt"
    )
    (tmp_path / "metrics.jsonl").write_text('{"kind": "validation", "step": 1, "bleu": 2.0, "loss": 1.0}\n')
    (tmp_path / "config.yaml").write_text("training: {validation: {metric: bleu}}")
    assert tell(20.0, 40.0)[-1].startswith("still improving  the best checkpoint is the last one")
    assert not [line for line in tell(0.1, 9.0, 143) if line.startswith(heads)]


def test_the_output_is_that_of_the_config_outside_of_sweeps() -> None:
    assert train.get_output_folder({"output": "outputs/mine"}) == Path("outputs/mine")
