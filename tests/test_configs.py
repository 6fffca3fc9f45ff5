"""The tree of YAML files, the tables and the classes mirror one another, and all that is offered can be built."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from nmt import build, config
from nmt.comparison.launchers import LAUNCHER
from nmt.composition.paths import find_config_folder
from nmt.config import MISSING, Variants
from nmt.data.batching import BatchSettings
from nmt.data.filters import Filters
from nmt.evaluation.bleu_tokens import BleuSettings
from nmt.evaluation.extraction import EXTRACTIONS
from nmt.evaluation.faithfulness import Measures
from nmt.evaluation.probes import Probes
from nmt.runs.run_folder import flatten
from nmt.training.settings import Training
from tests import tiny_runs
from tests.builders import cover_pairs, mark_slow_unless

ROOT = Path(find_config_folder())
AXES: dict[str, Variants] = {
    "data": build.DATA,
    "tokenizer": build.TOKENIZER,
    "model/encoder": build.ENCODER,
    "model/decoder": build.DECODER,
    "model/bridge": build.BRIDGE,
    "attention/score": build.SCORE,
    "attention/scope": build.SCOPE,
    "attention/normalizer": build.NORMALIZER,
    "attention/history": build.HISTORY,
    "attention/selection": build.SELECTION,
    "model/head": build.HEAD,
    "model/source": build.SOURCE,
    "optimizer": build.OPTIMIZER,
    "schedule": build.SCHEDULE,
    "average": build.AVERAGE,
    "search": build.SEARCH,
    "shortlist": build.SHORTLIST,
    "extract": EXTRACTIONS,
    "launcher": LAUNCHER,
}
GROUPS = {"attention", "model", "experiment", "debug", "comparison"}
"""Folders whose own files choose on several axes at once; those of comparisons are tested in cli/test_named.py."""
LEAVES = [f"{axis}/{path.stem}" for axis in AXES for path in sorted((ROOT / axis).glob("*.yaml"))]
BUILT = [leaf for leaf in LEAVES if not leaf.startswith(("extract/", "shortlist/", "launcher/"))]
PRESETS = [f"attention={path.stem}" for path in sorted((ROOT / "attention").glob("*.yaml"))]
RECIPES = [
    f"{group}={path.stem}" for group in ("experiment", "debug") for path in sorted((ROOT / group).glob("*.yaml"))
]

OTHERWISE = {
    "model/source/pixels": {"block"},
    "attention/scope/local_p": {"scaled"},
    "model/encoder/lstm": {"dropout"},
    "model/encoder/gru": {"dropout", "cell"},
    "model/decoder/luong": {"dropout"},
    "model/decoder/bahdanau": {"dropout"},
    "model/decoder/conditional": {"dropout"},
    "model/decoder/ntm": {"dropout"},
    "model/encoder/transformer": {"dropout", "positions", "self_attention"},
    "model/encoder/cascade": {"dropout", "block_dropout", "self_attention"},
    "model/decoder/transformer": {"dropout", "positions", "self_attention"},
    "model/encoder/snail": {"dropout", "self_attention"},
    "model/encoder/snail_cosine": {"dropout", "self_attention"},
    "model/decoder/snail": {"dropout", "self_attention"},
    "data/retrieval": {"symbols", "shortest", "longest", "train", "validation", "test"},
    "schedule/cosine": {"warmup_steps"},
    "schedule/inverse_sqrt": {"warmup_steps"},
}
"""Where a file differs from its class, which alone drops and warms up nothing; what stands for another setting, as a
size that no class knows alone, is not compared."""


SEQUENCE_ENCODERS = ("transformer", "embedding", "snail", "snail_cosine")
COMPANIONS = {f"model/encoder/{name}": ("model/bridge=mean",) for name in SEQUENCE_ENCODERS}
COMPANIONS["data/mix"] = ("++data.corpora.a.name=synthetic",)
COMPANIONS["model/head/pointer"] = ("tokenizer=numbers",)
COMPANIONS["model/source/vectors"] = ("model.source.features=8",)
COMPANIONS["model/head/bernoulli"] = ("model.tied=none", "tokenizer=numbers")
"""What a leaf needs beside it, as the error without it says."""


def read(leaf: str) -> dict[str, Any]:
    found = yaml.safe_load((ROOT / f"{leaf}.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def variants(leaf: str) -> Variants:
    return AXES[leaf.rpartition("/")[0]]


def settable(leaf: str) -> dict[str, inspect.Parameter]:
    """What a person may set of the variant that a leaf names."""
    of = variants(leaf)
    return {
        name: p
        for name, p in config.inspect_parameters(of.table[read(leaf)["name"]]).items()
        if name not in of.injected
    }


def nested(annotation: Any) -> type | None:
    options = (option for option in (annotation, *get_args(annotation)) if isinstance(option, type))
    return next(filter(is_dataclass, options), None)


def gaps(value: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of all values that must be given."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from gaps(below, f"{path}.{key}" if path else key)
    elif value == MISSING:
        yield path


def composed(*overrides: str) -> dict[str, Any]:
    """`nmt-train` with these overrides, and some value for whatever must be given."""
    given = {"source_language": "en", "target_language": "de"}
    missing = list(gaps(tiny_runs.compose_config(*overrides)))
    return tiny_runs.compose_config(
        *overrides, *(f"{path}={given.get(path.split('.')[-1], 'some.file')}" for path in missing)
    )


def test_every_folder_belongs_to_an_axis_or_holds_presets() -> None:
    folders = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if any(path.glob("*.yaml"))}
    assert folders == AXES.keys() | GROUPS


@pytest.mark.parametrize("axis", AXES)
def test_every_variant_has_a_file_and_every_file_a_variant(axis: str) -> None:
    named = {read(leaf)["name"] for leaf in LEAVES if leaf.rpartition("/")[0] == axis}
    assert named == AXES[axis].table.keys()


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_lists_all_that_can_be_set(leaf: str) -> None:
    found, taken = read(leaf), settable(leaf)
    assert found.keys() - {"name"} == taken.keys()
    for name, parameter in taken.items():
        inner = nested(parameter.annotation)
        if inner is not None and isinstance(found[name], Mapping):
            assert found[name].keys() == {field.name for field in fields(inner)}


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_passes_the_check(leaf: str) -> None:
    text = (ROOT / f"{leaf}.yaml").read_text(encoding="utf-8").replace(MISSING, "given")
    found = yaml.safe_load(re.sub(r"\$\{.*\}", "8", text))  # what stands for another setting is checked in its place
    found |= {key: 8 for key, each in settable(leaf).items() if each.annotation is int and found[key] == "given"}
    assert config.check({"it": found}, {"it": variants(leaf)})["it"].keys() == found.keys()


@pytest.mark.parametrize(
    "leaf", [leaf for leaf in LEAVES if leaf.split("/")[-1] in variants(leaf).table or "model" in leaf]
)
def test_a_leaf_says_what_the_class_would_do_by_itself(leaf: str) -> None:
    found, different = read(leaf), set()
    for name, parameter in settable(leaf).items():
        default = parameter.default
        if default is inspect.Parameter.empty:
            continue
        inner = nested(parameter.annotation)
        if inner is not None and isinstance(found[name], Mapping):
            made = inner() if default is None else default
            default = {field.name: getattr(made, field.name) for field in fields(made)}
        if found[name] != default and not str(found[name]).startswith("${"):
            different.add(name)
    assert different == OTHERWISE.get(leaf, set())


def test_the_main_config_says_what_the_classes_would_do_by_themselves() -> None:
    main = tiny_runs.compose_config()
    assert main["filters"] == asdict(Filters())
    assert main["batching"] == asdict(BatchSettings())
    assert main["training"] == asdict(Training())
    assert main["bleu"] == asdict(BleuSettings())
    assert main["probes"] == asdict(Probes())
    assert main["measures"] == asdict(Measures())


def test_the_main_config_has_every_setting_that_there_is() -> None:
    main = tiny_runs.compose_config()
    assert main.keys() == build.TRAIN.keys()
    assert main["model"].keys() == build.MODEL.keys()
    assert main["attention"].keys() == build.ATTENTION.keys()
    assert flatten(main).keys() <= set(config.list_paths(build.TRAIN))


@pytest.mark.parametrize("override", [*PRESETS, *RECIPES])
def test_every_preset_and_recipe_can_be_built(override: str) -> None:
    chosen = config.check(composed(override), build.TRAIN)
    build.dry_run(chosen)  # raises ConfigError where the parts do not fit
    outline = build.build_on_meta(chosen, joint=True, source_vocab=36, target_vocab=36)
    assert outline.head.vocabulary_size == 36


@pytest.mark.parametrize("leaf", BUILT)
def test_every_leaf_can_be_chosen(leaf: str) -> None:
    axis, _, name = leaf.rpartition("/")
    chosen = config.check(composed(f"{axis}={name}", *COMPANIONS.get(leaf, ())), build.TRAIN)
    found: Any = chosen
    for key in axis.split("/"):
        found = found[key]
    assert found["name"] == read(leaf)["name"]
    build.dry_run(chosen)


BOTH = [
    (data.stem, experiment)
    for data in sorted((ROOT / "data").glob("*.yaml"))
    for experiment in ["null", *(path.stem for path in sorted((ROOT / "experiment").glob("*.yaml")))]
]


@pytest.mark.parametrize(
    ("data", "experiment"), mark_slow_unless([BOTH[index] for index in cover_pairs(BOTH, 1)], BOTH)
)
def test_overfitting_leaves_the_choice_of_data_alone(data: str, experiment: str) -> None:
    words = [f"data={data}", *([] if experiment == "null" else [f"experiment={experiment}"])]
    without = tiny_runs.compose_config(*words)
    chosen = tiny_runs.compose_config(*words, "debug=overfit")
    assert chosen["data"] == without["data"]
    assert {key for key in flatten(chosen) if flatten(chosen)[key] != flatten(without)[key]} <= {
        *(key for key in flatten(chosen) if "dropout" in key),
        *("output", "tokenizer.vocab_size", "filters.overfit", "training.label_smoothing"),
        *("optimizer.learning_rate", "schedule.warmup_steps"),
        *("training.stop.epochs", "training.validation.every_epochs", "training.validation.every_steps"),
    }
