"""Scores against the sacreBLEU command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.errors import DataError
from nmt.evaluation.bleu import METRICS, bleu, chrf, compute_scores, ter

REFERENCES = [
    "Ein Mann fährt mit dem „Fahrrad“ durch die Stadt.",
    "Zwei Hunde spielen im Schnee, und ein dritter sieht zu.",
    "Eine Frau in einem roten Kleid singt.",
    "Kinder warten auf den 3,5-Uhr-Zug (München–Berlin)!",
]
HYPOTHESES = [
    "Ein Mann fährt mit dem Fahrrad durch eine Stadt.",
    "zwei Hunde spielen im Schnee, ein dritter sieht zu.",
    "",
    "Die Kinder warten auf den 3,5-Uhr-Zug (München–Berlin)!",
]


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    folder: Path = tmp_path_factory.mktemp("sacrebleu")
    for name, lines in {"references": REFERENCES, "hypotheses": HYPOTHESES}.items():
        (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    arguments = ["references", "--input", "hypotheses", "--metrics", *METRICS, "--width", "12", "--format", "json"]
    command = [sys.executable, "-m", "sacrebleu", *arguments]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return {str(row["name"]): row for row in json.loads(done.stdout)}


@pytest.mark.parametrize("key", METRICS)
def test_score_is_that_of_the_command_line(key: str, command_line: dict[str, dict[str, object]]) -> None:
    score = compute_scores(HYPOTHESES, REFERENCES)[key]
    row = command_line[score.name]
    assert score.value == pytest.approx(row["score"], abs=1e-11)
    assert score.signature == row["signature"]


def test_single_scores_are_those_of_all() -> None:
    together = compute_scores(HYPOTHESES, REFERENCES)
    assert together == {
        "bleu": bleu(HYPOTHESES, REFERENCES),
        "chrf": chrf(HYPOTHESES, REFERENCES),
        "ter": ter(HYPOTHESES, REFERENCES),
    }


@pytest.mark.parametrize(("key", "perfect"), [("bleu", 100.0), ("chrf", 100.0), ("ter", 0.0)])
def test_the_reference_itself_is_perfect(key: str, perfect: float) -> None:
    assert compute_scores(REFERENCES, REFERENCES)[key].value == pytest.approx(perfect)


def test_sides_of_different_length_are_no_corpus() -> None:
    with pytest.raises(DataError, match="3 lines and the references 4"):
        compute_scores(HYPOTHESES[:3], REFERENCES)
    with pytest.raises(DataError, match="at least one line"):
        bleu([], [])


def test_sacrebleu_is_loaded_by_the_first_score_only() -> None:
    code = (
        "import sys, nmt.evaluation.bleu, nmt.evaluation.literature, nmt.evaluation.significance as s; "
        "sys.exit('sacrebleu' in sys.modules or 'sacremoses' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("texts", [(["a " * 20_000], ["b"]), (["b"], ["a " * 20_000]), (["a " * 201], ["b " * 201])])
def test_ter_of_long_lines_is_left_out_with_a_warning(
    texts: tuple[list[str], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    assert set(compute_scores(*texts)) == {"bleu", "chrf"}
    (message,) = caplog.messages
    assert message.startswith("TER is left out: line 1 has")
    caplog.clear()
    assert set(compute_scores(["a " * 200], ["b"])) == set(METRICS)
    assert not caplog.messages
