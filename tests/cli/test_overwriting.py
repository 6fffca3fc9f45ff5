"""No command writes over what it reads, nor two outputs to one place, by whatever name; and it says so before work."""

import copy
import itertools
import os
from collections.abc import Callable
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest

from nmt import model_folder
from nmt.cli import align, explain, score, shortlist, translate
from nmt.comparison.compare import check_output_paths
from nmt.comparison.plan import Job
from nmt.errors import CheckpointError, ConfigError, DataError
from nmt.runs import run_folder
from nmt.runs.run_files import check_outside_runs
from nmt.runs.summary import check_own_folder, get_output_folder
from nmt.storage.distinct_paths import check_distinct
from nmt.storage.files import format_json
from nmt.storage.run_lock import lock
from tests.commands import compose_command, write_lines

TASKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "translate": translate.run_task,
    "align": align.run_task,
    "score": score.run_task,
    "shortlist": shortlist.run_task,
}

INPUTS = {
    "translate": ("input", "prefix", "model"),
    "align": ("source", "target", "gold", "model", "reverse"),
    "score": ("source", "target", "model"),
    "shortlist": ("source", "target"),
}
"""What a command reads. nmt-evaluate writes nothing; runs and comparisons are below."""

OUTPUTS = {
    "translate": ("output", "show"),
    "align": ("output", "heatmaps.folder"),
    "score": ("output",),
    "shortlist": ("model",),
}

ALIKE: dict[str, Callable[[Path, Path], object]] = {
    "a link": lambda path, file: path.symlink_to(file),
    "a second name": lambda path, file: os.link(file, path),
    "itself": lambda path, file: file.rename(path),
}
"""Makes a path that is the file, or takes its name."""


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder, "load", lambda *given, **more: pytest.fail("the work was begun"))


def make_words(command: str, folder: Path) -> dict[str, str]:
    """A command that has all its inputs, by setting: a model that is none, and files of a line."""
    for name in ("model", "reverse"):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text("{}")
    files = {name: str(folder / name) for name in ("model", *INPUTS[command])}
    for name in files.keys() - {"model", "reverse"}:
        write_lines(folder / name, "0-0")
    return files


PLACES = {"output": "out.txt", "show": "page.html", "model": "model/lexicon.safetensors"}

PAIRS = [
    (command, *pair)
    for command in TASKS
    for pair in itertools.product(INPUTS[command], OUTPUTS[command])
    if pair[1] in PLACES and pair != ("model", "model")
]


@cache
def compose_defaults(command: str) -> dict[str, Any]:
    required = ("source", "target")[: 0 if command == "translate" else 2]
    return compose_command(command, "model=none", *(f"{name}=none" for name in required))


def run_command(command: str, given: dict[str, Any]) -> None:
    """Does the task of a command with these settings."""
    composed = copy.deepcopy(compose_defaults(command))
    for key, value in given.items():
        *groups, name = {"model": "model.folder"}.get(key, key).split(".")
        reduce(getitem, groups, composed)[name] = value
    TASKS[command](composed)


@pytest.mark.parametrize(("command", "read", "written"), PAIRS)
@pytest.mark.parametrize("alike", ALIKE)
def test_no_command_writes_over_what_it_reads(
    command: str, read: str, written: str, alike: str, tmp_path: Path
) -> None:
    given = make_words(command, tmp_path)
    path = tmp_path / PLACES[written]
    if read in ("model", "reverse"):
        given[written] = str(path := tmp_path / read / "config.json")
        if written == "show":  # which ends otherwise
            given[written] = str(path.with_name("page.html"))
            Path(given[written]).symlink_to(path)
    else:
        ALIKE[alike](path, tmp_path / read)
        if alike == "itself":
            given[read] = str(path)
        if written != "model":
            given[written] = str(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=f"{read} and {written} are one file"):
        run_command(command, given)
    assert path.read_bytes() == before


