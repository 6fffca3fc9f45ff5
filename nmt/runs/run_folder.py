"""A run on disk: its log, its config, how it came about, and what its checkpoints hold beside the model."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import nmt
from nmt.errors import CheckpointError
from nmt.evaluation.validation import ValidationResult
from nmt.ranks import ALONE, Ranks
from nmt.runs.heatmaps import save_heatmaps
from nmt.runs.run_files import (
    CHECKPOINTS,
    CONFIG,
    EXPLANATIONS,
    FIGURES,
    FORMAT,
    REPORT,
    RESUMABLE_SETTINGS,
    RUN,
    RUN_FILES,
    SCORES,
    TENSORBOARD,
    UNFINISHED_FILES,
    find_changed_settings,
    flatten,
    is_finished,
    is_run_folder,
    read_settings,
)
from nmt.storage.checkpoints import Checkpoints
from nmt.storage.distinct_paths import check_distinct
from nmt.storage.files import (
    check_kinds,
    explain_disk_errors,
    format_json,
    read_json,
    remove_unfinished,
    write_atomically,
    write_json,
)
from nmt.storage.yaml_files import format_yaml
from nmt.training.state import TrainingState, gather_rng_states

__all__ = [
    "CHECKPOINTS",
    "CONFIG",
    "EXPLANATIONS",
    "FIGURES",
    "FORMAT",
    "REPORT",
    "RUN",
    "SCORES",
    "find_changed_settings",
    "flatten",
    "is_finished",
    "is_run_folder",
    "read_settings",
]
"""What is found here as well, though it is written where torch is not needed."""


def initialize(folder: Path, settings: Mapping[str, Any], command: str) -> None:
    """Makes the run folder, or makes sure that the run in it is this one, which from now on is not finished.

    What says whose the folder is comes first. Raises CheckpointError as `check` does.
    """
    check(folder, settings)
    with explain_disk_errors("begin a run in", folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder, UNFINISHED_FILES)
        remove_unfinished(folder / FIGURES)
        if not is_run_folder(folder):
            write_run_json(folder, settings, command, {})
        (folder / SCORES).unlink(missing_ok=True)
        write_atomically(folder / CONFIG, format_yaml(dict(settings)))


def check(folder: Path, settings: Mapping[str, Any]) -> None:
    """Whether a run with these settings may write to a folder. Reads only.

    Raises CheckpointError if it holds a run with other settings, or any run where `resume` is never, or files of the
    names that a run writes, but that none has written, and where it is a file, or would lie in one; ConfigError where
    the run would write over its own text.
    """
    there = next((place for place in (folder, *folder.parents) if os.path.exists(place)), None)
    if there is not None and not there.is_dir():
        raise CheckpointError(f"{folder} cannot be a run folder: {there} is a file. Choose another output=...")
    check_kinds(folder, (RUN, TENSORBOARD), folders=(TENSORBOARD,))
    if not is_run_folder(folder):
        if found := [name for name in RUN_FILES if os.path.lexists(folder / name)]:
            raise CheckpointError(
                f"{folder} is no run folder, yet holds {', '.join(found)}, which a run would overwrite. Choose another "
                "output=..., or move these away."
            )
        return
    check_kinds(folder, RUN_FILES, folders=(FIGURES, CHECKPOINTS))
    check_distinct(list_input_files(settings), {"output": [folder / name for name in RUN_FILES]})
    config = folder / CONFIG
    begun = (folder / CHECKPOINTS).is_dir() and config.exists()
    if begun and settings["resume"] == "never":
        raise CheckpointError(
            f"{folder} already holds a run, and resume=never. Choose another output, or resume=auto to go on with it."
        )
    before = read_settings(config) if begun else settings
    if changed := find_changed_settings(
        before, settings, RESUMABLE_SETTINGS if "bleu" in before else (*RESUMABLE_SETTINGS, "bleu")
    ):  # version 0.1 had no bleu
        raise CheckpointError(
            f"{folder} holds a run with other settings, which cannot go on with these:",
            *(f"  {line}" for line in changed),
            "Choose another output=..., or give the settings that the run began with. To train its model further "
            f"with other settings or text: from={folder} init={folder} and another output=...",
        )


def list_input_files(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a run may read, by setting: every text in the settings of data and tokenizer, some of which name files."""
    given = flatten({name: settings.get(name, {}) for name in ("data", "tokenizer")})
    return {key: [value] for key, value in given.items() if isinstance(value, str)}


