"""Text from anywhere: as many lines come out as went in, for every tool that counts them, and files appear whole."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sacrebleu.utils import smart_open

from tests import tiny_runs
from tests.commands import build_command_line, build_environment, run_process, write_lines
from tests.trust.conftest import RecordFigures

SEPARATORS = ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r\r"]
PIECES = [
    *("</s>", "<s>", "<pad>", "<unk>", "▁", "<0x0A>", " ⁇ ", "||| 0 |||", "\\n", "\ufeff", "\ufffe", "\0", "\x1b[2J"),
    *(
        "👩‍👩‍👧‍👦",
        "🇩🇪",
        "\u202eright\u202c",
        "\u2066\u2069\u200f",
        "שלום",
        "مرحبا",
        "漢字",
        "e\u0301",
        "\u00ad",
        "\U000e0041",
    ),
    *("the dog sleeps", "a", "  ", "\t", "\u3000", "\u200b", "\xa0"),
]
BYTES = [
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xc0\xaf",
    b"\xe2\x82",
    b"\x80" * 40,
]


def fuzz(lines: int, longest: int) -> bytes:
    """A file of so many lines, which no two tools would read alike; one has `longest` bytes, the last has no end."""
    draw = random.Random(lines)
    pieces = [piece.encode() for piece in (*PIECES, *SEPARATORS)] + BYTES
    made = [b"\xef\xbb\xbfthe first has a mark", b"", b"   ", b"\t \xe2\x80\x83"]
    for _ in range(lines - len(made) - 2):
        kind = draw.random()
        if kind < 0.1:
            made.append(draw.choice((b"", b" ", b"\xc2\xa0", b"\r")))
        elif kind < 0.3:
            made.append(draw.randbytes(draw.randrange(1, 60)).replace(b"\n", b" "))
        else:
            made.append(b"".join(draw.choice(pieces) for _ in range(draw.randrange(1, 8))))
        made[-1] += b"\r" if draw.random() < 0.2 else b""
    return b"\n".join([*made, b"word " * (longest // 5), b"the last has no end"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder; what it says is nonsense, but it says it in lines."""
    folder = tmp_path_factory.mktemp("model") / "run"
    run = tiny_runs.build_run(tiny_runs.build_settings(folder), folder)
    run.make_checkpoint_writer()(None)
    return folder


def counts(path: Path) -> dict[str, int]:
    """How many lines a file has, as tools count them."""
    content = path.read_bytes()
    with path.open(encoding="utf-8") as text, smart_open(str(path)) as scored:
        return {
            "wc": int(subprocess.run(["wc", "-l", path], capture_output=True, check=True).stdout.split()[0]),
            "Python": sum(1 for _ in text),
            "splitlines": len(content.decode().splitlines()),
            "sacrebleu": sum(1 for _ in scored),
        }


