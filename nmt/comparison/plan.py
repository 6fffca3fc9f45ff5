"""From overrides with commas to variants, and from variants and seeds to runs that are checked before any starts."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nmt import build, config
from nmt.comparison.catalog import Named
from nmt.composition.base import base_of, choose_groups, put_base, read_base
from nmt.composition.diagnostics import explained, miswritten
from nmt.composition.overrides import quoted
from nmt.composition.paths import configs
from nmt.composition.recipes import named_recipe, own_recipe
from nmt.config import Plain
from nmt.errors import ConfigError, NmtError
from nmt.runs import run_folder

UNSWEPT = "default"
"""The label of the only variant where nothing is swept."""

LONGEST = 120
"""Characters of a label; file systems take names of 255 bytes."""


class Variant(NamedTuple):
    """One choice of all that is swept. `label` names it for people and folders, `overrides` are for nmt-train."""

    label: str
    overrides: list[str]


class Job(NamedTuple):
    """One run of the comparison. `settings` are checked; `overrides` give nmt-train the same."""

    variant: str
    seed: int
    folder: Path
    settings: Plain
    overrides: list[str]


def plan(
    overrides: Sequence[str],
    *,
    seeds: Sequence[int],
    output: Path,
    at_once: int,
    named: Named | None = None,
    cpus: int | None = None,
) -> list[Job]:
    """Every variant with every seed, each checked as nmt-train would check it: seed by seed over the variants.

    Runs of one seed follow one another, so that what changes on the machine while they run (other work, heat) meets all
    variants alike, and speeds and times can be compared. It is also the order of a cluster's job array.
    The variants of a comparison that has a name are combined with all that is swept. Where several run at once and
    `threads` is left open, they share the threads that torch would use; on another machine, each has its `cpus`. Raises
    ConfigError with the problems of all variants.
    """
    if (mistake := miswritten(overrides)) is not None:
        raise ConfigError(mistake)
    jobs: list[Job] = []
    problems: list[tuple[Variant, Exception]] = []
    sound: set[str] = set()
    GlobalHydra.instance().clear()  # the one of the command itself, which has done its work
    with initialize_config_dir(configs(), version_base="1.3"):
        for variant in variants(overrides, named):
            try:
                for job in runs(variant, seeds, output):
                    check(job, sound, here=cpus is None)
                    jobs.append(shared(job, at_once, cpus))
            except (NmtError, HydraException, OmegaConfBaseException) as problem:
                problems.append((variant, problem))
    if problems:
        raise ConfigError(listed(problems))
    return sorted(jobs, key=lambda job: seeds.index(job.seed))  # stable, so variants keep their order


def listed(problems: Sequence[tuple[Variant, Exception]]) -> str:
    """Every message once, under the variants that it is about."""
    found: dict[str, list[str]] = {}
    for variant, problem in problems:
        message = str(problem) if isinstance(problem, NmtError) else explained(problem, "train", variant.overrides)
        found.setdefault(message, []).append(variant.label)
    return "\n".join(f"{', '.join(labels)}:\n  " + message.replace("\n", "\n  ") for message, labels in found.items())


def variants(overrides: Sequence[str], named: Named | None = None) -> list[Variant]:
    """The product of all that has a name and is swept, the last changing fastest; labels are names, then what is swept.

    Hydra must be initialized, for its glob(...).
    """
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    given = [parsed(parser, override) for override in overrides]
    axes = [axis(override) for override in given]
    found: list[Variant] = []
    for name, own in named_variants(parser, given, named):
        for choice in itertools.product(*axes):
            swept = [text for text, options in zip(choice, axes, strict=True) if len(options) > 1]
            found.append(Variant(label([*name, *swept]), [*choice, *own]))
    names = [variant.label.casefold() for variant in found]  # some file systems see no difference in case
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"Two variants would share the folder {twice[0]}. Give every swept value once.")
    return found


def named_variants(
    parser: OverridesParser, given: Sequence[Override], named: Named | None
) -> list[tuple[list[str], list[str]]]:
    """Name and overrides of every variant that has a name; one without either where none has.

    Raises ConfigError, with all problems, where one cannot be read, has several values, or is `given` beside it.
    """
    if named is None:
        return [([], [])]
    problems: dict[str, list[str]] = {}
    taken = {override.get_key_element() for override in given}
    for name, own in named.variants.items():
        for text in own:
            try:
                found = parsed(parser, text)
                if len(axis(found)) > 1:
                    raise ConfigError(f"{text} has several values. Write a variant for each.")
                if (key := found.get_key_element()) in taken:
                    raise ConfigError(f"{key} is set by the variant, so it cannot be given beside the comparison.")
            except ConfigError as problem:
                problems.setdefault(str(problem), []).append(name)
    if problems:
        raise ConfigError("\n".join(f"{named.path}: {', '.join(names)}: {told}" for told, names in problems.items()))
    return [([name], own) for name, own in named.variants.items()]


def parsed(parser: OverridesParser, override: str) -> Override:
    """An override as Hydra understands it. Raises ConfigError where it does not."""
    try:
        return parser.parse_overrides([override])[0]
    except HydraException as problem:
        raise ConfigError(f"{override} cannot be read: {str(problem).splitlines()[0]}.") from None


def axis(override: Override) -> list[str]:
    """The overrides that one stands for."""
    if override.key_or_group == "seed":
        raise ConfigError("seed is set by the comparison: write seeds=3 for seeds 1, 2 and 3, or seeds=[5,6].")
    if not override.is_sweep_override():
        return [override.input_line or ""]
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line} has no end of values. Name them, with commas between.")
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def label(swept: Sequence[str]) -> str:
    """A readable name that every file system takes, such as `attention=bahdanau,model.decoder.input_feeding=false`."""
    text = ",".join(swept) or UNSWEPT
    safe = re.sub(r"[^\w.=+,-]+", "-", re.sub("""['"]""", "", text).replace("/", "."))
    if len(safe.encode()) <= LONGEST:
        return safe
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return safe.encode()[: LONGEST - 9].decode(errors="ignore") + "-" + digest


def runs(variant: Variant, seeds: Sequence[int], output: Path) -> Iterator[Job]:
    """A variant's runs, with settings as Hydra composes them and nobody has checked yet."""
    composed = compose_settings(variant.overrides)
    for seed in seeds:
        folder = output / variant.label / f"seed-{seed}"
        settings = {**composed, "seed": seed, "output": str(folder)}
        overrides = [*variant.overrides, f"seed={seed}", f"output={quoted(str(folder))}"]
        with named_recipe(variant.overrides):
            checked = config.check(settings, build.TRAIN)
        yield Job(variant.label, seed, folder, checked, overrides)


def compose_settings(overrides: Sequence[str]) -> dict[str, Any]:
    """What nmt-train would be given for these words, unchecked."""
    folder = base_of(overrides)
    base = None if folder is None else read_base(folder)
    with own_recipe(overrides) as words:
        composed = compose("train", words if base is None else choose_groups(words, base))
        plain: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
        return dict(plain) if base is None else put_base(plain, base, words)


def check(job: Job, sound: set[str], *, here: bool) -> None:
    """All that nmt-train would find wrong before it reads data; the device only where it is to run `here`.

    `sound` remembers corpora that have been looked at.
    """
    build.rehearse(job.settings)
    if here:
        build.training_device(job.settings)
    if (data := repr(job.settings["data"])) not in sound:
        build.corpus(job.settings).check()
        sound.add(data)
    if not run_folder.finished(job.folder, job.settings):
        run_folder.check(job.folder, job.settings)


def shared(job: Job, at_once: int, cpus: int | None) -> Job:
    """The run with its share of the threads."""
    if job.settings["threads"] is not None or (cpus is None and at_once == 1):
        return job
    threads = cpus or max(1, torch.get_num_threads() // at_once)
    return job._replace(settings=job.settings | {"threads": threads}, overrides=[*job.overrides, f"threads={threads}"])


def baseline(jobs: Sequence[Job], asked: str | None) -> str:
    """The label of the variant that the others are held against: the first of those that have the name `asked` for."""
    labels = list(dict.fromkeys(job.variant for job in jobs))
    if asked is None:
        return labels[0]
    for found in labels:
        if asked == found or found.startswith(f"{asked},"):
            return found
    raise ConfigError(f"baseline={asked} is not one of the variants. {config.nearest(asked, labels)}")
