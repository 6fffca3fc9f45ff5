"""The files of a run folder that say whose it is, and which settings may differ: all that is known before torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt.config import format_value
from nmt.errors import CheckpointError, ConfigError
from nmt.evaluation.bleu_tokens import resolve_tokenizer
from nmt.renames import rename_settings
from nmt.storage.distinct_paths import Paths, list_paths
from nmt.storage.json_files import check_kinds, read_json
from nmt.storage.yaml_files import find_repeated_keys, parse_yaml

CONFIG = "config.yaml"
RUN = "run.json"
SCORES = "scores.json"
REPORT = "report.html"
CHECKPOINTS = "checkpoints"
FIGURES = "figures"
LOG = "train.log"
METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"
EXPLANATIONS = "explanations.json"

RUN_FILES = (
    *(CONFIG, RUN, LOG, SCORES, METRICS, REPORT, FIGURES, CHECKPOINTS, EXPLANATIONS),
    *(f"{split}.{kind}.txt" for split in ("test", "validation") for kind in ("source", "hypotheses", "references")),
)
"""What a run writes, and so what it must not find in a folder that is not its own."""

UNFINISHED_FILES = tuple(name for name in RUN_FILES if name not in (FIGURES, CHECKPOINTS))
"""What a run that was killed may have left half written in its folder."""

FORMAT = 1
"""Of a run folder. A folder whose run.json has no format is none of ours."""

COSMETIC_SETTINGS = (
    *("from", "training.keep", "training.log_every", "output", "cache", "resume"),
    *("device", "threads", "kernels", "preparation"),
)
"""Settings that shape neither weights nor scores."""

NULL_MEANINGS = {"training.validation.every_epochs": 1}
"""What null means, where a setting has a value that means the same: runs of earlier versions have that one."""

AUTOMATIC_SETTINGS = {"tokenizer.vocab_size": "auto", "tokenizer.learn_from": "auto", "schedule.steps": None}
"""Settings with a value that leaves the choice to the program. A run that began with another choice keeps it."""

ADDED_SETTINGS = {
    "probes.maps": False,
    "attention.history.name": "none",
    "attention.scope.scaled": False,
    "attention.selection.name": "expected",
    "attention.selection.baseline": "batch",
    "attention.selection.goes_on": "selected",
    "attention.selection.soft": 0.0,
    "attention.selection.weight": 1.0,
    "data.links": None,
    "data.test_length": None,
    "data.names": None,
    "model.decoder.self_attention.scope.name": "global",
    "model.decoder.aligned_layer": None,
    **{
        f"model.{side}.{name}": value
        for side in ("encoder", "decoder")
        for name, value in {
            "norm": "pre",
            "attention_dropout": 0.0,
            "activation_dropout": None,
            "positions.name": "sinusoidal",
        }.items()
    },
    "tokenizer.learn_from": 2_000_000,
    "filters.drop": [],
    "filters.source_script": None,
    "filters.target_script": None,
    "filters.script_share": 0.5,
    "model.head.name": "softmax",
    "model.source.name": "tokens",
    "kernels": "auto",
    "measures.faithfulness": False,
    "measures.sentences": 200,
    "measures.words": 2,
    "measures.permutations": 100,
    "training.alignment_losses.coverage": 0.0,
    "training.alignment_losses.doubly_stochastic": 0.0,
    "training.alignment_losses.entropy": 0.0,
    "training.alignment_losses.guided": 0.0,
}
"""Settings that runs of earlier versions did not write, and what they did."""

RESUMABLE_SETTINGS = ("training.stop", "search", "measures", *COSMETIC_SETTINGS)
"""Settings that may change when a run is resumed; all others shape its weights."""


def is_run_folder(folder: Path) -> bool:
    """Whether a run of this program made the folder: its run.json says so, and is the first file that a run writes."""
    try:
        about = read_json(folder / RUN)
    except CheckpointError:
        return False
    return isinstance(about, dict) and about.get("format") == FORMAT


def check_outside_runs(outputs: Mapping[str, Paths]) -> None:
    """Raises ConfigError where an output, by whatever link, is what a run writes in its folder, or lies in it; all are
    paths by the settings that name them. Other names in the folder of a run are free."""
    for output in list_paths(outputs):
        place = Path(output.real)
        for parent in place.parents:
            if (name := place.relative_to(parent).parts[0]) in (*RUN_FILES, TENSORBOARD) and is_run_folder(parent):
                raise ConfigError(
                    f"{output.setting}={output.path} would take the place of what the run in {parent} wrote or writes "
                    f"to its {name}. Choose another name or folder."
                )


def read_settings(config: Path) -> dict[str, Any]:
    """What a run's config.yaml holds, unchecked, with today's names. Raises CheckpointError where it cannot be read."""
    try:
        node, found = parse_yaml(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise CheckpointError(f"{config}, which holds the settings of the run, cannot be read: {problem}.") from problem
    if repeated_keys := list(find_repeated_keys(node)):
        raise CheckpointError(*(f"{config}: {problem}" for problem in repeated_keys))
    if not isinstance(found, dict):
        raise CheckpointError(f"{config} holds no settings. Put back what the run wrote, or choose another output=...")
    try:
        return rename_settings(found)
    except ConfigError as problem:
        raise CheckpointError(*(f"{config}: {line}" for line in problem.args)) from None


def is_finished(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a folder holds the scores of a run with these settings; what shapes neither may differ."""
    config = folder / CONFIG
    check_kinds(folder, RUN_FILES, folders=(FIGURES, CHECKPOINTS))
    if not (folder / SCORES).exists() or not config.exists():
        return False
    return not find_changed_settings(read_settings(config), settings, free=COSMETIC_SETTINGS)


def find_changed_settings(
    before: Mapping[str, Any], now: Mapping[str, Any], free: Sequence[str] = RESUMABLE_SETTINGS
) -> list[str]:
    """The settings that differ and are not free to, one line each; those that shape weights, unless said otherwise."""
    old, new = _normalize(before), _normalize(now)
    return [
        f"{key}: was {_format_setting(old.get(key, 'absent'))}, now {_format_setting(new.get(key, 'absent'))}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
        and not (key in old and key in AUTOMATIC_SETTINGS and new.get(key, "absent") == AUTOMATIC_SETTINGS[key])
        and not any(key == name or key.startswith(f"{name}.") for name in free)
    ]


def _normalize(settings: Mapping[str, Any]) -> dict[str, Any]:
    written = {**ADDED_SETTINGS, **flatten(settings)}
    found = {key: NULL_MEANINGS.get(key) if value is None else value for key, value in written.items()}
    return {**found, "bleu.tokenize": resolve_tokenizer(settings)}  # what auto comes to


def _format_setting(value: Any) -> str:
    return value if isinstance(value, str) else format_value(value)


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level of dotted keys."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flatten(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
