"""From finished run folders to a comparison: what was measured, and whether it could be chance."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from types import MappingProxyType
from typing import Any, NamedTuple

from nmt.comparison.plan import Job
from nmt.data.quality import complete, pick
from nmt.errors import CheckpointError
from nmt.evaluation import floor
from nmt.evaluation.bleu_by_length import Bucket, bucketed
from nmt.evaluation.bleu_tokens import read_tokenizer
from nmt.evaluation.resampling import Resampled, resampled, statistics
from nmt.evaluation.seeds import seeds_p_value
from nmt.evaluation.significance import SAMPLES, TESTS, holm, p_values
from nmt.report.comparison import Comparison, Run, Variant
from nmt.report.significance_table import SEEDS, Pair, Significance
from nmt.runs import run_folder
from nmt.runs.improvement import is_still_improving
from nmt.storage.files import read_json
from nmt.training.metrics_logger import METRICS, rows

FAILED = "FAILED"
"""The file that a run leaves which ended without scores: why, and the command to try again."""

SEED = 12345
"""Of resampling, the same always; it is sacreBLEU's default."""

LOG = "job.log"
"""All that the last attempt at a run said."""


def collect(jobs: Sequence[Job]) -> dict[str, list[Run]]:
    """What all runs came to, by variant."""
    runs: dict[str, list[Run]] = {}
    for job in jobs:
        runs.setdefault(job.variant, []).append(result(job))
    return runs


def result(job: Job) -> Run:
    """What a run came to, or why it came to nothing."""
    if run_folder.finished(job.folder, job.settings):
        return measured(job.folder)
    failed = job.folder / FAILED
    lines = failed.read_text(encoding="utf-8").splitlines() if failed.exists() else []
    reason = lines[0] if lines else "it was not run"
    return Run(job.seed, str(job.folder), {}, {}, failure=reason)


def measured(folder: Path) -> Run:
    """The numbers of a finished run, from its folder alone.

    Scores and AER are those of the test split. perplexity is that of the validation split for the same model: a
    target piece's, so it can only be compared between variants with one vocabulary. tokens_per_second is the median
    over the lines of metrics.jsonl, in target tokens; minutes are those of training with its validations. What a run
    of an older version did not measure is left out. Raises CheckpointError where its files are damaged.
    """
    try:
        return read_measured(folder)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise CheckpointError(
            f"{run_folder.SCORES} or {run_folder.RUN} in {folder} is not as this program writes it. Put back a sound "
            f"copy, or remove {folder / run_folder.SCORES} and give the command that made the run again."
        ) from None


def read_measured(folder: Path) -> Run:
    """The same, where the files are sound; others raise all that a wrong key or type does."""
    scores, about = read_json(folder / run_folder.SCORES), read_json(folder / run_folder.RUN)
    metrics = rows(folder / METRICS)
    found = {name(score): score for score in scores["test"]}
    values = {key: score["value"] for key, score in found.items()} | scores["alignment"] | about.get("costs", {})
    values["parameters"] = about["parameters"]
    if not all(isinstance(value, int | float) for value in values.values()):
        raise TypeError("not all are numbers")
    if (perplexity := validation(folder).get("perplexity")) is not None:
        values["perplexity"] = perplexity
    if speeds := [row["tokens_per_second"] for row in metrics if row["kind"] == "train" and "tokens_per_second" in row]:
        values["tokens_per_second"] = median(speeds)
    values["minutes"] = max((row["minutes"] for row in metrics if "minutes" in row), default=0.0)
    signatures = {key: score["signature"] for key, score in found.items()}
    improving = is_still_improving(folder)
    return Run(about["seed"], str(folder), values, signatures, split=split(folder), still_improving=improving)


def name(score: Mapping[str, Any]) -> str:
    """A score's own name, without that of the split before it."""
    return str(score["name"]).split(" ", 1)[1]


def validation(folder: Path) -> dict[str, float | None]:
    """What the last validation of the best model found."""
    path = folder / "checkpoints" / "best" / "validation.json"
    try:
        found: dict[str, float | None] = read_json(path)["values"]
    except CheckpointError:  # a run that was never validated
        return {}
    return found


def split(folder: Path) -> str:
    """The split that was scored: the corpus's test split, or validation where it has no other."""
    return "test" if (folder / "test.hypotheses.txt").exists() else "validation"


# Differences --------------------------------------------------------------------------------------------------------


class Scored(NamedTuple):
    """What a run was scored on, resampled. Runs with the same `references`, which stand for a text and a tokenization,
    have been resampled together."""

    references: int
    sampled: Resampled