READ_STANDARD_INPUT: dict[str, Callable[[list[str]], None]] = {
    "translate": lambda words: translate.run_task(compose_command("translate", *words)),
    "explain": lambda words: explain.run_task(words, compose_command("explain", *words)),
    "explain compare=head=1": lambda words: explain.run_task(
        [*words, "compare=head=1"], compose_command("explain", *words, "compare=head=1")
    ),
}


@pytest.mark.parametrize("command", READ_STANDARD_INPUT)
@pytest.mark.parametrize("alike", ["itself", "a second name"])
def test_no_command_writes_over_its_standard_input(
    command: str, alike: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, page = write_lines(tmp_path / "text", "a"), tmp_path / "page.html"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    with text.open(encoding="utf-8") as file:
        ALIKE[alike](page, text)
        monkeypatch.setattr("sys.stdin", file)
        with pytest.raises(ConfigError, match=r"standard input \(input\) and output are one file, .*page\.html"):
            READ_STANDARD_INPUT[command]([f"model={tmp_path / 'model'}", f"output={page}"])
    assert page.read_text() == "a\n"


@pytest.mark.parametrize("command", ["translate", "score", "align"])
@pytest.mark.parametrize("mode", ["a", "w"])
def test_no_command_reads_what_it_writes_to_standard_output(
    command: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = make_words(command, tmp_path)
    read = {"translate": "input", "score": "source", "align": "target"}[command]
    text = Path(given[read])
    before = text.read_text()
    with text.open("a" if mode == "a" else "r+", encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdout", file)
        with pytest.raises(ConfigError, match=rf"{read} and standard output are one file, {text}: it would be read"):
            run_command(command, {name: value for name, value in given.items() if name != "output"})
    assert text.read_text() == before


def test_standard_input_and_output_may_not_be_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_lines(tmp_path / "text", "a")
    with text.open(encoding="utf-8") as read, text.open("a", encoding="utf-8") as written:
        monkeypatch.setattr("sys.stdin", read)
        monkeypatch.setattr("sys.stdout", written)
        with pytest.raises(ConfigError, match=r"standard input \(input\) and standard output are one file: it"):
            check_distinct({"input": "-"}, {"output": "-"})
        check_distinct({"input": tmp_path / "other"}, {"output": "-"})


def test_standard_input_that_is_not_read_may_be_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_lines(tmp_path / "text", "a")
    with text.open(encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)
        check_distinct({"input": "other"}, {"output": text})
        check_distinct({"input": "-"}, {"output": tmp_path / "other"})
    check_distinct({"input": "-"}, {"output": text})  # of a stream that is closed nothing is known


SETTINGS: dict[str, Any] = {"data": {"name": "files"}, "seed": 1, "resume": "auto"}

RUN_OUTPUTS = {
    "translate": {"output": "train.log", "show": "report.html"},
    "align": {"output": "config.yaml", "heatmaps.folder": "figures"},
    "score": {"output": "metrics.jsonl"},
}


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("is_link", [False, True])
@pytest.mark.parametrize(
    ("command", "setting", "name"),
    [(command, *output) for command, outputs in RUN_OUTPUTS.items() for output in outputs.items()],
)
def test_no_command_writes_over_the_files_of_a_run(
    command: str, setting: str, name: str, is_link: bool, is_there: bool, tmp_path: Path
) -> None:
    given = make_words(command, tmp_path)
    run = tmp_path / "run"
    run_folder.initialize(run, SETTINGS, "nmt-train")
    if is_there and "." in name and name != "config.yaml":
        write_lines(run / name, "a")
    if is_link:
        run = tmp_path / "link"
        run.symlink_to("run")
    path = run / name
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ConfigError, match=rf"{setting}=.* would take the place of what the run in .*/run wrote"):
        run_command(command, {**given, setting: str(path)})
    assert (path.read_bytes() if path.is_file() else None) == before


def test_other_names_in_the_folder_of_a_run_are_free(tmp_path: Path) -> None:
    run_folder.initialize(tmp_path / "run", SETTINGS, "nmt-train")
    (tmp_path / "other").mkdir()
    free = [tmp_path / "run" / "mine.txt", tmp_path / "run" / "pictures", tmp_path / "other" / "config.yaml"]
    check_outside_runs({"output": free, "show": None})
    page = tmp_path / "run" / "report.html"
    with pytest.raises(ConfigError, match=r"output=.*report\.html would take the place"):
        explain.run_task([], compose_command("explain", f"output={page}"))
    with pytest.raises(ConfigError, match=r"to its checkpoints\. Choose another"):
        check_outside_runs({"output": tmp_path / "run" / "checkpoints" / "best" / "state.json"})


@pytest.mark.parametrize("read", INPUTS["align"][:3])
@pytest.mark.parametrize("is_link", [False, True])
def test_no_picture_takes_the_place_of_what_is_read(read: str, is_link: bool, tmp_path: Path) -> None:
    given = make_words("align", tmp_path)
    picture = tmp_path / "pictures" / "007.png"
    picture.parent.mkdir()
    (tmp_path / read).rename(picture)
    if is_link:
        (tmp_path / read).symlink_to(picture)
    else:
        given[read] = str(picture)
    with pytest.raises(ConfigError, match=rf"{read} and heatmaps\.folder are one file"):
        run_command("align", {**given, "heatmaps.folder": str(picture.parent)})
    assert picture.read_text() == "0-0\n"


@pytest.mark.parametrize(
    ("command", "outputs"),
    [
        ("translate", {"output": "o.html", "show": "o.html"}),
        ("translate", {"output": "link", "show": "o.html"}),
        ("translate", {"output": "o.html", "show": "o.html/page.html"}),
        ("align", {"output": "o.html", "heatmaps.folder": "o.html"}),
        ("align", {"output": "o.html", "heatmaps.folder": "o.html/pictures"}),
        ("align", {"output": "pictures/002.png", "heatmaps.folder": "pictures"}),
    ],
)
def test_no_two_outputs_are_one_place(command: str, outputs: dict[str, str], tmp_path: Path) -> None:
    given = make_words(command, tmp_path)
    (tmp_path / "link").symlink_to("o.html")
    given |= {name: str(tmp_path / value) for name, value in outputs.items()}
    with pytest.raises(ConfigError, match=r"output and .* are one (file|path)|lies in"):
        run_command(command, given)


def test_what_is_not_one_place_is_free(tmp_path: Path) -> None:
    read = write_lines(tmp_path / "in.txt", "a")
    os.mkfifo(tmp_path / "pipe")
    pictures = tmp_path / "pictures"
    check_distinct({"input": read}, {"output": pictures / "links.txt"}, {"heatmaps.folder": pictures})
    check_distinct({"input": [read, read]}, {"output": "/dev/null", "show": "/dev/null"})
    check_distinct({"input": tmp_path / "pipe"}, {"output": tmp_path / "pipe"})
    check_distinct({"input": "missing"}, {"output": "missing"})
    with pytest.raises(ConfigError, match="input and output are one file"):
        check_distinct({"input": str(tmp_path / "*.txt")}, {"output": read})


@pytest.mark.parametrize("name", ["test.hypotheses.txt", "train.log", "checkpoints/step-000001/hypotheses.txt"])
def test_a_run_does_not_write_over_its_text(name: str, tmp_path: Path) -> None:
    run_folder.initialize(tmp_path / "run", SETTINGS, "nmt-train")
    (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
    text = write_lines(tmp_path / "run" / name, "a")
    settings = {**SETTINGS, "data": {"name": "files", "train": {"source": str(text)}}}
    with pytest.raises(ConfigError, match=r"data\.train\.source( and output are one file|=.* lies in .*checkpoints)"):
        run_folder.check(tmp_path / "run", settings)
    run_folder.check(tmp_path / "another", settings)


@pytest.mark.parametrize("name", ["comparison.txt", "report.html", "figures/a.txt", "a/seed-1/FAILED"])
def test_a_comparison_does_not_write_over_its_text(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    text = write_lines(tmp_path / name, "a")
    job = Job("a", 1, tmp_path / "a" / "seed-1", {**SETTINGS, "data": {"train": {"source": str(text)}}}, [])
    with pytest.raises(ConfigError, match=r"data\.train\.source( and output are one file|=.* lies in)"):
        check_output_paths([job], None, tmp_path)
    with pytest.raises(ConfigError, match=r"comparison( and output are one file|=.* lies in)"):
        check_output_paths([job._replace(settings=SETTINGS)], text, tmp_path)


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_file_where_tensorboard_writes_is_told_before_the_work(is_begun: bool, tmp_path: Path) -> None:
    if is_begun:
        run_folder.initialize(tmp_path, SETTINGS, "nmt-train")
    (tmp_path / "tensorboard").touch()
    with pytest.raises(CheckpointError, match="tensorboard is no folder, as a run has there"):
        run_folder.check(tmp_path, SETTINGS)


@pytest.mark.parametrize("content", ["link", "folder", "precious", "process of mine"])
def test_a_lock_of_others_is_left_as_it_is(content: str, tmp_path: Path) -> None:
    mine = write_lines(tmp_path / "mine", "precious")
    if content == "link":
        (tmp_path / ".lock").symlink_to(mine)
    elif content == "folder":
        (tmp_path / ".lock").mkdir()
    else:
        (tmp_path / ".lock").write_text(content)
    with pytest.raises(CheckpointError, match=r"Cannot begin a run in|\.lock is no lock of a run"), lock(tmp_path):
        pytest.fail("it was locked")
    assert mine.read_text() == "precious\n"
    assert content in ("link", "folder") or (tmp_path / ".lock").read_text() == content


@pytest.mark.parametrize("output", [".", "..", "/", "~", "here/.."])
def test_a_run_and_a_comparison_have_a_folder_of_their_own(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = os.path.expanduser(output)
    with pytest.raises(ConfigError, match=r"output=.* is (the current folder|a folder of many others), /"):
        get_output_folder({"output": folder})
    with pytest.raises(ConfigError, match=r"Write output=outputs/comparisons/mine\."):
        check_own_folder(Path(folder), "outputs/comparisons/mine")
    (tmp_path / "run.json").write_text(format_json({"format": run_folder.FORMAT}))
    assert get_output_folder({"output": "."}) == Path()  # a run that was begun there goes on
    assert get_output_folder({"output": "mine"}) == Path("mine")


FOLDERS: dict[str, Callable[[Path], object]] = {
    "a file": Path.touch,
    "in a file": lambda path: [path.parent.rmdir(), path.parent.touch()],
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "a link as a picture": lambda path: [path.mkdir(), (path / "001.png").symlink_to("../../gold")],
    "a pipe as a picture": lambda path: [path.mkdir(), os.mkfifo(path / "001.png")],
    "a folder as a picture": lambda path: (path / "020.png").mkdir(parents=True),
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_that_takes_no_pictures_is_told_before_the_work(kind: str, tmp_path: Path) -> None:
    given = make_words("align", tmp_path)
    folder = tmp_path / "in" / "pictures"
    folder.parent.mkdir()
    FOLDERS[kind](folder)
    with pytest.raises(DataError, match=r"heatmaps\.folder=.*pictures"):
        run_command("align", {**given, "heatmaps.folder": str(folder)})
    assert (tmp_path / "gold").read_text() == "0-0\n"


def test_pictures_in_no_format_are_refused_and_others_stay(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"heatmaps\.formats=\[\] names no format"):
        run_command("align", {**make_words("align", tmp_path), "heatmaps.formats": []})
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("0001.png", "021.png", "000.png", "001.pdf", "a.png"):
        (folder / name).symlink_to("../gold")
    settings = {"folder": str(folder), "limit": 20, "formats": ["png"]}
    align.check_folder(align.HeatmapSettings(**settings))  # no picture will have these names
