"""From overrides with commas to variants, and from variants and seeds to runs that are checked before any starts."""

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from nmt import build, config
from nmt.comparison.catalog import NamedComparison
from nmt.composition.compose import compose_settings, isolate_hydra
from nmt.composition.diagnostics import explain, find_syntax_problem
from nmt.composition.overrides import quote
from nmt.composition.paths import find_config_folder
from nmt.composition.recipes import name_recipe_in_errors
from nmt.composition.spelling import find_old_word, rename_word, warn_once
from nmt.config import ConfigDict
from nmt.errors import ConfigError, NmtError
from nmt.progress import make_bar
from nmt.runs import run_folder

DEFAULT_LABEL = "default"
"""The label of the only variant where nothing is swept."""

MAX_LABEL_BYTES = 120
"""Characters of a label; file systems take names of 255 bytes."""


MAX_RUNS, MAX_VARIANTS = 10_000, 1_000
"""Of a comparison: more than anybody trains, and all are checked before the first is begun."""


class VariantOverrides(NamedTuple):
    """One choice of all that is swept. `label` names it for people and folders, `overrides` are for nmt-train.

    old_label: by the names that settings had in version 0.1, whose folders may be there; empty where it is the same.
    """

    label: str
    overrides: list[str]
    old_label: str = ""


class Job(NamedTuple):
    """One run of the comparison. `settings` are checked; `overrides` give nmt-train the same."""

    variant: str
    seed: int
    folder: Path
    settings: ConfigDict
    overrides: list[str]


def plan_jobs(
    overrides: Sequence[str],
    *,
    seeds: Sequence[int],
    output: Path,
    at_once: int,
    named: NamedComparison | None = None,
    cpus: int | None = None,
) -> list[Job]:
    """Every variant with every seed, each checked as nmt-train would check it: seed by seed over the variants.

    Runs of one seed follow one another, so that what changes on the machine while they run (other work, heat) meets all
    variants alike, and speeds and times can be compared. It is also the order of a cluster's job array.
    The variants of a comparison that has a name are combined with all that is swept. Where several run at once and
    `threads` is left open, they share the threads that torch would use; on another machine, each has its `cpus`. Raises
    ConfigError with the problems of all variants.
    """
    if (problem_text := find_syntax_problem(overrides)) is not None:
        raise ConfigError(problem_text)
    jobs: list[Job] = []
    problems: list[tuple[VariantOverrides, Exception]] = []
    checked_data: set[str] = set()
    with isolate_hydra(), warn_once():
        with initialize_config_dir(find_config_folder(), version_base="1.3"):
            variants = expand_variants(overrides, named, seeds=len(seeds))
            for variant in make_bar(iterable=variants, desc="checking", unit=" variants", leave=False, disable=None):
                try:
                    for job in build_jobs(variant, seeds, output):
                        check_job(job, checked_data, on_this_machine=cpus is None)
                        jobs.append(assign_threads(job, at_once, cpus))
                except (NmtError, HydraException, OmegaConfBaseException) as problem:
                    problems.append((variant, problem))
        if problems:
            raise ConfigError(*format_problems(problems))
    return sorted(jobs, key=lambda job: seeds.index(job.seed))  # stable, so variants keep their order


def format_problems(problems: Sequence[tuple[VariantOverrides, Exception]]) -> list[str]:
    """The lines of every message once, under the variants that it is about."""
    labels_by_message: dict[tuple[str, ...], list[str]] = {}
    for variant, problem in problems:
        is_ours = isinstance(problem, NmtError)
        lines = map(str, problem.args) if is_ours else explain(problem, "train", variant.overrides).split("\n")
        labels_by_message.setdefault(tuple(lines), []).append(variant.label)
    return [
        line
        for message, labels in labels_by_message.items()
        for line in (f"{', '.join(labels)}:", *(f"  {line}" for line in message))
    ]


