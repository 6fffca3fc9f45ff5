"""A model folder from a stranger: it is refused in a sentence, or it works, and either way nothing in it is obeyed."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tiny_runs
from tests.commands import ROOT, build_environment
from tests.trust.conftest import RecordFigures
from tests.trust.hostile_folders import HARMLESS_CASES, REFUSED_CASES

HOME = "/home/whose-name-is-nobodys-business"

SECONDS, MEBIBYTES = 2.0, 500.0
"""The most processor time and memory that a refusal may take, beside what importing torch does."""

ALLOWED = {"os.mkdir": {"."}, "os.putenv": {"b'HYDRA_FULL_ERROR'"}}
"""Audit events of the command itself, as Hydra has them."""

Seen = dict[str, Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that is as it should be. To be copied only."""
    home = tmp_path_factory.mktemp("good")
    run = tiny_runs.build_run(tiny_runs.build_settings(home / "run"), home / "run")
    run.make_checkpoint_writer()(None)
    return (home / "run" / "checkpoints" / "last").resolve()


@pytest.fixture(scope="module")
def watched(good: Path) -> Iterator[Callable[[Path | str], Seen]]:
    """What nmt-translate does with a folder."""
    script = Path(__file__).with_name("audit_hook.py")
    command = [sys.executable, str(script), str(good)]
    surroundings = {**build_environment(), "HOME": HOME}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=surroundings, cwd=good.parent, text=True
    ) as running:
        asked, answered = running.stdin, running.stdout
        assert asked is not None
        assert answered is not None

        def ask(case: Path | str) -> Seen:
            asked.write(f"{case}\n")
            asked.flush()
            return dict(json.loads(answered.readline()))

        yield ask
        asked.close()


def faults(seen: Seen, folder: Path, status: int, seconds: float = SECONDS, mebibytes: float = MEBIBYTES) -> list[str]:
    """What a case did that no case may do."""
    if "events" not in seen:
        return [f"came to no end: wait status {-seen['status']}"]
    found = [f"did {event}" for event in seen["events"] if not allowed(*event, folder=folder)]
    found += [f"read ${name}" for name in seen["asked"] if name == "HOME"]
    found += ["told $HOME"] * (HOME in seen["said"])
    found += [f"took {seen['seconds']:.1f} s"] * (seen["seconds"] > seconds)
    found += [f"took {seen['mebibytes']:.0f} MiB"] * (seen["mebibytes"] > mebibytes)
    found += [f"left with {seen['status']}: {seen['said']}"] * (seen["status"] != status)
    return found


def allowed(event: str, subject: str = "", *, folder: Path) -> bool:
    """Whether the command may do this for a model in `folder`: read there, and in the configs of this program."""
    if event == "open":
        path = os.path.normpath(subject)
        within = path.startswith((f"{folder}/", f"{ROOT}/configs/")) or "/site-packages/hydra/conf/" in path
        return within or path == "/dev/null"
    if event in ("os.listdir", "os.scandir"):
        return subject == str(folder)
    return subject in ALLOWED.get(event, ())


def sentence(text: str) -> bool:
    """Whether a message is one line, of bearable length, that ends as a sentence does and leaves the terminal alone."""
    (*lines, last) = text.split("\n")
    return len(lines) == 1 and last == "" and len(text) < 1500 and lines[0].isprintable() and lines[0][-1] in ".?)\"'"


def thinned(cases: Iterable[str]) -> list[Any]:
    """Every third case for each day, the others with -m slow."""
    return [pytest.param(case, marks=[pytest.mark.slow] if place % 3 else []) for place, case in enumerate(cases)]


@pytest.mark.parametrize("case", thinned(REFUSED_CASES))
def test_a_hostile_folder_is_refused_in_a_sentence(
    case: str, good: Path, watched: Callable[[Path | str], Seen], tmp_path: Path, measured: RecordFigures
) -> None:
    change, named = REFUSED_CASES[case]
    folder = tmp_path / "model"
    shutil.copytree(good, folder)
    (folder / "MANIFEST.json").unlink()  # a stranger would leave it out
    change(folder)
    seen = watched(folder)
    assert faults(seen, folder, status=2) == []
    assert sentence(seen["said"]), seen["said"]
    assert str(folder) in seen["said"]
    assert named in seen["said"]
    assert not (tmp_path / "trace").exists()
    found = {"folders refused": 1, "most seconds of CPU time": seen["seconds"], "most MiB": seen["mebibytes"]}
    measured("9 hostile folders", found)


@pytest.mark.parametrize("case", thinned(HARMLESS_CASES))
def test_what_lies_beside_a_model_is_not_looked_at(
    case: str, good: Path, watched: Callable[[Path | str], Seen], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(good, folder)
    (folder / "MANIFEST.json").unlink()  # a stranger would leave it out
    HARMLESS_CASES[case](folder)
    seen = watched(folder)
    assert faults(seen, folder, status=0) == []
    assert seen["said"] == ""
    assert not (tmp_path / "trace").exists()


BAD = {
    "opens": "did ['open'",
    "environment": "read $HOME",
    "unpickles": "did ['pickle.find_class'",
    "executes": "did ['exec'",
    "imports": "did ['exec', '<code object <module>",
    "starts": "did ['subprocess.Popen'",
    "connects": "did ['socket.connect'",
    "lingers": "took 0.",
    "takes": "took 1",
    "dies": "came to no end",
    "breaks": "Traceback",
}


@pytest.mark.parametrize("control", BAD)
def test_the_watcher_sees_what_no_folder_may_do(
    control: str, watched: Callable[[Path | str], Seen], tmp_path: Path
) -> None:
    found = faults(watched(control), tmp_path, status=0, seconds=0.2, mebibytes=64)
    assert re.search(re.escape(BAD[control]), "\n".join(found)), found


def test_the_traps_would_spring(tmp_path: Path) -> None:
    import pickle

    REFUSED_CASES["a pickle as config"][0](tmp_path)
    pickle.loads((tmp_path / "config.json").read_bytes())
    assert (tmp_path.parent / "trace").is_dir()
    (tmp_path.parent / "trace").rmdir()
