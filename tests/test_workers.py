"""Several processes answer as one would: in order, in bounded memory, and with its errors."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt.cli.translate import run_task
from nmt.errors import DataError, NmtError
from nmt.workers import map_in_order
from tests.cli.noisy_process import make_shouting_fn
from tests.cli.signal_process import wait_until
from tests.commands import build_environment, compose_command, read_lines, run_process, write_lines
from tests.trained import TrainedRun


def number_chunks(*words: str) -> Iterator[tuple[int, list[str]]]:
    return ((number, [word]) for number, word in enumerate(words))


def test_answers_are_in_order_and_errors_are_what_they_were() -> None:
    found = list(map_in_order(number_chunks(*"abcdefg"), 2, make_shouting_fn, "!"))
    assert found == [([word], [f"{number}{word.upper()}!"]) for number, word in enumerate("abcdefg")]
    with pytest.raises(DataError, match="line 3 is bad"):
        list(map_in_order(number_chunks("a", "b", "error", "d"), 2, make_shouting_fn, "!"))


def test_a_process_that_dies_is_told_and_input_is_not_read_ahead() -> None:
    with pytest.raises(NmtError, match="lines 2 to 2 died"):
        list(map_in_order(number_chunks("a", "death"), 1, make_shouting_fn, "!"))
    taken: list[int] = []
    answers = map_in_order(((taken.append(n) or n, ["a"]) for n in range(99)), 1, make_shouting_fn, "!")  # type: ignore[func-returns-value]
    assert next(answers) == (["a"], ["0A!"])
    assert len(taken) == 2
    answers.close()  # type: ignore[attr-defined]


def test_no_more_processes_are_started_than_there_are_chunks() -> None:
    seen: list[int] = []
    for _ in map_in_order(number_chunks("a", "b"), 200, make_shouting_fn, "!"):
        seen.append(len(multiprocessing.active_children()))
    assert max(seen) <= 2


PLAIN_PROGRAM = """
from nmt.workers import map_in_order
from tests.cli.noisy_process import make_shouting_fn
print(list(map_in_order([(0, ["word"]), (1, ["other"])], 2, make_shouting_fn, "!")))
"""


def test_a_script_need_not_ask_for_its_name(tmp_path: Path) -> None:
    """Its processes do not run it again, as they would."""
    script = write_lines(tmp_path / "plain.py", PLAIN_PROGRAM)
    done = subprocess.run([sys.executable, str(script)], env=build_environment(), capture_output=True, text=True)
    assert done.stdout == "[(['word'], ['0WORD!']), (['other'], ['1OTHER!'])]\n", done.stderr


ALONE_PROGRAM = """
import sys
from nmt.workers import map_in_order
from tests.cli.noisy_process import make_sleeping_fn
if __name__ == "__main__":
    list(map_in_order([(0, ["word"])], 1, make_sleeping_fn, sys.argv[1]))
"""


@pytest.mark.slow
def test_processes_end_with_the_first_one_in_the_middle_of_a_chunk(tmp_path: Path) -> None:
    script, note = write_lines(tmp_path / "alone.py", ALONE_PROGRAM), tmp_path / "note"
    with subprocess.Popen([sys.executable, str(script), str(note)], env=build_environment()) as parent:
        wait_until(lambda: note.exists() and note.read_text())
        os.kill(int(note.read_text()), 0)
        parent.kill()
    process = note.read_text()
    wait_until(lambda: (status := read_status(process)) == "" or "(zombie)" in status)
    assert "(running)" not in read_status(process)


def read_status(process: str) -> str:
    """What the kernel says of a process; nothing of one that is gone."""
    try:
        return Path(f"/proc/{process}/status").read_text()
    except OSError:
        return ""


@pytest.mark.slow
def test_the_output_of_a_command_is_the_same(trained: TrainedRun, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.txt", *trained.text.source[:4], "", *trained.text.source[4:])
    for processes in (1, 2):
        out = f"output={tmp_path / str(processes)}"
        run_task(
            compose_command(
                "translate", f"model={trained.folder}", f"input={source}", out, f"processes={processes}", "chunk=2"
            )
        )
    assert read_lines(tmp_path / "1") == read_lines(tmp_path / "2")
    done = run_process(
        "translate", f"model={trained.folder}", "processes=2", text=b"a\n" * 70 + b"\xff\n", folder=tmp_path
    )
    assert done.returncode == 2
    assert b"line 71" in done.stderr
