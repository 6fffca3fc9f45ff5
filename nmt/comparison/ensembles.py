"""Ensembles of a comparison's runs, as rows of its table: what the seeds of a variant, or all variants of a seed, say
together. Their translations and scores lie in folders beside those of the variants, in files of the same names."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from nmt import build
from nmt.comparison import results
from nmt.comparison.local import say
from nmt.comparison.plan import Job
from nmt.data.corpus import Split
from nmt.data.held_out import choose
from nmt.data.quality import complete
from nmt.errors import CheckpointError, ConfigError, DataError, NmtError
from nmt.evaluation.alignment import parse
from nmt.evaluation.bleu_tokens import DEFAULT, settled
from nmt.evaluation.validation import given, linked
from nmt.inference.inference import Work, load_all, translator
from nmt.inference.resumable import fingerprint
from nmt.report.comparison import Run
from nmt.runs import run_folder
from nmt.runs.report_texts import texts
from nmt.runs.training_run import scored
from nmt.storage import files
from nmt.storage.untrusted_paths import model_folder
from nmt.translation.translator import Translator

Kind = Literal["none", "seeds", "variants", "both"]
"""Which ensembles there are: of the seeds of each variant, and of all variants of each seed."""

SEEDS, VARIANTS = "ensemble-of-seeds", "ensemble-of-variants"
"""The labels of the rows; the variant whose seeds they are comes after the first."""

MEMBERS = "members"
"""What names the models of an ensemble in its run.json: the SHA-256 of each."""


class Together(NamedTuple):
    """Runs that are to translate as one. `label` is that of a row and of the folder with all of the row's folders."""

    label: str
    seed: int
    folder: Path
    jobs: list[Job]


def planned(jobs: Sequence[Job], kind: Kind, output: Path) -> list[Together]:
    """The ensembles of a comparison, row by row. Raises ConfigError where one would be of a single run."""
    found: list[Together] = []
    by_variant: dict[str, list[Job]] = {}
    by_seed: dict[int, list[Job]] = {}
    for job in jobs:
        by_variant.setdefault(job.variant, []).append(job)
        by_seed.setdefault(job.seed, []).append(job)
    if kind in ("seeds", "both"):
        enough(kind, len(by_seed), "seeds of each variant", "seeds=3")
        for variant, own in by_variant.items():
            label = f"{SEEDS},{variant}"
            folder = output / label / f"seed-{'+'.join(str(job.seed) for job in own)}"
            found.append(Together(label, own[0].seed, folder, own))
    if kind in ("variants", "both"):
        enough(kind, len(by_variant), "variants of each seed", "attention=bahdanau,luong_general")
        found += [Together(VARIANTS, seed, output / VARIANTS / f"seed-{seed}", own) for seed, own in by_seed.items()]
    return found


def enough(kind: Kind, count: int, what: str, example: str) -> None:
    """Raises ConfigError unless there are several."""
    if count < 2:
        raise ConfigError(
            f"ensembles={kind} puts all {what} together, and there is only one. Ask for more, such as {example}, or "
            "choose ensembles=none."
        )


def collect(ensembles: Sequence[Together]) -> dict[str, list[Run]]:
    """What all ensembles came to, by the label of their row, translated where that is not done."""
    runs: dict[str, list[Run]] = {}
    for each in ensembles:
        runs.setdefault(each.label, []).append(result(each))
    return runs


def paired(ensembles: Sequence[Together], runs: Mapping[str, Sequence[Run]]) -> dict[str, list[Run]]:
    """How ensembles of seeds are tested: against what others have for each of their seeds."""
    return {
        each.label: [replace(run, seed=job.seed) for job in each.jobs for run in runs[each.label]]
        for each in ensembles
        if each.label != VARIANTS
    }


def result(each: Together) -> Run:
    """What an ensemble came to, or why it came to nothing."""
    name = f"{each.label} {each.folder.name}:"
    try:
        if done(each):
            say(f"{name} translated before")
        else:
            say(f"{name} translating")
            translate(each)
    except NmtError as problem:
        say(f"{name} FAILED: {problem}")
        return Run(each.seed, str(each.folder), {}, {}, members=len(each.jobs), failure=str(problem).splitlines()[0])
    run = results.measured(each.folder)
    minutes = sum(results.measured(job.folder).values["minutes"] for job in each.jobs)
    return replace(run, values=run.values | {"minutes": minutes}, members=len(each.jobs))