def counted_by_datasets(path: Path, cache: Path) -> int:
    """The same for the text loader of `datasets`, in a process of its own, since its cache is chosen at import."""
    code = "import datasets, sys; print(len(datasets.load_dataset('text', data_files=sys.argv[1], split='train')))"
    surroundings = {**build_environment(), "HF_HOME": str(cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True, env=surroundings)
    return int(done.stdout)


LARGE = 5_000
SIZES = [(120, 20_000), pytest.param(10_000, 1_000_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("lines", "longest"), SIZES)
def test_as_many_lines_come_out_as_went_in(
    lines: int, longest: int, model: Path, tmp_path: Path, measured: RecordFigures
) -> None:
    text = fuzz(lines, longest)
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes(text)
    by_file = run_process("translate", f"model={model}", f"input={source}", f"output={out}", "errors=replace")
    by_pipe = run_process("translate", f"model={model}", "errors=replace", text=text)
    assert (by_file.returncode, by_pipe.returncode) == (0, 0), by_file.stderr + by_pipe.stderr
    assert b"Traceback" not in by_file.stderr + by_pipe.stderr
    assert by_pipe.stdout == out.read_bytes()
    assert by_pipe.stdout.endswith(b"\n")
    assert counts(out) == dict.fromkeys(counts(out), lines)
    if lines > 300:
        assert counted_by_datasets(out, tmp_path / "cache") == lines
    translations = out.read_bytes().split(b"\n")
    assert [translations[number] for number in (1, 2)] == [b"", b""]  # an empty line stays empty, a blank one too
    assert sum(map(bool, translations)) > lines / 2  # or there would be nothing to count
    measured("8 text", {"lines by file and by pipe": lines})


def test_tools_would_not_agree_on_what_went_in(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(fuzz(300, 1000).decode("utf-8", "replace").encode())
    assert len(set(counts(tmp_path / "in.txt").values())) > 1


@pytest.mark.slow
def test_bytes_that_are_no_text_leave_no_half_of_a_file(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"the dog\n" * 400 + b"\xff\n")
    out = write_lines(tmp_path / "out.txt", "an earlier translation")
    done = run_process("translate", f"model={model}", f"input={source}", f"output={out}")
    assert done.returncode == 2
    assert b"in.txt, line 401: byte 0xff" in done.stderr
    assert out.read_text() == "an earlier translation\n"


def until(there: Callable[[], bool], seconds: float = 120.0) -> None:
    """Waits for something that another process does."""
    last = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < last, "it never came"
        time.sleep(0.05)


@pytest.mark.slow
def test_what_is_killed_leaves_no_half_of_a_file(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    command = build_command_line("translate", f"model={model}", f"output={folder / 'out.txt'}", "chunk=10")
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=build_environment()) as running:
        assert running.stdin is not None
        running.stdin.write(b"the dog sleeps\n" * 200)
        running.stdin.flush()
        until(lambda: any(path.stat().st_size for path in folder.iterdir()))  # it has begun to write
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert not (folder / "out.txt").exists()


STOPS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL)


def stopped(command: list[str], note: Path, lines: int, number: int) -> int:
    """Stops a translation by a signal once so many lines are noted as done; how many that are."""

    def noted() -> int:
        return int(json.loads(note.read_text())["lines"]) if note.exists() else 0

    with subprocess.Popen(command, env=build_environment(), stderr=subprocess.DEVNULL) as running:
        until(lambda: noted() >= lines or running.poll() is not None)
        assert running.poll() is None, "it was done before it could be stopped"
        running.send_signal(number)
    return noted()


@pytest.mark.slow
def test_an_interrupted_translation_goes_on_where_it_stopped(
    model: Path, tmp_path: Path, measured: RecordFigures
) -> None:
    source, out, whole = tmp_path / "in.txt", tmp_path / "out.txt", tmp_path / "whole.txt"
    source.write_bytes(fuzz(LARGE, 20_000))
    given = (f"model={model}", f"input={source}", "errors=replace", "chunk=50")
    assert run_process("translate", *given, f"output={whole}").returncode == 0
    written, note = tmp_path / ".writing-out.txt", tmp_path / ".writing-out.txt.json"
    done = 0
    for turn, number in enumerate(STOPS, start=1):
        done = stopped(build_command_line("translate", *given, f"output={out}"), note, done + LARGE // 10, number)
        assert not out.exists()
        mark(written, turn)
    assert run_process("translate", *given, f"output={out}").returncode == 0
    wanted = whole.read_bytes()
    (tmp_path / "marked").write_bytes(wanted)
    for turn in range(1, len(STOPS) + 1):
        mark(tmp_path / "marked", turn)
    assert out.read_bytes() == (tmp_path / "marked").read_bytes() != wanted, "what was done was done again"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "marked", "out.txt", "whole.txt"]
    measured("8 text", {"interruptions of one translation": len(STOPS), "its lines": LARGE})


def mark(path: Path, turn: int) -> None:
    """Puts something else in the place of a byte of a translation, so that doing it again would be seen."""
    with path.open("r+b") as file:
        content = file.read()
        place = [at for at, byte in enumerate(content[:20_000]) if chr(byte).isalnum()][turn]
        file.seek(place)
        file.write(b"#")


@pytest.mark.slow
def test_a_pipe_into_head_ends_quietly(model: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.txt", *["the dog sleeps"] * 3000)
    line = '"$0" -m nmt.cli.translate model="$1" chunk=10 < "$2" | head -1; echo "${PIPESTATUS[*]}"'
    command = ["bash", "-c", line, sys.executable, str(model), str(source)]
    done = subprocess.run(command, capture_output=True, env={**build_environment(), "PYTHONUNBUFFERED": ""}, check=True)
    assert done.stderr == b""
    assert done.stdout.split(b"\n")[1:] == [b"0 0", b""]