def compared(
    runs: Mapping[str, Sequence[Run]],
    *,
    baseline: str,
    command: str,
    paired: Mapping[str, Sequence[Run]] = MappingProxyType({}),
) -> Comparison:
    """Variants by label, each tested against `baseline`, and every one against every other.

    Runs of one seed are tested against one another; `paired` has what takes part instead for some labels.
    The p-values against the baseline are adjusted for being as many as there are other variants, those of the pairs for
    being as many as there are pairs   (Holm 1979)
    """
    everything = [run for found in runs.values() for run in found]
    scored, lengths = evidence(everything)
    pairing = {**runs, **paired}
    pairs = [
        Pair(first, other, found)
        for first, other in itertools.combinations(runs, 2)
        if (found := difference(pairing[first], pairing[other], scored)) is not None
    ]
    against = {pair.other: pair.significance for pair in pairs if pair.first == baseline}
    against |= {pair.first: pair.significance.opposite for pair in pairs if pair.other == baseline}
    tested = dict(zip(against, adjusted(list(against.values())), strict=True))
    variants = [
        Variant(label, [replace(run, lengths=lengths.get(run.folder, [])) for run in found], tested.get(label))
        for label, found in runs.items()
    ]
    all_pairs = adjusted([pair.significance for pair in pairs])
    return Comparison(
        command,
        baseline,
        variants,
        [pair._replace(significance=found) for pair, found in zip(pairs, all_pairs, strict=True)],
    )


def evidence(runs: Sequence[Run]) -> tuple[dict[str, Scored], dict[str, list[Bucket]]]:
    """By folder: what each run's BLEU is made of, counted and resampled once for all pairs; and BLEU by source length.

    A run that failed, or kept no texts, has neither; one that kept no sources has no lengths.
    """
    alike: dict[tuple[str, tuple[str, ...]], list[Run]] = {}
    for run in runs:
        if run.failure is None and text(run, "references").exists() and text(run, "hypotheses").exists():
            tokenize = read_tokenizer(run.signatures.get("BLEU", ""))
            alike.setdefault((tokenize, tuple(lines(text(run, "references")))), []).append(run)
    scored: dict[str, Scored] = {}
    lengths: dict[str, list[Bucket]] = {}
    for number, ((tokenize, references), found) in enumerate(alike.items()):
        source = text(found[0], "source")
        places = complete(references, lines(source)) if source.exists() else complete(references)
        hypotheses = [pick(lines(text(run, "hypotheses")), places) for run in found]
        counted = statistics(hypotheses, pick(references, places), tokenize=tokenize)
        sampled = resampled(counted, samples=SAMPLES, seed=SEED)
        for run, counts, each in zip(found, counted, sampled, strict=True):
            scored[run.folder] = Scored(number, each)
            if text(run, "source").exists():
                lengths[run.folder] = bucketed(pick(lines(text(run, "source")), places), counts)
    return scored, lengths


def difference(first: Sequence[Run], other: Sequence[Run], scored: Mapping[str, Scored]) -> Significance | None:
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
    found = p_values([(a.sampled, b.sampled) for a, b in pairs])
    seeds = {a.seed: tests for (a, _), tests in zip(runs, found.alone, strict=True)}
    together = found.together | compute_seeds_p(runs, pairs)
    return Significance(gain, together, together, seeds)


def compute_seeds_p(runs: Sequence[tuple[Run, Run]], pairs: Sequence[tuple[Scored, Scored]]) -> dict[str, float]:
    """The p-value for which seeds are a random effect, by its name; nothing where it cannot be had.

    An ensemble of the seeds is one model, whose score meets each seed of the other variant: it has no seeds.
    """
    if any(len({run.folder for run in side}) < len(side) for side in zip(*runs, strict=True)):
        return {}
    p_value = seeds_p_value([a.sampled for a, _ in pairs], [b.sampled for _, b in pairs])
    return {} if p_value is None else {SEEDS: p_value}


def explain_untested(first: Sequence[Run], other: Sequence[Run]) -> str | None:
    """Why nothing is tested: a variant has not learnt to translate; None where both have."""
    scores = [floor.average([run.values for run in runs]) for runs in (first, other)]
    if not any(map(floor.is_unlearnt, scores)):
        return None
    return (
        f"{floor.format_scores(scores[0])} against {floor.format_scores(scores[1])}: a model with {floor.RULE} has not "
        "learnt to translate"
    )


def adjusted(found: Sequence[Significance]) -> list[Significance]:
    """The same tests, their p-values adjusted for one another."""
    adjusted: list[dict[str, float]] = [{} for _ in found]
    for name in (*TESTS, SEEDS):
        places = [place for place, each in enumerate(found) if name in each.p_values]
        for place, p_value in zip(places, holm([found[place].p_values[name] for place in places]), strict=True):
            adjusted[place][name] = p_value
    return [each._replace(adjusted=own) for each, own in zip(found, adjusted, strict=True)]


def text(run: Run, kind: str) -> Path:
    """The file of what a run was scored with: source, hypotheses or references."""
    return Path(run.folder) / f"{run.split}.{kind}.txt"


def lines(path: Path) -> list[str]:
    """The lines of a file that we wrote: nothing but a line feed ends one."""
    return path.read_bytes().decode().split("\n")[:-1]