def done(each: Together) -> bool:
    """Whether the folder holds the scores of these models, with this search. Raises DataError if a run is missing."""
    if lost := [job for job in each.jobs if not run_folder.finished(job.folder, job.settings)]:
        raise DataError(f"an ensemble needs all of its runs, and {lost[0].variant} seed {lost[0].seed} did not finish")
    try:
        about = files.read_json(each.folder / run_folder.RUN)
    except CheckpointError:
        return False
    written = {"tokenize": DEFAULT, **about}  # version 0.1 knew no other
    return (each.folder / run_folder.SCORES).exists() and identity(each).items() <= written.items()


def identity(each: Together) -> dict[str, Any]:
    """All that shapes the translations of an ensemble and their scores, as JSON."""
    return {
        MEMBERS: [fingerprint(model_folder(job.folder)) for job in each.jobs],
        "search": each.jobs[0].settings["search"],
        "tokenize": settled(each.jobs[0].settings),
    }


def translate(each: Together) -> None:
    """Translates the text that the runs were tested on, and writes what a run would. Raises NmtError."""
    split, source, references = tested(each.jobs)
    settings = each.jobs[0].settings
    work = Work(device=settings["device"], threads=settings["threads"], tokens=Translator.tokens)
    loaded = load_all([str(job.folder) for job in each.jobs], work)
    worker = translator(loaded[0], work, settings["search"], others=loaded[1:], weights=False)
    hypotheses = [translation.text for translation in worker.translate(source, progress=True)]
    language = loaded[0].settings["target_language"]
    found = scored(source, hypotheses, references, name=split, language=language, tokenize=settled(settings))
    alone = [translator(member, work, settings["search"]) for member in loaded]
    links = alignment(alone, settings, split, source, references)
    models = ",".join(str(job.folder) for job in each.jobs)
    paths = {kind: str(each.folder / f"{split}.{kind}.txt") for kind in ("source", "hypotheses", "references")}
    command = ["nmt-evaluate", f"model=[{models}]", *(f"{kind}={paths[kind]}" for kind in ("source", "references"))]
    command += [f"bleu.tokenize={name}"] if (name := settings["bleu"]["tokenize"]) != "auto" else []
    about = {
        "command": shlex.join(command),
        "commit": run_folder.commit(),
        "seed": each.seed,
        "parameters": sum(build.parameter_count(member.model) for member in loaded),
        **identity(each),
    }
    with files.explained("write", each.folder):
        each.folder.mkdir(parents=True, exist_ok=True)
        (each.folder / run_folder.SCORES).unlink(missing_ok=True)
    files.replace(each.folder / run_folder.RUN, files.as_json(about))
    for path, lines in zip(paths.values(), (source, hypotheses, references), strict=True):
        files.replace(Path(path), "".join(f"{line}\n" for line in lines))
    # Last, because it says that all is there.
    files.replace(each.folder / run_folder.SCORES, files.as_json({"test": found, "alignment": links}))


def tested(jobs: Sequence[Job]) -> tuple[Split, list[str], list[str]]:
    """The split that all runs were scored on, and its text. Raises DataError where they were scored on others."""
    found = []
    for job in jobs:
        if (kept := texts(job.folder)) is None:
            raise DataError(f"{job.folder} does not hold the text that it was tested on")
        found.append((results.split(job.folder), kept[0], kept[2]))
    if other := [job for job, one in zip(jobs, found, strict=True) if one != found[0]]:
        raise DataError(f"{jobs[0].folder} and {other[0].folder} were tested on different text")
    split, source, references = found[0]
    return "test" if split == "test" else "validation", source, references


def alignment(
    workers: Sequence[Translator], settings: dict[str, Any], split: Split, source: list[str], references: list[str]
) -> dict[str, float]:
    """AER, precision and recall of the mean of all models' weights on the references, where there are gold links and
    models with attention."""
    workers = [worker for worker in workers if worker.model.has_attention]
    if not workers:
        return {}
    text = build.corpus(settings).load(split)
    if text is not None and split == "validation":
        text = choose(text, complete(text.source, text.target))
    if text is None or text.links is None or list(text.source) != source:
        return {}
    gold = parse(text.links, name="the gold links")
    found = linked(list(averaged(workers, source, references)), gold, position="predicted")
    return {"AER": found.aer, "precision": found.precision, "recall": found.recall}


def averaged(workers: Sequence[Translator], source: list[str], target: list[str]) -> Iterator[Any]:
    """The attention of an ensemble that is made to produce given translations."""
    for pairs in zip(*(given(worker, source, target) for worker in workers), strict=True):
        yield pairs[0]._replace(weights=np.mean([pair.weights for pair in pairs], 0))
