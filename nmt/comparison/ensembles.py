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
from nmt.comparison.local import log_line
from nmt.comparison.plan import Job
from nmt.data.corpus import Split
from nmt.data.held_out import select_pairs
from nmt.data.quality import find_complete
from nmt.errors import CheckpointError, ConfigError, DataError, NmtError
from nmt.evaluation.alignment import parse_pharaoh
from nmt.evaluation.bleu_tokens import DEFAULT_TOKENIZER, resolve_tokenizer
from nmt.evaluation.validation import compute_forced_attention, score_attention_links
from nmt.inference.inference import InferenceSettings, build_translator, load_all
from nmt.inference.resumable import hash_model_folder
from nmt.report.comparison import RunScores
from nmt.runs import run_folder
from nmt.runs.final_scores import score_split
from nmt.runs.report_texts import read_texts
from nmt.storage import files
from nmt.storage.untrusted_paths import find_model_folder
from nmt.translation.translator import BatchTranslator

EnsembleKind = Literal["none", "seeds", "variants", "both"]
"""Which ensembles there are: of the seeds of each variant, and of all variants of each seed."""

SEEDS_LABEL, VARIANTS_LABEL = "ensemble-of-seeds", "ensemble-of-variants"
"""The labels of the rows; the variant whose seeds they are comes after the first."""

MEMBERS_KEY = "members"
"""What names the models of an ensemble in its run.json: the SHA-256 of each."""


class EnsembleRow(NamedTuple):
    """Runs that are to translate as one. `label` is that of a row and of the folder with all of the row's folders."""

    label: str
    seed: int
    folder: Path
    jobs: list[Job]


def plan_ensembles(jobs: Sequence[Job], kind: EnsembleKind, output: Path) -> list[EnsembleRow]:
    """The ensembles of a comparison, row by row. Raises ConfigError where one would be of a single run."""
    found: list[EnsembleRow] = []
    by_variant: dict[str, list[Job]] = {}
    by_seed: dict[int, list[Job]] = {}
    for job in jobs:
        by_variant.setdefault(job.variant, []).append(job)
        by_seed.setdefault(job.seed, []).append(job)
    if kind in ("seeds", "both"):
        check_several(kind, len(by_seed), "seeds of each variant", "seeds=3")
        for variant, own in by_variant.items():
            label = f"{SEEDS_LABEL},{variant}"
            folder = output / label / f"seed-{'+'.join(str(job.seed) for job in own)}"
            found.append(EnsembleRow(label, own[0].seed, folder, own))
    if kind in ("variants", "both"):
        check_several(kind, len(by_variant), "variants of each seed", "attention=bahdanau,luong_general")
        found += [
            EnsembleRow(VARIANTS_LABEL, seed, output / VARIANTS_LABEL / f"seed-{seed}", own)
            for seed, own in by_seed.items()
        ]
    return found


def check_several(kind: EnsembleKind, count: int, what: str, example: str) -> None:
    """Raises ConfigError unless there are several."""
    if count < 2:
        raise ConfigError(
            f"ensembles={kind} puts all {what} together, and there is only one. Ask for more, such as {example}, or "
            "choose ensembles=none."
        )


def collect_ensembles(ensembles: Sequence[EnsembleRow]) -> dict[str, list[RunScores]]:
    """What all ensembles came to, by the label of their row, translated where that is not done."""
    runs: dict[str, list[RunScores]] = {}
    for each in ensembles:
        runs.setdefault(each.label, []).append(compute_ensemble_run(each))
    return runs


def pair_by_seed(
    ensembles: Sequence[EnsembleRow], runs: Mapping[str, Sequence[RunScores]]
) -> dict[str, list[RunScores]]:
    """How ensembles of seeds are tested: against what others have for each of their seeds."""
    return {
        each.label: [replace(run, seed=job.seed) for job in each.jobs for run in runs[each.label]]
        for each in ensembles
        if each.label != VARIANTS_LABEL
    }


def compute_ensemble_run(each: EnsembleRow) -> RunScores:
    """What an ensemble came to, or why it came to nothing."""
    name = f"{each.label} {each.folder.name}:"
    try:
        if is_current(each):
            log_line(f"{name} translated before")
        else:
            log_line(f"{name} translating")
            translate_ensemble(each)
        run = results.read_run(each.folder)
        minutes = sum(results.read_run(job.folder).values["minutes"] for job in each.jobs)
    except NmtError as problem:
        log_line(f"{name} FAILED: {problem}")
        return RunScores(
            each.seed, str(each.folder), {}, {}, members=len(each.jobs), failure=str(problem).splitlines()[0]
        )
    return replace(run, values=run.values | {"minutes": minutes}, members=len(each.jobs))