def expand_variants(
    overrides: Sequence[str], named: NamedComparison | None = None, *, seeds: int = 1
) -> list[VariantOverrides]:
    """The product of all that has a name and is swept, the last changing fastest; labels are names, then what is swept.

    Hydra must be initialized, for its glob(...). Raises ConfigError, before anything is expanded, where they make more
    than MAX_RUNS runs with so many seeds, or MAX_VARIANTS variants.
    """
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    parsed_overrides = [parse_override(parser, override) for override in overrides]
    counts = [count_sweep_values(override) for override in parsed_overrides]
    check_run_count(overrides, counts, 1 if named is None else len(named.variants), seeds)
    axes = [list_sweep_values(override) for override in parsed_overrides]
    found: list[VariantOverrides] = []
    for name, own in expand_named_variants(parser, parsed_overrides, named):
        for choice in itertools.product(*axes):
            swept = [text for text, options in zip(choice, axes, strict=True) if len(options) > 1]
            label, old_label = make_label([*name, *swept]), make_label([*name, *map(find_old_word, swept)])
            found.append(VariantOverrides(label, [*choice, *own], "" if old_label == label else old_label))
    names = Counter(variant.label.casefold() for variant in found)  # some file systems see no difference in case
    if repeated_names := sorted(name for name, count in names.items() if count > 1):
        raise ConfigError(f"Two variants would share the folder {repeated_names[0]}. Give every swept value once.")
    return found


def expand_named_variants(
    parser: OverridesParser, given: Sequence[Override], named: NamedComparison | None
) -> list[tuple[list[str], list[str]]]:
    """Name and overrides of every variant that has a name; one without either where none has.

    Raises ConfigError, with all problems, where one cannot be read, has several values, or is `given` beside it.
    """
    if named is None:
        return [([], [])]
    problems: dict[str, list[str]] = {}
    given_keys = {override.get_key_element() for override in given}
    for name, own in named.variants.items():
        for text in own:
            try:
                found = parse_override(parser, text)
                if len(list_sweep_values(found)) > 1:
                    raise ConfigError(f"{text} has several values. Write a variant for each.")
                if (key := found.get_key_element()) in given_keys:
                    raise ConfigError(f"{key} is set by the variant, so it cannot be given beside the comparison.")
            except ConfigError as problem:
                problems.setdefault(str(problem), []).append(name)
    if problems:
        raise ConfigError(*(f"{named.path}: {', '.join(names)}: {told}" for told, names in problems.items()))
    return [([name], own) for name, own in named.variants.items()]


def parse_override(parser: OverridesParser, override: str) -> Override:
    """An override as Hydra understands it. Raises ConfigError where it does not."""
    try:
        return parser.parse_overrides([override])[0]
    except HydraException as problem:
        raise ConfigError(f"{override} cannot be read: {str(problem).splitlines()[0]}.") from None


def list_sweep_values(override: Override) -> list[str]:
    """The overrides that one stands for."""
    if override.key_or_group == "seed":
        raise ConfigError("seed is set by the comparison: write seeds=3 for seeds 1, 2 and 3, or seeds=[5,6].")
    if not override.is_sweep_override():
        return [override.input_line or ""]
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line} has no end of values. Name them, with commas between.")
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def count_sweep_values(override: Override) -> int:
    """How many overrides one stands for, told without listing them."""
    sweep = override.value()
    if not isinstance(sweep, RangeSweep):
        return len(list_sweep_values(override))
    start, stop, step = (float(number or 0) for number in (sweep.start, sweep.stop, sweep.step))
    if not step or not math.isfinite((stop - start) / step):
        raise ConfigError(f"{override.input_line} has no end of values. Name them, with commas between.")
    if (count := math.ceil((stop - start) / step)) < 1:
        raise ConfigError(f"{override.input_line} has no values. Its end must lie beyond its start.")
    return count


