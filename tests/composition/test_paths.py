"""The configurations are found from a checkout and from an installed package, whatever the current directory."""

import subprocess
import sys
from pathlib import Path

import nmt
from nmt.composition import paths

ASK = "from nmt.composition.paths import find_config_folder; print(find_config_folder())"


def find_in_interpreter(root: Path, directory: Path) -> Path:
    """What `configs` says in a fresh interpreter that finds `nmt` in `root` and runs in `directory`."""
    code = f"import sys; sys.path.insert(0, {str(root)!r}); {ASK}"
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def copy_package(root: Path) -> None:
    """As much of the package as `configs` needs."""
    for part in ("__init__.py", "composition/__init__.py", "composition/paths.py"):
        (root / "nmt" / part).parent.mkdir(parents=True, exist_ok=True)
        (root / "nmt" / part).write_text((Path(nmt.__file__).parent / part).read_text())


def test_beside_the_package_in_a_checkout() -> None:
    assert Path(paths.find_config_folder()) == Path(__file__).resolve().parents[2] / "configs"


def test_beside_a_copy_even_if_another_is_installed(tmp_path: Path) -> None:
    copy_package(tmp_path / "checkout")
    (tmp_path / "checkout/configs").mkdir()
    assert find_in_interpreter(tmp_path / "checkout", tmp_path) == tmp_path / "checkout/configs"


def test_inside_the_package_when_installed_even_if_another_configs_lies_beside_it(tmp_path: Path) -> None:
    copy_package(tmp_path / "site")
    (tmp_path / "site/nmt/configs").mkdir()
    (tmp_path / "site/configs").mkdir()
    assert find_in_interpreter(tmp_path / "site", tmp_path / "site") == tmp_path / "site/nmt/configs"
