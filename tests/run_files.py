"""What a run leaves, and how two such differ: laws of resuming are equalities of these."""

from pathlib import Path
from typing import Any

from nmt.storage.files import load_tensors, read_json
from nmt.training.metrics_logger import read_rows

TIMES = {"minutes", "tokens_per_second", "seconds"}


def read_run_files(folder: Path) -> dict[str, Any]:
    """What a run leaves, to the byte, apart from times: the last checkpoint and all metrics, and what they rest on."""
    last = folder / "checkpoints" / "last"
    found: dict[str, Any] = {name: (last / name).read_bytes() for name in ("model.safetensors", "state.safetensors")}
    found["tensors"] = sorted(load_tensors(last / "state.safetensors"))
    found["state.json"] = drop_times(read_json(last / "state.json"))
    found["metrics"] = [drop_times(row) for row in read_rows(folder / "metrics.jsonl")]
    found["steps"] = sorted(path.name for path in folder.glob("checkpoints/step-*"))
    found |= {path.name: path.read_bytes() for path in folder.glob("test.*.txt")}
    for path in sorted(folder.glob("checkpoints/step-*/*")):
        if path.name in {"validation.json", "hypotheses.txt"}:
            found[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    return found


def drop_times(value: Any) -> Any:
    """A value of JSON without what is a time."""
    if isinstance(value, dict):
        return {key: drop_times(below) for key, below in value.items() if key not in TIMES}
    return value


def find_differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of what differs."""
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
