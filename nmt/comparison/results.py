"""From finished run folders to a comparison: what was measured, and whether it could be chance."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from types import MappingProxyType
from typing import Any, NamedTuple

from nmt.comparison.plan import Job
from nmt.data.quality import find_complete, pick
from nmt.errors import CheckpointError, NmtError
from nmt.evaluation import floor
from nmt.evaluation.bleu_by_length import Bucket, score_length_buckets
from nmt.evaluation.bleu_tokens import read_tokenizer
from nmt.evaluation.resampling import ResampledSystem, compute_statistics, resample_systems
from nmt.evaluation.seeds import compute_seeds_p_value
from nmt.evaluation.significance import SAMPLES, TESTS, adjust_holm, compute_p_values
from nmt.report.comparison import Comparison, RunScores, VariantScores
from nmt.report.significance_table import SEEDS_TEST, Significance, VariantPair
from nmt.runs import run_folder
from nmt.runs.improvement import is_still_improving
from nmt.storage.files import read_json
from nmt.training.metrics_logger import METRICS, read_rows

FAILURE_FILE = "FAILED"
"""The file that a run leaves which ended without scores: why, and the command to try again."""

RESAMPLING_SEED = 12345
"""Of resampling, the same always; it is sacreBLEU's default."""

LOG_FILE = "job.log"
"""All that the last attempt at a run said."""


def collect_runs(jobs: Sequence[Job]) -> dict[str, list[RunScores]]:
    """What all runs came to, by variant."""
    runs: dict[str, list[RunScores]] = {}
    for job in jobs:
        runs.setdefault(job.variant, []).append(read_result(job))
    return runs


def read_result(job: Job) -> RunScores:
    """What a run came to, or why it came to nothing."""
    try:
        if run_folder.is_finished(job.folder, job.settings):
            return read_run(job.folder)
    except NmtError as problem:  # one damaged folder is no reason to lose the table of all others
        return RunScores(job.seed, str(job.folder), {}, {}, failure=str(problem).splitlines()[0])
    failed = job.folder / FAILURE_FILE
    lines = failed.read_text(encoding="utf-8").splitlines() if failed.exists() else []
    reason = lines[0] if lines else "it was not run"
    return RunScores(job.seed, str(job.folder), {}, {}, failure=reason)


def read_run(folder: Path) -> RunScores:
    """The numbers of a finished run, from its folder alone.

    Scores and AER are those of the test split. perplexity is that of the validation split for the same model: a
    target piece's, so it can only be compared between variants with one vocabulary. lagging is that of the translations
    of the validation split. tokens_per_second is the median
    over the lines of metrics.jsonl, in target tokens; minutes are those of training with its validations. What a run
    of an older version did not measure is left out. Raises CheckpointError where its files are damaged.
    """
    try:
        return read_run_files(folder)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise CheckpointError(
            f"{run_folder.SCORES} or {run_folder.RUN} in {folder} is not as this program writes it. Put back a sound "
            f"copy, or remove {folder / run_folder.SCORES} and give the command that made the run again."
        ) from None


def read_run_files(folder: Path) -> RunScores:
    """The same, where the files are sound; others raise all that a wrong key or type does."""
    scores, run_info = read_json(folder / run_folder.SCORES), read_json(folder / run_folder.RUN)
    metrics = read_rows(folder / METRICS)
    scores_by_name = {get_score_name(score): score for score in scores["test"]}
    values = (
        {key: score["value"] for key, score in scores_by_name.items()} | scores["alignment"] | run_info.get("costs", {})
    )
    values |= {f"faithfulness.{name}": value for name, value in scores.get("faithfulness", {}).items()}
    values["parameters"] = run_info["parameters"]
    if not all(isinstance(value, int | float) for value in values.values()):
        raise TypeError("not all are numbers")
    found = read_validation(folder)
    for name, key in {"perplexity": "perplexity", "lagging": "attention.free.lagging"}.items():
        if (value := found.get(key)) is not None:
            values[name] = value
    if speeds := [row["tokens_per_second"] for row in metrics if row["kind"] == "train" and "tokens_per_second" in row]:
        values["tokens_per_second"] = median(speeds)
    values["minutes"] = max((row["minutes"] for row in metrics if "minutes" in row), default=0.0)
    signatures = {key: score["signature"] for key, score in scores_by_name.items()}
    improving = is_still_improving(folder)
    return RunScores(
        run_info["seed"], str(folder), values, signatures, split=find_scored_split(folder), still_improving=improving
    )


