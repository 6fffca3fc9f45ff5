"""Where answers go."""

import os
import sys
from pathlib import Path

import pytest

from nmt.cli.application import run_command
from nmt.inference.streams import is_special, open_writer, use_standard_output


def test_a_dash_is_standard_output() -> None:
    assert use_standard_output({"output": "-", "input": "-"}) == {"output": None, "input": "-"}
    assert use_standard_output({"output": "./-"}) == {"output": "./-"}


def test_what_is_no_file_is_written_as_it_comes(tmp_path: Path) -> None:
    read, write = os.pipe()
    name = f"/dev/fd/{write}"
    if not Path(name).exists():
        pytest.skip("this system has no /dev/fd")
    assert is_special(name)
    with open_writer(name) as put:
        put(["one", "two"])
        assert os.read(read, 100) == b"one\ntwo\n"
    os.close(read)
    os.close(write)
    assert is_special("/dev/null")
    assert not is_special(str(tmp_path / "new"))
    regular = tmp_path / "old"
    regular.touch()
    assert not is_special(str(regular))


@pytest.mark.parametrize("command", ["translate", "align", "score"])
def test_every_command_with_an_output_takes_a_dash(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for the name of a file: the answer is about what else is missing, and no file is made."""
    monkeypatch.setattr(sys, "argv", [f"nmt-{command}", "model=nosuch", "output=-"])
    module = __import__(f"nmt.cli.{command}", fromlist=["run_task"])
    seen: list[object] = []
    monkeypatch.setattr(module.config, "check", lambda composed, schema: seen.append(composed["output"]) or sys.exit(0))
    with pytest.raises(SystemExit):
        run_command(command, module.run_task, aliases=module.MODEL_ALIASES)
    assert seen == [None]
