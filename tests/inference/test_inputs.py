"""Files that a setting names, and pipes that pause."""

import queue
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from nmt.cli.translate import run_task
from nmt.errors import ConfigError, DataError
from nmt.inference import inputs
from nmt.inference.inputs import STDIN, find_files, gather_lines, has_pauses, read_files
from tests.commands import build_command_line, build_environment, compose_command, read_lines, write_lines
from tests.trained import TrainedRun


def test_names_lists_and_patterns(tmp_path: Path) -> None:
    one, two, odd = (str(write_lines(tmp_path / name, name)) for name in ("1.txt", "2.txt", "[3].txt"))
    assert find_files(None, setting="input") == find_files("-", setting="input") == [STDIN]
    assert find_files([two, "-", one], setting="input") == [two, STDIN, one]
    assert find_files(f"{tmp_path}/?.txt", setting="input") == [one, two]
    assert find_files(odd, setting="input") == [odd]
    assert find_files(f"{tmp_path}/none.txt", setting="input") == [f"{tmp_path}/none.txt"]
    assert list(read_files([two, one], "strict", setting="input")) == ["2.txt", "1.txt"]
    with pytest.raises(DataError, match=r"none\*.*\(input\) matches no file"):
        find_files(f"{tmp_path}/none*", setting="input")
    with pytest.raises(DataError, match=r"no file .*none\.txt \(input\)"):
        read_files([one, f"{tmp_path}/none.txt"], "strict", setting="input")
    for wrong in ([], "", ["-", "-"]):
        with pytest.raises(ConfigError, match="input names"):
            find_files(wrong, setting="input")  # type: ignore[arg-type]


def test_only_what_may_wait_is_gathered(tmp_path: Path) -> None:
    assert not has_pauses([str(write_lines(tmp_path / "in.txt", "a")), "/dev/null", str(tmp_path / "none")])


def test_runs_end_where_the_input_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "GATHER_SECONDS", 0.2)
    arriving: queue.Queue[str | None] = queue.Queue()
    runs = gather_lines(iter(arriving.get, None), 3, characters=100)
    for line in "abcd":
        arriving.put(line)
    assert list(islice((run for run in runs if run), 2)) == [list("abc"), ["d"]]
    assert next(runs) == []  # all before it shall be answered now
    arriving.put("e")
    arriving.put(None)
    assert list(runs) == [["e"]]


def test_what_reading_raises_comes_after_the_lines_before() -> None:
    def damaged() -> Iterator[str]:
        yield "a"
        raise DataError("bad")

    runs = gather_lines(damaged(), 3, characters=100)
    found = []
    with pytest.raises(DataError, match="bad"):
        found += [run for run in runs if run or found.append(run)]  # type: ignore[func-returns-value]
    runs = gather_lines(iter("abc"), 9, characters=2)
    assert [run for run in runs if run] == [["a", "b"], ["c"]]


def test_a_pipe_that_pauses_is_answered(trained: TrainedRun) -> None:
    command = build_command_line("translate", f"model={trained.folder}", "input=-")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=build_environment(), **pipes) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        for sentence in trained.text.source[:2]:
            running.stdin.write(f"{sentence}\n".encode())
            running.stdin.flush()
            assert running.stdout.readline().endswith(b"\n")  # before the next is sent
        running.stdin.close()
        assert running.stdout.read() == b""
        assert b"nmt-translate: 2 lines in " in running.stderr.read()


def test_several_files_become_one_output_or_one_each(trained: TrainedRun, tmp_path: Path) -> None:
    text = [*trained.text.source[:3], ""]
    one, two = write_lines(tmp_path / "1.txt", *text[:2]), write_lines(tmp_path / "2.txt", *text[2:])
    model, out = f"model={trained.folder}", tmp_path / "out.txt"
    run_task(compose_command("translate", model, f"input=[{one},{two}]", f"output={out}"))
    whole = read_lines(out)
    assert len(whole) == len(text)
    run_task(compose_command("translate", model, f"input='{tmp_path}/?.txt'", f"output={tmp_path / 'folder'}/"))
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["1.txt", "2.txt"]
    assert [*read_lines(tmp_path / "folder" / "1.txt"), *read_lines(tmp_path / "folder" / "2.txt")] == whole
    with pytest.raises(ConfigError, match="input and output are one file"):
        run_task(compose_command("translate", model, f"input=[{one},{two}]", f"output={two}"))
    with pytest.raises(ConfigError, match="have one name"):
        run_task(
            compose_command("translate", model, f"input=[{one},{tmp_path / 'folder' / '1.txt'}]", f"output={tmp_path}")
        )