def get_score_name(score: Mapping[str, Any]) -> str:
    """A score's own name, without that of the split before it."""
    return str(score["name"]).split(" ", 1)[1]


def read_validation(folder: Path) -> dict[str, float | None]:
    """What the last validation of the best model found."""
    path = folder / "checkpoints" / "best" / "validation.json"
    try:
        found: dict[str, float | None] = read_json(path)["values"]
    except CheckpointError:  # a run that was never validated
        return {}
    return found


def find_scored_split(folder: Path) -> str:
    """The split that was scored: the corpus's test split, or validation where it has no other."""
    return "test" if (folder / "test.hypotheses.txt").exists() else "validation"


# Differences --------------------------------------------------------------------------------------------------------


class ResampledRun(NamedTuple):
    """What a run was scored on, resampled. Runs with the same `references`, which stand for a text and a tokenization,
    have been resampled together."""

    references: int
    resamples: ResampledSystem


def compare_runs(
    runs: Mapping[str, Sequence[RunScores]],
    *,
    baseline: str,
    command: str,
    paired: Mapping[str, Sequence[RunScores]] = MappingProxyType({}),
) -> Comparison:
    """Variants by label, each tested against `baseline`, and every one against every other.

    Runs of one seed are tested against one another; `paired` has what takes part instead for some labels.
    The p-values against the baseline are adjusted for being as many as there are other variants, those of the pairs for
    being as many as there are pairs   (Holm 1979)
    """
    all_runs = [run for found in runs.values() for run in found]
    scored, lengths = resample_runs(all_runs)
    pairing = {**runs, **paired}
    pairs = [
        VariantPair(first, other, found)
        for first, other in itertools.combinations(runs, 2)
        if (found := compute_difference(pairing[first], pairing[other], scored)) is not None
    ]
    baseline_tests = {pair.other: pair.significance for pair in pairs if pair.first == baseline}
    baseline_tests |= {pair.first: pair.significance.opposite for pair in pairs if pair.other == baseline}
    adjusted_tests = dict(zip(baseline_tests, adjust_p_values(list(baseline_tests.values())), strict=True))
    variants = [
        VariantScores(
            label, [replace(run, lengths=lengths.get(run.folder, [])) for run in found], adjusted_tests.get(label)
        )
        for label, found in runs.items()
    ]
    all_pairs = adjust_p_values([pair.significance for pair in pairs])
    return Comparison(
        command,
        baseline,
        variants,
        [pair._replace(significance=found) for pair, found in zip(pairs, all_pairs, strict=True)],
    )


def resample_runs(runs: Sequence[RunScores]) -> tuple[dict[str, ResampledRun], dict[str, list[Bucket]]]:
    """By folder: what each run's BLEU is made of, counted and resampled once for all pairs; and BLEU by source length.

    A run that failed, or kept no texts, has neither; one that kept no sources has no lengths.
    """
    runs_by_text: dict[tuple[str, tuple[str, ...]], list[RunScores]] = {}
    for run in runs:
        if (
            run.failure is None
            and get_text_path(run, "references").exists()
            and get_text_path(run, "hypotheses").exists()
        ):
            tokenize = read_tokenizer(run.signatures.get("BLEU", ""))
            runs_by_text.setdefault((tokenize, tuple(read_text_lines(get_text_path(run, "references")))), []).append(
                run
            )
    scored: dict[str, ResampledRun] = {}
    lengths: dict[str, list[Bucket]] = {}
    for number, ((tokenize, references), found) in enumerate(runs_by_text.items()):
        source = get_text_path(found[0], "source")
        indices = find_complete(references, read_text_lines(source)) if source.exists() else find_complete(references)
        hypotheses = [pick(read_text_lines(get_text_path(run, "hypotheses")), indices) for run in found]
        run_statistics = compute_statistics(hypotheses, pick(references, indices), tokenize=tokenize)
        run_resamples = resample_systems(run_statistics, samples=SAMPLES, seed=RESAMPLING_SEED)
        for run, counts, each in zip(found, run_statistics, run_resamples, strict=True):
            scored[run.folder] = ResampledRun(number, each)
            if get_text_path(run, "source").exists():
                lengths[run.folder] = score_length_buckets(
                    pick(read_text_lines(get_text_path(run, "source")), indices), counts
                )
    return scored, lengths


