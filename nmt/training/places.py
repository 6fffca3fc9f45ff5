"""Where a model lies and where it works: all that can be asked before torch is imported."""

from pathlib import Path
from typing import Literal

from nmt.errors import ModelError

Device = Literal["auto", "cpu", "cuda"]


def model_folder(path: Path) -> Path:
    """The folder that holds the model: `path` itself, or the best (else the last) checkpoint of the run there."""
    options = (path, path / "checkpoints" / "best", path / "checkpoints" / "last", path / "best", path / "last")
    for folder in options:
        if (folder / "config.json").is_file():
            return folder
    found = f"a folder with {sorted(p.name for p in path.iterdir())[:8]}" if path.is_dir() else "no such folder"
    raise ModelError(
        f"model={path} must be a run folder (outputs/<run>) or a model folder (with config.json and model.safetensors "
        f"in it); found {found}."
    )
