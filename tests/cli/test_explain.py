"""nmt-explain: the example, a trained model, two side by side, and what is wrong with what was asked."""

import sys
from pathlib import Path

import pytest

from nmt.cli import explain
from nmt.kernels.switch import preserve_kernels
from tests.commands import write_lines
from tests.explanation.printed import read_stages
from tests.trained import TrainedRun


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], handlers: None, tmp_path: Path) -> "Call":
    monkeypatch.chdir(tmp_path)
    return Call(monkeypatch, capsys, tmp_path)


class Call:
    """The command in this process; it returns its status, what it printed, and what it complained of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.monkeypatch, self.capsys, self.folder = monkeypatch, capsys, folder

    def __call__(self, *words: str, text: str = "") -> tuple[object, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["nmt-explain", *words])
        write_lines(self.folder / "stdin", *text.split("\n")[:-1])
        self.monkeypatch.setattr(sys, "stdin", (self.folder / "stdin").open())
        status: object = 0
        try:
            with preserve_kernels():
                explain.main()
        except SystemExit as exit:
            status = exit.code
        printed = self.capsys.readouterr()
        return status or 0, printed.out, printed.err


def test_the_example_is_printed_and_its_page_is_written(call: Call, tmp_path: Path) -> None:
    status, out, err = call("attention/score=additive", "attention.heads=2", "position=schläft", "output=page.html")
    assert (status, err) == (0, "")
    assert "additive" in out
    assert "   > schläft" in out
    assert read_stages(out.split("\n"))["Weights w"].shape == (3, 4)
    assert "tanh(W q[t] + k[s])" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_an_axis_is_changed_and_both_are_shown(call: Call, tmp_path: Path) -> None:
    words = ("attention=luong_dot", "compare=attention/normalizer=sparsemax", "output=page.html")
    status, out, err = call(*words)
    assert (status, err) == (0, "")
    assert "What changed with attention/normalizer=sparsemax" in out
    assert "softmax -> sparsemax" in out
    assert "softmax → sparsemax" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_word_of_a_translation_is_explained_whatever_kernels_translate(trained: TrainedRun, call: Call) -> None:
    text = f"x\n{trained.text.source[1]}\n"
    shown = [
        call(f"model={trained.folder}", "position=0", "line=2", f"kernels={kernels}", text=text)
        for kernels in ("auto", "reference")
    ]
    assert shown[0][::2] == (0, "")
    assert shown[0] == shown[1]
    lines = shown[0][1].split("\n")
    piece = lines[lines.index("Positions") + 1].split()[1]
    assert call(f"model={trained.folder}", f"position={piece}", "line=2", text=text) == shown[0]


def test_two_words_of_one_line_of_a_pipe_are_compared(trained: TrainedRun, call: Call) -> None:
    line = trained.text.source[1] + "\n"
    status, out, _ = call(f"model={trained.folder}", "position=0", "compare=position=1", text=line)
    assert status == 0
    assert "What changed with position=1" in out


MODEL_WORDS = ("input=a", "layer=1", "kind=source", "line=2", "max_source=3", "columns=3", "errors=replace")
DEVICE_WORDS = ("device=cpu", "threads=1", "kernels=reference")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["attention=none"], "there is nothing to explain"),
        (["position=9"], "position must be from 0 to 2"),
        (["position=Katze"], "is no piece of these"),
        (["head=0"], "head must be 1, as there is only one; got 0"),
        (["head=2"], "head must be 1, as there is only one; got 2"),
        (["head=3", "attention.heads=2"], "head must be from 1 to 2, as there are 2; got 3"),
        *(([word], f"{word} is for a trained model. Add model=RUN") for word in (*MODEL_WORDS, *DEVICE_WORDS)),
        (
            ["attention=bahdanau", "model.decoder.hidden_size=100000000"],
            "model.decoder.hidden_size must be at most 100",
        ),
        (["attention.heads=100000000000"], "attention.heads must be at most 100"),
        (
            ["attention/score=additive", "attention.score.hidden_size=101"],
            "attention.score.hidden_size must be at most",
        ),
        (
            ["attention/history=coverage_gru", "attention.history.size=1e12"],
            "attention.history.size must be at most 100",
        ),
        (["compare=attention.heads=404"], "attention.heads must be at most 100"),
        (["compare=digits=3"], "compare=digits=3 cannot be changed: two explanations have digits together"),
        (["compare=head=1 compare=head=2"], "compare=compare=head=2 cannot be changed"),
        (['compare=attention/normalizer="sparse max"'], "sparse max"),
        (["compare=attention/score=dot attention/score=general"], "attention/score=dot and attention/score=general"),
        (["~head"], "~head takes a setting away"),
        (["line=99999999999999999999999"], "must be a whole number below 2^63"),
        (["tokens=5"], "tokens is not a setting"),
        (["attention/score=dot", "attention/score=general"], "attention/score=dot and attention/score=general"),
        (["output=page.txt"], "must end in .html"),
        (["digits=0"], "digits must be from 1 to 10"),
        (["padding=-1"], "padding must be from 0"),
        (["compare=sparsemax"], "changes nothing that could be compared"),
        (["compare=attention/normalizer=nonesuch"], "nonesuch"),
        (["attention.heads=3"], "share"),
        (["model=nowhere", "attention=luong_dot"], "a model has its own attention"),
        (["model=nowhere"], "nowhere"),
        (["compare=model=nowhere"], "nowhere"),
    ],
)
@pytest.mark.parametrize("text", ["a\n", ""])
def test_what_is_wrong_is_said_with_status_2(words: list[str], problem: str, text: str, call: Call) -> None:
    status, out, err = call(*words, text=text)
    assert (status, out) == (2, "")
    assert problem in err


@pytest.mark.parametrize(
    ("words", "text", "problem"),
    [
        (["line=2"], "a\n", "has 1 lines"),
        ([], "  \n", "is blank"),
        (["max_source=2"], "a b c d e f\n", "standard input, line 1 has more than 2 pieces, the limit (max_source)"),
        (["padding=2"], "a\n", "padding=2 is for the example"),
        (["model.decoder.hidden_size=2"], "a\n", "model.decoder.hidden_size=2 is for the example"),
        (["head=2"], "a\n", "head must be 1, as there is only one; got 2"),
        (["kind=encoder"], "a\n", "the encoder of this model has none"),
    ],
)
def test_what_cannot_be_explained_of_a_model_is_said(
    words: list[str], text: str, problem: str, trained: TrainedRun, call: Call
) -> None:
    status, _, err = call(f"model={trained.folder}", *words, text=text)
    assert status == 2
    assert problem in err
