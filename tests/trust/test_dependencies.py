"""What is installed is what was tested: the pins, their hashes and the floors agree."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

FLOORS = {"torch": "2.10", "sentencepiece": "0.2.3", "hydra-core": "1.3.8", "datasets": "4.0"}
"""Older ones have known holes: weights_only in torch, tables in SentencePiece, names in Hydra, scripts in datasets."""

FEW = 13
"""Direct dependencies, which README explains one by one."""


def locked(text: str) -> dict[str, tuple[Requirement, list[str]]]:
    """The requirements of a lock file with their hashes, by name."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", text))
    found = {}
    for line in filter(None, joined.split("\n")):
        words, *hashes = line.split(" --hash=")
        requirement = Requirement(words)
        found[canonicalize_name(requirement.name)] = (requirement, [hashed.strip() for hashed in hashes])
    return found


def constraints() -> dict[str, str]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pairs = [line.split("==") for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


LOCKED = locked((ROOT / "requirements.lock").read_text(encoding="utf-8"))


def unlocked(lock: dict[str, tuple[Requirement, list[str]]]) -> set[str]:
    """What a lock leaves open: no hash, no one version, or from elsewhere than an index."""
    return {
        name
        for name, (requirement, hashes) in lock.items()
        if not hashes
        or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", hashed) for hashed in hashes)
        or not re.fullmatch(r"==[\w.]+", str(requirement.specifier))
        or requirement.url
    }


def test_every_locked_version_has_its_hashes() -> None:
    assert len(LOCKED) > 50
    assert unlocked(LOCKED) == set()


def test_a_lock_that_leaves_something_open_is_seen() -> None:
    good = "a==1 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    assert unlocked(locked(good)) == set()
    for bad in (
        "a==1\n",
        good.replace("==", ">="),
        good.replace("sha256", "md5"),
        good.replace("==1", " @ http://x/y"),
    ):
        assert unlocked(locked(bad)) == {"a"}


def test_lock_and_constraints_have_the_same_versions() -> None:
    pins = constraints()
    here = {name: str(found.specifier)[2:] for name, (found, _) in LOCKED.items() if not found.marker}
    assert {name: pins.get(name) for name in here} == here
    # PyTorch comes from an index of its own, what Linux needs not is behind a marker, and what drives a browser or a
    # cluster is for those who ask for it.
    assert pins.keys() - LOCKED.keys() == {"torch", "playwright", "greenlet", "submitit"}


@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])
def test_lock_and_pyproject_agree(text: str) -> None:
    wanted = Requirement(text)
    name = canonicalize_name(wanted.name)
    if name not in (PROJECT["name"], "torch"):
        assert wanted.specifier.contains(str(LOCKED[name][0].specifier)[2:])


@pytest.mark.parametrize("name", FLOORS)
def test_no_version_with_a_known_hole_is_asked_for(name: str) -> None:
    (wanted,) = [r for r in map(Requirement, PROJECT["dependencies"]) if r.name == name]
    floors = [s.version for s in wanted.specifier if s.operator == ">="]
    assert floors
    assert SpecifierSet(f">={FLOORS[name]}").contains(floors[0])


def test_dependencies_are_few_and_explained() -> None:
    assert len(PROJECT["dependencies"]) <= FEW
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("## Dependencies") :]
    assert [name for name in (Requirement(text).name for text in PROJECT["dependencies"]) if name not in table] == []


def test_make_install_checks_the_hashes() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--require-hashes --no-build-isolation -r requirements.lock" in makefile