def write_run_json(folder: Path, settings: Mapping[str, Any], command: str, facts: Mapping[str, Any]) -> None:
    """Writes run.json: command, versions, commit, device, seed, what the run has cost, and what else is known."""
    packages = ("torch", "sentencepiece", "datasets", "sacrebleu", "hydra-core", "safetensors")
    about = {
        "format": FORMAT,
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "versions": {"nmt": nmt.__version__, **{name: find_version(name) for name in packages}},
        "commit": find_commit(),
        "seed": settings["seed"],
        "costs": read_costs(folder),
        **facts,
    }
    write_atomically(folder / RUN, format_json(about))


def read_costs(folder: Path) -> dict[str, float]:
    """What a run has cost in all its processes, by name; nothing where none was written down."""
    if not is_run_folder(folder):
        return {}
    found: dict[str, float] = read_json(folder / RUN).get("costs", {})
    return found


def record_costs(folder: Path, *, memory_mib: float | None, sentences_per_second: float | None = None) -> None:
    """Adds to run.json what this process took: its memory, if no earlier one took more, and how fast it translated.

    Raises CheckpointError if it cannot be read or written.
    """
    found = read_costs(folder)
    if memory_mib is not None:
        found["memory_mib"] = max(memory_mib, found.get("memory_mib", 0.0))
    if sentences_per_second is not None:
        found["sentences_per_second"] = sentences_per_second
    write_atomically(folder / RUN, format_json({**read_json(folder / RUN), "costs": found}))


def find_version(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def find_commit() -> str | None:
    """The commit of the checkout that runs, if it is one."""
    process = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return process.stdout.strip() or None


def make_checkpoint_writer(
    checkpoints: Checkpoints,
    state: TrainingState,
    model_files: Mapping[str, bytes],
    compute_score: Callable[[ValidationResult], float],
    on_heatmap: Callable[[], object],
    ranks: Ranks = ALONE,
) -> Callable[[ValidationResult | None], None]:
    """A function that writes a checkpoint: model folder, training state, and what a validation found.

    `on_heatmap` is called before every picture, and may raise to leave all as it was. ranks: the processes that train
    together, all of which must call the function; the first of them writes.
    """

    def save(report: ValidationResult | None) -> None:
        random = gather_rng_states(ranks)
        ranks.work_on_first(lambda: write(report, random))

    def write(report: ValidationResult | None, random: Mapping[str, Tensor]) -> None:
        step = state.progress.step + (
            state.final_weights is not None
        )  # an average comes after the last step of training
        with checkpoints.write(step, compute_score(report) if report else None) as folder:
            state.save(folder, random)
            for name, content in model_files.items():
                (folder / name).write_bytes(content)
            if report:
                write_validation(folder, report, step, on_heatmap)

    return save


def write_validation(folder: Path, report: ValidationResult, step: int, on_heatmap: Callable[[], object]) -> None:
    """Validation scores with their signatures, the hypotheses, and the pictures of the probes."""
    scores = {score.name: {"value": score.value, "signature": score.signature} for score in report.scores.values()}
    values = replace_infinite(report.values | report.measures)
    write_json(folder / "validation.json", {"step": step, "values": values, "scores": scores})
    (folder / "hypotheses.txt").write_text("".join(f"{line}\n" for line in report.hypotheses), encoding="utf-8")
    if report.probe_records:
        save_heatmaps(folder / "alignments", report.probe_records, report.maps, step=step, on_heatmap=on_heatmap)


def replace_infinite(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no infinity: what is not finite becomes null."""
    return {name: value if abs(value) < float("inf") else None for name, value in values.items()}


def read_explanations(folder: Path) -> list[dict[str, Any]]:
    """The sentences whose translations were explained, as the report's page takes them; none where none were."""
    path = folder / EXPLANATIONS
    found: list[dict[str, Any]] = read_json(path)["sentences"] if path.exists() else []
    return found


PROBE_KEYS = ("source", "reference", "gold", "picture")
"""What is the same of a probe at every checkpoint."""


def read_probes(folder: Path) -> list[dict[str, Any]]:
    """The probe sentences with a frame for every checkpoint that drew them, as the report's page takes them."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("checkpoints/step-*/alignments/*[0-9].json")):
        record = read_json(path)
        probe = found.setdefault(path.stem, {key: record.get(key) for key in PROBE_KEYS})
        frame = {key: record.get(key) for key in ("step", "target", "weights", "forced", "polygon")}
        probe.setdefault("frames", []).append(frame)
    for probe in found.values():
        probe["frames"].sort(key=lambda frame: frame["step"])
    return list(found.values())


def read_memories(folder: Path) -> list[dict[str, Any]]:
    """The maps of the probe sentences at the last checkpoint that has them, of models with a memory machine; none for
    other models, and where `probes.maps` was off."""
    paths = sorted(folder.glob("checkpoints/step-*/alignments/*-maps.json"))
    last = [read_json(path) for path in paths if path.parent == paths[-1].parent]
    return [maps for maps in last if "read" in maps["maps"]]
