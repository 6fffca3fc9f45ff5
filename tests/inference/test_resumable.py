"""An interrupted translation goes on where it stopped, if it is the same one, and its output shows nothing of it."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from nmt.cli.translate import run_task
from nmt.errors import DataError
from nmt.inference.resumable import hash_model_folder, open_resumable
from nmt.translation.translator import BatchTranslator
from tests.commands import compose_command, read_lines, write_lines
from tests.trained import TrainedRun

JOB = {"model": "abc", "search": {"size": 5, "alpha": 0.6}}


def copy_lines(out: Path, text: list[str], job: dict[str, Any] = JOB, *, until: int | None = None) -> int:
    """Puts one line after another; is interrupted after line `until`. Returns how many were there before."""
    with open_resumable(str(out), job, lambda: iter(text)) as output:
        for number, line in enumerate(output.text, output.lines_done + 1):
            output.write([line], [f"<{line}>", "."])
            if number == until:
                raise KeyboardInterrupt
    return output.lines_done


def make_answers(text: list[str]) -> list[str]:
    return [answer for line in text for answer in (f"<{line}>", ".")]


@pytest.mark.parametrize(
    ("second", "job", "done"),
    [
        (list("abcde"), JOB, 3),
        (list("abcdefgh"), JOB, 3),  # what is new at the end was not read yet
        (list("abXde"), JOB, 0),
        (list("ab"), JOB, 0),
        (list("abcde"), JOB | {"model": "abd"}, 0),
    ],
)
def test_it_goes_on_if_it_is_the_same(second: list[str], job: dict[str, Any], done: int, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt):
        copy_lines(out, list("abcde"), until=3)
    assert not out.exists()
    assert copy_lines(out, second, job) == done
    assert read_lines(out) == make_answers(second)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("damage", ["note", "torn", "short"])
def test_what_a_kill_left_is_never_trusted_blindly(damage: str, tmp_path: Path) -> None:
    out, text = tmp_path / "out.txt", list("abcde")
    with pytest.raises(KeyboardInterrupt):
        copy_lines(out, text, until=3)
    written, note = tmp_path / ".writing-out.txt", tmp_path / ".writing-out.txt.json"
    if damage == "note":
        note.write_text("{", encoding="utf-8")
    elif damage == "torn":  # written, but not noted before the end
        written.write_bytes(written.read_bytes() + b"<d>\n.")
    else:
        written.write_bytes(written.read_bytes()[:-2])
    assert copy_lines(out, text) == (3 if damage == "torn" else 0)
    assert read_lines(out) == make_answers(text)


def test_only_one_command_writes_a_file(tmp_path: Path) -> None:
    out = str(tmp_path / "out.txt")
    with open_resumable(out, JOB, lambda: iter("ab")) as output:
        with pytest.raises(DataError, match="another command"), open_resumable(out, JOB, lambda: iter("ab")):
            pass
        output.write(["a"], ["A"])
    assert read_lines(tmp_path / "out.txt") == ["A"]


def test_an_interrupted_command_goes_on(trained: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_lines(tmp_path / "in.txt", *trained.text.source)
    given = ("translate", f"model={trained.folder}", f"input={source}", "chunk=3", "search.nbest=2", "format=nbest")
    run_task(compose_command(*given, f"output={tmp_path / 'whole.txt'}"))
    real, calls = BatchTranslator.translate_ids, iter(range(9))

    def interrupted(self: BatchTranslator, ids: Any, **rest: Any) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return real(self, ids, **rest)

    monkeypatch.setattr(BatchTranslator, "translate_ids", interrupted)
    out = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt):
        run_task(compose_command(*given, f"output={out}"))
    assert not out.exists()
    run_task(compose_command(*given, f"output={out}"))
    assert next(calls) == 4  # two chunks, the interruption, and what was left: one
    assert read_lines(out) == read_lines(tmp_path / "whole.txt")


def test_another_model_has_another_fingerprint(tmp_path: Path) -> None:
    def made(name: str, content: str) -> str:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return hash_model_folder(tmp_path)

    for name in ("config.json", "model.safetensors", "spm.model"):
        (tmp_path / name).write_text("{}")
    found = [made(name, text) for name in ("config.json", "model.safetensors", "spm.model") for text in ("1", "2")]
    assert len(set(found)) == len(found)
    assert made("validation.json", "scores") == found[-1]


def make_endless_lines() -> Iterator[str]:
    yield from map(str, iter(int, 1))


def test_input_is_read_as_it_is_needed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_resumable(str(tmp_path / "out.txt"), JOB, make_endless_lines) as output:
        output.write(list(islice(output.text, 2)), ["one", "two"])
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), open_resumable(str(tmp_path / "out.txt"), JOB, make_endless_lines) as output:
        assert output.lines_done == 2
        raise KeyboardInterrupt