def compute_difference(
    first: Sequence[RunScores], other: Sequence[RunScores], scored: Mapping[str, ResampledRun]
) -> Significance | None:
    """Paired tests of BLEU, over the seeds that both variants finished; None where there is no such pair.

    Tests of the difference of the means, for which chance deals with sentences, each with its translations by all seeds
    (see `p_values`), and tests of each seed's own pair of runs. All ask whether other test sentences could turn the
    result, for the models that were trained. With several seeds of each there is a test for which seeds are random too.
    Nothing is tested where a variant has not learnt to translate. Nothing is adjusted yet.
    """
    runs = [(a, b) for a in first for b in other if a.seed == b.seed and {a.folder, b.folder} <= scored.keys()]
    pairs = [(scored[a.folder], scored[b.folder]) for a, b in runs]
    if not pairs or len({one.references for pair in pairs for one in pair}) > 1:  # other data, so nothing is paired
        return None
    gain = fmean(b.values["BLEU"] - a.values["BLEU"] for a, b in runs)
    if (reason := explain_untested(first, other)) is not None:
        return Significance(gain, {}, {}, {a.seed: {} for a, _ in runs}, untested=reason)
    found = compute_p_values([(a.resamples, b.resamples) for a, b in pairs])
    seeds = {a.seed: tests for (a, _), tests in zip(runs, found.per_seed, strict=True)}
    mean_tests = found.overall | compute_seeds_p(runs, pairs)
    return Significance(gain, mean_tests, mean_tests, seeds)


def compute_seeds_p(
    runs: Sequence[tuple[RunScores, RunScores]], pairs: Sequence[tuple[ResampledRun, ResampledRun]]
) -> dict[str, float]:
    """The p-value for which seeds are a random effect, by its name; nothing where it cannot be had.

    An ensemble of the seeds is one model, whose score meets each seed of the other variant: it has no seeds.
    """
    if any(len({run.folder for run in side}) < len(side) for side in zip(*runs, strict=True)):
        return {}
    p_value = compute_seeds_p_value([a.resamples for a, _ in pairs], [b.resamples for _, b in pairs])
    return {} if p_value is None else {SEEDS_TEST: p_value}


def explain_untested(first: Sequence[RunScores], other: Sequence[RunScores]) -> str | None:
    """Why nothing is tested: a variant has not learnt to translate; None where both have."""
    scores = [floor.average([run.values for run in runs]) for runs in (first, other)]
    if not any(map(floor.is_unlearnt, scores)):
        return None
    return (
        f"{floor.format_scores(scores[0])} against {floor.format_scores(scores[1])}: a model with {floor.RULE} has not "
        "learnt to translate"
    )


def adjust_p_values(significances: Sequence[Significance]) -> list[Significance]:
    """The same tests, their p-values adjusted for one another."""
    adjusted_p_values: list[dict[str, float]] = [{} for _ in significances]
    for name in (*TESTS, SEEDS_TEST):
        places = [place for place, each in enumerate(significances) if name in each.p_values]
        for place, p_value in zip(
            places, adjust_holm([significances[place].p_values[name] for place in places]), strict=True
        ):
            adjusted_p_values[place][name] = p_value
    return [each._replace(adjusted=own) for each, own in zip(significances, adjusted_p_values, strict=True)]


def get_text_path(run: RunScores, kind: str) -> Path:
    """The file of what a run was scored with: source, hypotheses or references."""
    return Path(run.folder) / f"{run.split}.{kind}.txt"


def read_text_lines(path: Path) -> list[str]:
    """The lines of a file that we wrote: nothing but a line feed ends one."""
    return path.read_bytes().decode().split("\n")[:-1]
