"""Where the program's own files are."""

from pathlib import Path

import nmt


def find_config_folder() -> str:
    """The absolute path of the folder of configurations, for Hydra's `config_path`.

    Once installed it lies inside the package, in a checkout beside it. It is found by the path of the package that
    runs, so that a checkout never composes the configurations of another copy that happens to be installed.
    """
    package = Path(nmt.__file__).resolve().parent
    inside = package / "configs"
    return str(inside if inside.is_dir() else package.parent / "configs")
