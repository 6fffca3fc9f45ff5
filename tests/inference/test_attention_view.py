"""Attention beside translations: that of the hypothesis which is written, and the translations are as without it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from nmt.cli.translate import run_task
from nmt.errors import ConfigError, DataError
from nmt.inference import attention_view
from nmt.report.terminal import LEGEND
from tests.commands import compose_command, read_lines, run_process, write_lines
from tests.report.test_html import Reader
from tests.trained import TrainedRun

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.fixture
def source(trained: TrainedRun, tmp_path: Path) -> Path:
    """The training sources with an empty line, and one with more than anybody learnt."""
    return write_lines(
        tmp_path / "in.txt", *trained.text.source[:4], "", "\x1b[2J שלום 図書館", *trained.text.source[4:]
    )


def translate_with_view(trained: TrainedRun, source: Path, *given: str) -> list[str]:
    """The translations. What is shown is where it was asked for."""
    out = source.parent / "out.txt"
    run_task(compose_command("translate", f"model={trained.folder}", f"input={source}", f"output={out}", *given))
    return read_lines(out)


def read_weights(trained: TrainedRun, source: Path, *given: str) -> list[dict[str, object]]:
    """What format=json says of each line."""
    return [json.loads(line) for line in translate_with_view(trained, source, "format=json", "weights=true", *given)]


def test_standard_output_is_what_it_is_without(
    trained: TrainedRun, source: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with_grids = run_process(
        "translate", f"model={trained.folder}", "show=attention", text=source.read_bytes(), folder=source.parent
    )
    run_task(compose_command("translate", f"model={trained.folder}", f"input={source}"))
    plain = capfdbinary.readouterr()
    assert with_grids.stdout == plain.out
    assert LEGEND.encode() not in plain.err
    told = with_grids.stderr.decode()
    assert (with_grids.returncode, told.count(LEGEND)) == (0, 1)
    assert re.findall(r"^line (\d+)(?:$|:)", told, re.MULTILINE) == [str(n + 1) for n in range(len(read_lines(source)))]
    assert "line 5: nothing to show" in told
    assert "\x1b" not in told
    assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize("given", [(), ("search.size=3",), ("tokens=1", "chunk=2"), ("search=greedy",)], ids=str)
def test_the_weights_are_those_of_the_hypothesis_that_is_written(
    trained: TrainedRun, source: Path, given: tuple[str, ...]
) -> None:
    page = source.parent / "page.html"
    translations = translate_with_view(trained, source, f"show={page}", *given)
    found = {each["number"]: each for each in json.loads(Reader(page.read_text()).texts["script"][0])["sentences"]}
    assert 5 not in found
    for number, told in enumerate(read_weights(trained, source, *given), start=1):
        if number not in found:
            assert told["hypotheses"] == []
            continue
        each = found[number]
        assert each["target"] == [*translations[number - 1].split(), "</s>"]
        assert each["source"] == [*read_lines(source)[number - 1].split(), "</s>"]
        drawn = np.frombuffer(bytes.fromhex(each["weights"]), np.uint8).reshape(len(each["target"]), -1) / 255
        first = told["hypotheses"][0]  # type: ignore[index]
        pieces = np.array(first["weights"])
        # </s> is one word and one piece; the weights on all other source words are those on their pieces.
        np.testing.assert_allclose(drawn[-1, -1], pieces[-1, -1], atol=0.01)
        np.testing.assert_allclose(drawn[-1].sum(), pieces[-1].sum(), atol=0.05)


def test_between_pieces_are_the_weights_themselves(
    trained: TrainedRun, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = read_weights(trained, source)[0]
    capsys.readouterr()
    translate_with_view(trained, source, "show=pieces")
    grid = capsys.readouterr().err.split("line 1\n")[1].split("line 2\n")[0].splitlines()
    first = told["hypotheses"][0]  # type: ignore[index]
    labels = [line.split()[0] for line in grid if re.match(r" *\S+ +\d\.\d\d ", line)]
    assert labels == [piece[:24] for piece in first["pieces"]]
    above = [re.sub("sum|│", "", line).strip() for line in grid[: len(told["source"])]]  # type: ignore[arg-type]
    assert above == told["source"]


def test_of_a_long_line_the_beginning_is_shown(
    trained: TrainedRun, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    translate_with_view(trained, source, "show=attention", "max_source=3")
    first = capsys.readouterr().err.split("line 1\n")[1].split("line 2\n")[0]
    words = read_lines(source)[0].split()
    assert words[0] in first
    assert words[-1] not in first


def test_a_page_appears_when_it_is_whole_and_is_bounded(
    trained: TrainedRun, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = source.parent / "page.html"
    monkeypatch.setattr(attention_view, "MAX_PAGE_SENTENCES", 3)
    translate_with_view(trained, source, f"show={page}")
    assert len(json.loads(Reader(page.read_text()).texts["script"][0])["sentences"]) == 3
    page.unlink()
    source.write_bytes(b"good\n\xff\n")
    with pytest.raises(DataError, match="line 2"):
        translate_with_view(trained, source, f"show={page}", "chunk=1")
    assert not page.exists()
    with pytest.raises(DataError, match="cannot be written"):
        translate_with_view(trained, source, f"show={source.parent / 'none' / 'page.html'}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ("show=attentoin",),
            "show=attentoin is none of its values: nothing, attention, pieces, or a file that ends in",
        ),
        (("show=attention", "processes=2"), "got processes=2. Set processes=1, or show=nothing."),
        (("show=a.html", "processes=2"), "got processes=2. Set processes=1, or show=nothing."),
    ],
)
def test_what_cannot_be_shown_is_told_first(given: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        run_task(compose_command("translate", "model=none", *given))
    assert said in str(refused.value)


def test_the_width_is_the_terminals_and_colour_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def __init__(self, there: bool) -> None:
            self.isatty = lambda: there

        def fileno(self) -> int:
            raise OSError

    for name in ("COLUMNS", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stderr", Terminal(there=True))
    assert (attention_view.choose_width(), attention_view.has_colour()) == (attention_view.DEFAULT_COLUMNS, True)
    monkeypatch.setenv("COLUMNS", "57")
    monkeypatch.setenv("NO_COLOR", "1")
    assert (attention_view.choose_width(), attention_view.has_colour()) == (57, False)
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setattr("sys.stderr", Terminal(there=False))
    assert not attention_view.has_colour()
