"""Files are written whole, under names that nobody else has; what others put beside an output is left as it is."""

import json
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.errors import DataError
from nmt.inference.resumable import open_resumable
from nmt.inference.streams import open_writer
from nmt.storage.files import remove_unfinished, write_atomically
from nmt.storage.json_files import MAX_JSON_BYTES
from nmt.storage.new_files import ForeignFileError, list_unfinished, open_own, open_replacement, remove_abandoned
from tests.storage.test_untrusted_paths import ODD, Make


def write_stream(path: Path) -> None:
    with open_writer(str(path)) as write:
        write(["new"])


def write_resumable(path: Path, *, interrupt: bool = False) -> None:
    with open_resumable(str(path), {"model": "abc"}, lambda: iter(["old"])) as output:
        for line in output.text:
            output.write([line], ["new"])
            if interrupt:
                raise KeyboardInterrupt


DOORS: dict[str, Callable[[Path], None]] = {
    "a file of a run": lambda path: write_atomically(path, "new\n"),
    "an output": write_stream,
    "a resumable output": write_resumable,
}

PART, NOTE = ".writing-out.txt", ".writing-out.txt.json"

OTHERS: dict[str, Make] = {
    **ODD,
    "a link to a file": lambda path: path.symlink_to("precious"),
    "a second name of a file": lambda path: os.link(path.parent / "precious", path),
    "a folder with a file": lambda path: [path.mkdir(), (path / "mine").write_text("mine")],
    "a file": lambda path: path.write_text("mine"),
    "JSON without an end": lambda path: path.write_text("[" * 200_000),
    "JSON of something else": lambda path: path.write_text('{"lines": -1, "read": "", "bytes": -1, "job": null}'),
    "JSON of no such place": lambda path: path.write_text(
        json.dumps({"job": {"model": "abc"}, "lines": 2**70, "read": "", "bytes": 0})
    ),
    "gigabytes": lambda path: [path.touch(), os.truncate(path, 3 * 2**30)],
}
"""What may have the name of a part of an output, or of its note."""


def describe(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """All in a folder but the output: what it is, where it leads, how large it is."""
    return {
        path.name: (found.st_ino, found.st_mode, found.st_size, os.readlink(path) if path.is_symlink() else "")
        for path in folder.iterdir()
        if path.name != "out.txt"
        for found in [os.lstat(path)]
    }


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", [PART, NOTE])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_others_left_beside_an_output_stays(
    kind: str, name: str, door: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "precious").write_text("precious")
    OTHERS[kind](tmp_path / name)
    before = describe(tmp_path)
    with caplog.at_level(logging.WARNING):
        DOORS[door](tmp_path / "out.txt")
    assert describe(tmp_path) == before
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "out.txt").is_symlink()
    assert (tmp_path / "out.txt").read_text() == "new\n"
    assert (str(tmp_path / name) in caplog.text) == (door == "a resumable output")


def test_files_of_other_users_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / PART).touch()
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    with pytest.raises(ForeignFileError, match="belongs to another user"):
        open_own(tmp_path / PART, "ab")


def test_a_part_that_was_put_in_the_place_of_another_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a command that ends between the opening of its part and the lock."""
    monkeypatch.setattr(
        "nmt.inference.resumable.lock_file", lambda number: (tmp_path / PART).replace(tmp_path / "out.txt")
    )
    with pytest.raises(DataError, match="written by another command"):
        write_resumable(tmp_path / "out.txt")


def test_a_part_always_has_a_note_and_is_taken_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_resumable(str(tmp_path / "out.txt"), {}, lambda: iter("a")):
        assert {path.name for path in tmp_path.iterdir()} == {PART, NOTE}
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        write_resumable(tmp_path / "out.txt", interrupt=True)  # another job, to which the part of the first gives way
    assert (tmp_path / PART).read_text() == "new\n"
    assert (tmp_path / NOTE).stat().st_size < MAX_JSON_BYTES
    write_resumable(tmp_path / "out.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_an_output_keeps_the_permissions_of_the_one_before(mode: int, door: str, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    DOORS[door](out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~_read_umask()
    out.chmod(mode)
    DOORS[door](out)
    assert stat.S_IMODE(out.stat().st_mode) == mode


def _read_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@pytest.mark.parametrize("door", [*DOORS][:2])
def test_names_are_as_long_as_the_file_system_takes_them(door: str, tmp_path: Path) -> None:
    for name in ("a" * 255, "\u00e4" * 127):
        DOORS[door](tmp_path / name)
        assert (tmp_path / name).read_text() == "new\n"


def test_nothing_is_left_of_what_failed_and_only_that_is_removed_of_what_was_killed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_replacement(tmp_path / "out.txt") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    names = (".writing-0123abcd-run.json", ".writing-0123abcd-mine.txt", ".writing-run.json", PART, NOTE)
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in list_unfinished(tmp_path, ["run.json"])] == [names[0]]
    remove_unfinished(tmp_path, ["run.json"])
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])


@pytest.mark.parametrize("door", [*DOORS][1:])
def test_the_next_output_in_a_folder_removes_what_killed_processes_left(door: str, tmp_path: Path) -> None:
    abandoned, part = tmp_path / ".writing-~0123abcd-other.txt", tmp_path / ".writing-20260131-out.txt"
    abandoned.touch()
    part.touch()  # of a translation that was killed, to be gone on with
    with open_replacement(tmp_path / "mine.txt") as file:  # as in another process that is at work there
        file.write(b"mine\n")
        DOORS[door](tmp_path / "out.txt")
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "out.txt", part.name}
    assert (tmp_path / "mine.txt").read_bytes() == b"mine\n"


def test_what_somebody_else_put_there_is_not_taken_for_what_a_killed_process_left(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    for number, make in enumerate((os.mkdir, os.mkfifo, lambda path: os.symlink(other, path))):
        make(tmp_path / f".writing-~0123abc{number}-x")
    os.link(other, tmp_path / ".writing-~0123abcf-x")
    before = sorted(tmp_path.iterdir())
    remove_abandoned(tmp_path)
    remove_abandoned(tmp_path / "none")
    assert sorted(tmp_path.iterdir()) == before