def check_run_count(overrides: Sequence[str], counts: Sequence[int], named_variants: int, seeds: int) -> None:
    """Raises ConfigError where all that is swept would be more than MAX_RUNS or MAX_VARIANTS."""
    variants = math.prod(counts) * named_variants
    runs = variants * seeds
    if runs > MAX_RUNS or variants > MAX_VARIANTS:
        parts = [
            f"{count} of {word.partition('=')[0]}" for word, count in zip(overrides, counts, strict=True) if count > 1
        ]
        parts += [f"{named_variants} named variants"] if named_variants > 1 else []
        parts += [f"{seeds} seed{'s' * (seeds > 1)}"]
        raise ConfigError(
            f"That is {runs:,} runs ({', times '.join(parts)}), and a comparison has "
            f"{MAX_RUNS:,} of {MAX_VARIANTS:,} variants at most. Sweep fewer values, or give fewer seeds."
        )


def make_label(swept: Sequence[str]) -> str:
    """A readable name that every file system takes, such as `attention=bahdanau,model.decoder.input_feeding=false`."""
    text = ",".join(swept) or DEFAULT_LABEL
    name = re.sub(r"[^\w.=+,-]+", "-", re.sub("""['"]""", "", text).replace("/", "."))
    if len(name.encode()) <= MAX_LABEL_BYTES:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return name.encode()[: MAX_LABEL_BYTES - 9].decode(errors="ignore") + "-" + digest


def build_jobs(variant: VariantOverrides, seeds: Sequence[int], output: Path) -> Iterator[Job]:
    """A variant's runs, with settings as Hydra composes them and nobody has checked yet."""
    composed = compose_settings(variant.overrides)
    for seed in seeds:
        folder = find_variant_folder(variant, output) / f"seed-{seed}"
        settings = {**composed, "seed": seed, "output": str(folder)}
        overrides = [*variant.overrides, f"seed={seed}", f"output={quote(str(folder))}"]
        with name_recipe_in_errors(variant.overrides):
            checked = config.check(settings, build.TRAIN)
        yield Job(variant.label, seed, folder, checked, overrides)


def find_variant_folder(variant: VariantOverrides, output: Path) -> Path:
    """Where a variant's runs lie: in the folder that version 0.1 named, if that is the one that is there."""
    folder, old_folder = output / variant.label, output / variant.old_label
    return old_folder if variant.old_label and old_folder.is_dir() and not folder.is_dir() else folder


def check_job(job: Job, checked_data: set[str], *, on_this_machine: bool) -> None:
    """All that nmt-train would find wrong before it reads data; the device only where it is to run `on_this_machine`.

    `checked_data` remembers corpora that have been looked at.
    """
    build.dry_run(job.settings)
    if on_this_machine:
        build.build_training_device(job.settings)
    if (data := repr(job.settings["data"])) not in checked_data:
        build.build_corpus(job.settings).check()
        checked_data.add(data)
    if not run_folder.is_finished(job.folder, job.settings):
        run_folder.check(job.folder, job.settings)


def assign_threads(job: Job, at_once: int, cpus: int | None) -> Job:
    """The run with its share of the threads."""
    if job.settings["threads"] is not None or (cpus is None and at_once == 1):
        return job
    threads = cpus or max(1, torch.get_num_threads() // at_once)
    return job._replace(settings=job.settings | {"threads": threads}, overrides=[*job.overrides, f"threads={threads}"])


def find_baseline(jobs: Sequence[Job], wanted_label: str | None) -> str:
    """The label of the variant that the others are held against: the first of those that have the name `asked` for."""
    labels = list(dict.fromkeys(job.variant for job in jobs))
    if wanted_label is None:
        return labels[0]
    if wanted_label not in labels:
        wanted_label = ",".join(rename_word(part).word for part in wanted_label.split(","))
    for candidate in labels:
        if wanted_label == candidate or candidate.startswith(f"{wanted_label},"):
            return candidate
    raise ConfigError(f"baseline={wanted_label} is not one of the variants. {config.suggest(wanted_label, labels)}")
