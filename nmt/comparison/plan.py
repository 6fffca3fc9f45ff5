"""From variants and seeds to runs that are checked before any starts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from nmt import build, config
from nmt.comparison.catalog import NamedComparison
from nmt.comparison.variants import VariantOverrides, expand_variants
from nmt.composition.compose import compose_settings, isolate_hydra
from nmt.composition.diagnostics import explain, find_syntax_problem
from nmt.composition.overrides import quote
from nmt.composition.paths import find_config_folder
from nmt.composition.recipes import name_recipe_in_errors
from nmt.composition.spelling import warn_once
from nmt.config import ConfigDict
from nmt.errors import ConfigError, NmtError
from nmt.progress import make_bar
from nmt.runs import run_folder


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