def is_current(each: EnsembleRow) -> bool:
    """Whether the folder holds the scores of these models, with this search. Raises DataError if a run is missing."""
    if missing_jobs := [job for job in each.jobs if not run_folder.is_finished(job.folder, job.settings)]:
        raise DataError(
            f"an ensemble needs all of its runs, and {missing_jobs[0].variant} seed {missing_jobs[0].seed} did not "
            "finish"
        )
    try:
        about = files.read_json(each.folder / run_folder.RUN)
    except CheckpointError:
        return False
    recorded = {"tokenize": DEFAULT_TOKENIZER, **about}  # version 0.1 knew no other
    return (each.folder / run_folder.SCORES).exists() and build_identity(each).items() <= recorded.items()


def build_identity(each: EnsembleRow) -> dict[str, Any]:
    """All that shapes the translations of an ensemble and their scores, as JSON."""
    return {
        MEMBERS_KEY: [hash_model_folder(find_model_folder(job.folder)) for job in each.jobs],
        "search": each.jobs[0].settings["search"],
        "tokenize": resolve_tokenizer(each.jobs[0].settings),
    }


def translate_ensemble(each: EnsembleRow) -> None:
    """Translates the text that the runs were tested on, and writes what a run would. Raises NmtError."""
    split, source, references = read_common_text(each.jobs)
    settings = each.jobs[0].settings
    inference_settings = InferenceSettings(
        device=settings["device"],
        threads=settings["threads"],
        tokens=BatchTranslator.tokens,
        kernels=settings["kernels"],
    )
    loaded = load_all([str(job.folder) for job in each.jobs], inference_settings)
    worker = build_translator(loaded[0], inference_settings, settings["search"], others=loaded[1:], weights=False)
    hypotheses = [translation.text for translation in worker.translate(source, progress=True)]
    language = loaded[0].settings["target_language"]
    scores = score_split(
        source, hypotheses, references, name=split, language=language, tokenize=resolve_tokenizer(settings)
    )
    translators = [build_translator(member, inference_settings, settings["search"]) for member in loaded]
    links = compute_ensemble_alignment(translators, settings, split, source, references)
    models = ",".join(str(job.folder) for job in each.jobs)
    paths = {kind: str(each.folder / f"{split}.{kind}.txt") for kind in ("source", "hypotheses", "references")}
    command = ["nmt-evaluate", f"model=[{models}]", *(f"{kind}={paths[kind]}" for kind in ("source", "references"))]
    command += [f"bleu.tokenize={name}"] if (name := settings["bleu"]["tokenize"]) != "auto" else []
    run_info = {
        "command": shlex.join(command),
        "commit": run_folder.find_commit(),
        "seed": each.seed,
        "parameters": sum(build.count_parameters(member.model) for member in loaded),
        **build_identity(each),
    }
    with files.explain_disk_errors("write", each.folder):
        each.folder.mkdir(parents=True, exist_ok=True)
        (each.folder / run_folder.SCORES).unlink(missing_ok=True)
    files.write_atomically(each.folder / run_folder.RUN, files.format_json(run_info))
    for path, lines in zip(paths.values(), (source, hypotheses, references), strict=True):
        files.write_atomically(Path(path), "".join(f"{line}\n" for line in lines))
    # Last, because it says that all is there.
    files.write_atomically(each.folder / run_folder.SCORES, files.format_json({"test": scores, "alignment": links}))


def read_common_text(jobs: Sequence[Job]) -> tuple[Split, list[str], list[str]]:
    """The split that all runs were scored on, and its text. Raises DataError where they were scored on others."""
    texts_by_job = []
    for job in jobs:
        if (run_text := read_texts(job.folder)) is None:
            raise DataError(f"{job.folder} does not hold the text that it was tested on")
        texts_by_job.append((results.find_scored_split(job.folder), run_text[0], run_text[2]))
    if other := [job for job, one in zip(jobs, texts_by_job, strict=True) if one != texts_by_job[0]]:
        raise DataError(f"{jobs[0].folder} and {other[0].folder} were tested on different text")
    split, source, references = texts_by_job[0]
    return "test" if split == "test" else "validation", source, references


def compute_ensemble_alignment(
    workers: Sequence[BatchTranslator], settings: dict[str, Any], split: Split, source: list[str], references: list[str]
) -> dict[str, float]:
    """AER, precision and recall of the mean of all models' weights on the references, where there are gold links and
    models with attention."""
    workers = [worker for worker in workers if worker.model.has_attention]
    if not workers:
        return {}
    text = build.build_corpus(settings).load(split)
    if text is not None and split == "validation":
        text = select_pairs(text, find_complete(text.source, text.target))
    if text is None or text.alignments is None or list(text.source) != source:
        return {}
    gold = parse_pharaoh(text.alignments, name="the gold links")
    found = score_attention_links(
        list(average_member_attention(workers, source, references)), gold, position="predicted"
    )
    return {"AER": found.aer, "precision": found.precision, "recall": found.recall}


def average_member_attention(workers: Sequence[BatchTranslator], source: list[str], target: list[str]) -> Iterator[Any]:
    """The attention of an ensemble that is made to produce given translations."""
    for pairs in zip(*(compute_forced_attention(worker, source, target) for worker in workers), strict=True):
        yield pairs[0]._replace(weights=np.mean([pair.weights for pair in pairs], 0))
