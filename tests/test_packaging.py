"""What pyproject.toml, constraints.txt, the scripts and the YAML files promise is there."""

import ast
import re
import tomllib
from itertools import chain
from pathlib import Path

import jaxtyping
import pytest
import torch
import yaml
from packaging.requirements import Requirement

from nmt import masks

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMMANDS: dict[str, str] = PROJECT["project"]["scripts"]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {plain(name): version for name, version in pairs}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_lead_to_a_main(command: str) -> None:
    module, function = COMMANDS[command].split(":")
    path = ROOT / f"{module.replace('.', '/')}.py"
    assert path.is_file()
    defined = {
        node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
    }
    assert function in defined


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_door_for_a_bare_checkout(command: str) -> None:
    module = COMMANDS[command].split(":")[0]
    door = ROOT / "scripts" / f"{command.removeprefix('nmt-')}.py"
    assert f"from {module} import main" in door.read_text(encoding="utf-8")


def test_every_folder_of_code_is_packaged() -> None:
    folders = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in (ROOT / "nmt").rglob("*.py")}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == folders | {"nmt.configs"}


def test_every_file_that_is_no_code_is_packaged() -> None:
    patterns: dict[str, list[str]] = PROJECT["tool"]["setuptools"]["package-data"]
    for path in (ROOT / "nmt").rglob("*"):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            package = path.parent.relative_to(ROOT).as_posix().replace("/", ".")
            assert any(path.match(pattern) for pattern in patterns.get(package, [])), f"{path} is in no wheel"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_config_is_yaml_and_runs_nothing_by_name(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert isinstance(yaml.safe_load(text), dict | None)
    assert "_target_" not in text


@pytest.mark.parametrize("text", [*PROJECT["project"]["dependencies"], *chain(*EXTRAS.values())])
def test_every_dependency_is_pinned_within_its_range(text: str) -> None:
    wanted = Requirement(text)
    if plain(wanted.name) == plain(PROJECT["project"]["name"]):
        assert wanted.extras <= EXTRAS.keys()
    else:
        assert wanted.specifier.contains(pins()[plain(wanted.name)])


def test_no_line_that_installs_names_what_is_somebody_elses_on_the_index() -> None:
    folders = ("nmt", "configs", "docs", "tests", "outputs")
    files = [*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.*"))]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix in {".py", ".yaml", ".md"}}
    lines = {path: re.findall(r"pip install[^\n`]*", text) for path, text in texts.items()}
    assert any(lines.values())
    assert not [(path, line) for path in lines for line in lines[path] if re.search(r"""[ '"]nmt(\[|['" ]|$)""", line)]


def test_pins_name_no_build_of_one_machine() -> None:
    assert not [version for version in pins().values() if "+" in version or "@" in version]


def test_the_tests_check_shapes() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        masks.mask(torch.ones(2, 3, dtype=torch.long), 5)
