"""From finished run folders to a comparison: what was measured, and whether it could be chance."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from nmt.cli.sweep import Job
from nmt.errors import CheckpointError
from nmt.evaluation.significance import paired_bootstrap, seeds_bootstrap
from nmt.report.comparison import Comparison, Run, Significance, Variant
from nmt.training import run_folder
from nmt.training.files import read_json
from nmt.training.journal import METRICS, rows

FAILED = "FAILED"
"""The file that a run leaves which ended without scores: why, and the command to try again."""

LOG = "job.log"
"""All that the last attempt at a run said."""


def collect(jobs: Sequence[Job], *, baseline: str, command: str) -> Comparison:
    """What all runs came to; every variant is tested against `baseline`."""
    runs: dict[str, list[Run]] = {}
    for job in jobs:
        runs.setdefault(job.variant, []).append(result(job))
    variants = [
        Variant(label, found, None if label == baseline else significance(runs[baseline], found))
        for label, found in runs.items()
    ]
    return Comparison(command, baseline, variants)


def result(job: Job) -> Run:
    """What a run came to, or why it came to nothing."""
    if run_folder.finished(job.folder, job.settings):
        return measured(job.folder)
    failed = job.folder / FAILED
    reason = failed.read_text(encoding="utf-8").splitlines()[0] if failed.exists() else "it was not run"
    return Run(job.seed, str(job.folder), {}, {}, failure=reason)


def measured(folder: Path) -> Run:
    """The numbers of a finished run, from its folder alone.

    Scores and AER are those of the test split. perplexity is that of the validation split for the same model: a
    target piece's, so it can only be compared between variants with one vocabulary. tokens_per_second is the median
    over the lines of metrics.jsonl, in target tokens; minutes are those of training with its validations.
    """
    scores, about = read_json(folder / run_folder.SCORES), read_json(folder / run_folder.RUN)
    metrics = rows(folder / METRICS)
    found = {name(score): score for score in scores["test"]}
    values = {key: score["value"] for key, score in found.items()} | scores["alignment"]
    values["parameters"] = about["parameters"]
    if (perplexity := validation(folder).get("perplexity")) is not None:
        values["perplexity"] = perplexity
    if speeds := [row["tokens_per_second"] for row in metrics if row["kind"] == "train"]:
        values["tokens_per_second"] = median(speeds)
    values["minutes"] = max((row["minutes"] for row in metrics if "minutes" in row), default=0.0)
    signatures = {key: score["signature"] for key, score in found.items()}
    return Run(about["seed"], str(folder), values, signatures, split=split(folder))


def name(score: dict[str, str]) -> str:
    """A score's own name, without that of the split before it."""
    return score["name"].split(" ", 1)[1]


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


def significance(first: Sequence[Run], other: Sequence[Run]) -> Significance | None:
    """Paired bootstrap tests of BLEU, over the seeds that both variants finished; None where there is no such pair.

    Three numbers, as no single one tells all: `difference` of the means; `p_value` of that difference, sentences being
    resampled and each drawn with its translations by all seeds (see `seeds_bootstrap`); and for each seed the p-value
    of its own pair of runs, by sacreBLEU. Concatenating the test sets of all seeds would be simpler, but takes several
    translations of one sentence for independent evidence and so finds significance too easily. Both tests ask whether
    other test sentences could turn the result, for the models that were trained; how much other seeds would change it
    is what the standard deviations show. Nothing is corrected for the number of variants.
    """
    pairs = [(a, b) for a in first for b in other if a.seed == b.seed and not (a.failure or b.failure)]
    texts = [(references(a), references(b)) for a, b in pairs]
    if not pairs or any(text != texts[0][0] for pair in texts for text in pair):  # other data, so nothing is paired
        return None
    reference = texts[0][0]
    systems = [(hypotheses(a), hypotheses(b)) for a, b in pairs]
    seeds = {
        a.seed: paired_bootstrap(reference, {"first": one, "other": two})["other"].p_value
        for (a, _), (one, two) in zip(pairs, systems, strict=True)
    }
    together = seeds_bootstrap(reference, [one for one, _ in systems], [two for _, two in systems])
    difference = sum(b.values["BLEU"] - a.values["BLEU"] for a, b in pairs) / len(pairs)
    return Significance(difference, together, {seed: p for seed, p in seeds.items() if p is not None})


def references(run: Run) -> list[str]:
    """The references that a run was scored with."""
    return lines(Path(run.folder) / f"{run.split}.references.txt")


def hypotheses(run: Run) -> list[str]:
    """The translations that a run was scored for."""
    return lines(Path(run.folder) / f"{run.split}.hypotheses.txt")


def lines(path: Path) -> list[str]:
    """The lines of a file that we wrote: nothing but a line feed ends one."""
    return path.read_bytes().decode().split("\n")[:-1]
