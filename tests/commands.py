"""Ways to run a command: its task in this process, or all of it in one of its own."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from nmt.composition.overrides import MODEL_ALIASES, expand_alias
from nmt.composition.paths import find_config_folder
from nmt.composition.spelling import use_new_names

ROOT = Path(__file__).resolve().parents[1]

CRASHING_TRAIN = """
import sys
if "attention=bahdanau" in sys.argv:
    def buried():
        raise RuntimeError("the model fell over")
    buried()
open({noted!r}, "a").write(" ".join(sys.argv) + "\\n")
sys.exit("no scores either")
"""
"""In place of nmt-train: one attention ends in a traceback, the others note their words and end as failed."""


def compose_command(command: str, *words: str) -> dict[str, Any]:
    """What a command's task is given for these words of its command line."""
    aliases = {} if command in ("train", "compare") else MODEL_ALIASES
    expanded = [expand_alias(word, aliases) for word in use_new_names(words)]
    with initialize_config_dir(find_config_folder(), version_base="1.3"):
        plain = OmegaConf.to_container(compose(command, expanded), resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def build_command_line(command: str, *given: str) -> list[str]:
    """The command line of a command."""
    return [sys.executable, "-m", f"nmt.cli.{command}", *given]


def build_environment() -> dict[str, str]:
    """One thread, and this checkout's package whatever the current directory."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run_process(
    command: str, *arguments: str, text: bytes = b"", folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The command run to its end on `text`, in `folder`."""
    return subprocess.run(
        build_command_line(command, *arguments),
        input=text,
        capture_output=True,
        cwd=folder,
        env=build_environment(),
        check=False,
    )


class Answer(NamedTuple):
    """What a command that ran in this process left: its exit status, what it printed, and what it complained of."""

    status: object
    out: str
    err: str


def call_main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, *words: str) -> Answer:
    """The whole command in this process, where nothing about the process is asked."""
    monkeypatch.setattr(sys, "argv", [f"nmt-{command}", *words])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    status: object = 0
    try:
        importlib.import_module(f"nmt.cli.{command}").main()
    except SystemExit as ended:
        status = ended.code
    finally:
        GlobalHydra.instance().clear()
    printed = capsys.readouterr()
    return Answer(status or 0, printed.out, printed.err)


def write_lines(path: Path, *lines: str) -> Path:
    """A file of these lines."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def read_lines(path: Path) -> list[str]:
    """The lines of a file; only a newline ends one."""
    text = path.read_bytes().decode()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]
