"""report.html and the figures beside it, from finished run folders alone."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

import numpy as np

from nmt.errors import CheckpointError
from nmt.evaluation import floor
from nmt.evaluation.bleu_by_length import Bucket, score_by_length
from nmt.evaluation.bleu_tokens import DEFAULT_TOKENIZER, read_tokenizer
from nmt.evaluation.measures import Disagreement, compute_disagreement
from nmt.evaluation.significance import run_paired_bootstrap
from nmt.report.about import format_now
from nmt.report.comparison import Comparison, RunScores, VariantScores, convert_buckets, list_notes, list_signatures
from nmt.report.explanation import Explanation
from nmt.report.html import render_page
from nmt.report.score_table import (
    build_faithfulness_table,
    build_measure_table,
    build_pair_table,
    build_score_table,
)
from nmt.report.significance_table import DECIDING_TEST
from nmt.runs import run_folder
from nmt.runs.heatmaps import render_for_papers
from nmt.runs.improvement import ADVICE, is_still_improving
from nmt.runs.report_texts import (
    choose_furthest,
    choose_worst,
    describe,
    describe_all,
    link_runs,
    read_scored_texts,
    read_texts,
)
from nmt.storage.files import explain_disk_errors, read_json, write_atomically
from nmt.training.metrics_logger import METRICS, read_rows

logger = logging.getLogger(__name__)

COSTS = [
    {"name": "parameters", "head": "parameters", "better": "less"},
    {"name": "tokens_per_second", "head": "training tokens per second", "better": "more"},
    {"name": "minutes", "head": "minutes of training", "better": "less"},
    {"name": "memory_mib", "head": "MiB of memory", "better": "less"},
    {"name": "sentences_per_second", "head": "sentences translated per second", "better": "more"},
]

STARS_NOTE = f"Stars: * p < 0.05, ** p < 0.01, *** p < 0.001, of the adjusted p by {DECIDING_TEST} over sentences."


def write_run(
    folder: Path,
    scores: Sequence[Mapping[str, Any]],
    alignment: Mapping[str, float],
    reason: str | None = None,
    faithfulness: Mapping[str, float] = MappingProxyType({}),
    explanation: Explanation | None = None,
) -> None:
    """The report of a run and its figures, as `write` does; `scores` and `alignment` are those of the test set,
    `reason` is why training ended, `faithfulness` are measures of the validation set, and `explanation` is that of one
    word."""
    best = folder / run_folder.CHECKPOINTS / "best"

    def read_report() -> Mapping[str, Any]:
        report = build_run_report(folder, scores, alignment, reason, faithfulness)
        return {**report, "explanation": explanation}

    write(folder, read_report, lambda: render_for_papers(best))


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """The report of a comparison and its figures, as `write` does."""
    write(folder, lambda: build_comparison_report(comparison, folder.resolve().name, folder))


def write(
    folder: Path,
    read_report: Callable[[], Mapping[str, Any]],
    draw_heatmaps: Callable[[], Iterable[tuple[str, bytes]]] = tuple,
) -> None:
    """Writes report.html and figures/; what cannot be drawn is missing, with a warning, and the runs are as good.

    `read_report` reads what the report tells; `draw_heatmaps` draws further figures. Raises CheckpointError if a file
    cannot be written.
    """
    try:
        report = read_report()
        content = render_page(report)
    except Exception as problem:
        logger.warning("%s could not be drawn: %r", run_folder.REPORT, problem)
        return
    write_atomically(folder / run_folder.REPORT, content)
    try:
        pictures = dict([*draw_figures(report), *draw_heatmaps()])
    except Exception as problem:
        logger.warning("%s could not be drawn: %r", run_folder.FIGURES, problem)
        return
    place = folder / run_folder.FIGURES
    with explain_disk_errors("write", place):
        place.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        write_atomically(place / name, picture)


def draw_figures(report: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Every figure as PNG and PDF, and every panel as PDF: the names of the files and what is in them."""
    from nmt.report.figures import build_figures, build_panel_figures
    from nmt.report.formats import encode

    for name, figure in build_figures(report).items():
        yield f"{name}.png", encode(figure, "png")
        yield f"{name}.pdf", encode(figure, "pdf")
    for name, figure in build_panel_figures(report).items():
        yield f"{name}.pdf", encode(figure, "pdf")


# A run --------------------------------------------------------------------------------------------------------------


def build_run_report(
    folder: Path,
    scores: Sequence[Mapping[str, Any]],
    alignment: Mapping[str, float],
    reason: str | None = None,
    faithfulness: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Any]:
    """A run as `nmt.report.html.page` takes it."""
    text = read_scored_texts(folder)
    about = read_json(folder / run_folder.RUN)
    values = {score["name"].split(" ", 1)[-1]: score["value"] for score in scores}
    tokenize = read_tokenizer(scores[0]["signature"]) if scores else DEFAULT_TOKENIZER  # the first is BLEU
    values |= {f"faithfulness.{name}": value for name, value in faithfulness.items()}
    run = build_run_record(folder, about["seed"], values, score_by_length(*text, tokenize=tokenize) if text else [])
    minutes = max((row["minutes"] for row in run["metrics"] if "minutes" in row), default=0.0)
    split = scores[0]["name"].split()[0] if scores else "test"
    facts = [
        *((score["name"], f"{score['value']:.2f}") for score in scores[:1]),
        *((f"{split} AER", f"{alignment[name]:.3f}") for name in ("AER",) if name in alignment),
        ("parameters", f"{about['parameters']:,}"),
        ("training", f"{minutes:.1f} minutes, {max((row['step'] for row in run['metrics']), default=0):,} steps"),
        ("device", f"{about['device']}, {about['threads']} threads"),
        ("seed", str(about["seed"])),
    ]
    table = [{"label": score["name"], "cells": [{"text": f"{score['value']:.2f}"}]} for score in scores]
    table += [{"label": name, "cells": [{"text": f"{value:.3f}"}]} for name, value in alignment.items()]
    remarks = list(map(describe_bleu, (score for score in scores if score.get("details"))))
    if scores and text and (found := format_interval(text, tokenize)):
        table[0]["cells"][0]["interval"] = found
        remarks.append(
            "Below BLEU: its 95 % interval, had other sentences been drawn for the test set (bootstrap, 1000 samples)."
        )
    remarks += [] if (problem := floor.explain_unlearnt(values)) is None else [f"Not learnt: {problem}."]
    remarks += [f"Still improving: {ADVICE}."] if is_still_improving(folder) else []
    return {
        "title": folder.resolve().name,
        "created": format_now(),
        "facts": facts,
        "scores": {"columns": [{"head": "value"}], "rows": table, "notes": remarks},
        "faithfulness": build_measure_table(values),
        "signatures": [(score["name"], score["signature"]) for score in scores],
        "commands": [("This run", about["command"]), ("Its commit", about["commit"] or "not a checkout")],
        "variants": [{"label": folder.resolve().name, "runs": [run]}],
        "about": describe(folder, reason=reason),
        "passages": choose_worst(whole) if (whole := read_texts(folder)) else None,
    }


def build_run_record(folder: Path, seed: int, values: Mapping[str, float], lengths: Sequence[Bucket]) -> dict[str, Any]:
    """What is drawn of one run folder."""
    return {
        "seed": seed,
        "metrics": read_rows(folder / METRICS),
        "probes": run_folder.read_probes(folder),
        "explanations": run_folder.read_explanations(folder),
        "values": dict(values),
        "lengths": convert_buckets(lengths),
    }


def format_interval(text: Sequence[Sequence[str]], tokenize: str = DEFAULT_TOKENIZER) -> str:
    """The 95 % interval of BLEU over resampled test sets. `text`: as `scored` gives it."""
    _, hypotheses, references = text
    sampled = run_paired_bootstrap(references, {"run": hypotheses}, tokenize=tokenize)["run"]
    return f"{max(sampled.mean - sampled.ci, 0.0):.1f} to {min(sampled.mean + sampled.ci, 100.0):.1f}"


def describe_bleu(score: Mapping[str, Any]) -> str:
    """What a BLEU is made of, in a sentence."""
    parts = score["details"]
    precisions = " / ".join(f"{value:.1f}" for value in parts["precisions"])
    return (
        f"{score['name']}: precisions of n-grams {precisions} % (n = 1 to {len(parts['precisions'])}), brevity penalty "
        f"{parts['brevity_penalty']:.3f}, length ratio {parts['length_ratio']:.3f} ({parts['hypothesis_length']:,} "
        f"tokens translated, {parts['reference_length']:,} in the references)."
    )


# A comparison -------------------------------------------------------------------------------------------------------


def build_comparison_report(comparison: Comparison, title: str, folder: Path | None = None) -> dict[str, Any]:
    """A comparison as `nmt.report.html.page` takes it, with links to its runs where `folder` is its own; ensembles, and
    what has no finished run, are in tables only."""
    finished = [variant for variant in comparison.variants if variant.finished_runs]
    variants = [
        {
            "label": variant.label,
            "runs": [
                build_run_record(Path(run.folder), run.seed, run.values, run.lengths)
                for run in list_finished_runs(variant)
            ],
        }
        for variant in finished
        if not variant.is_ensemble
    ]
    *note_lines, _ = list_notes(comparison)
    failures = [line for line in note_lines if line.startswith("FAILED")]
    remarks = [
        line
        for line in note_lines
        if line not in failures and not any(line.endswith(s) for _, s in list_signatures(comparison))
    ]
    seeds = sorted({run.seed for run in comparison.runs})
    ensembles = sum(variant.is_ensemble for variant in comparison.variants)
    return {
        "title": title,
        "created": format_now(),
        "facts": [
            ("variants", str(len(comparison.variants) - ensembles)),
            *([("ensembles", str(ensembles))] if ensembles else []),
            ("seeds", ", ".join(map(str, seeds))),
            ("baseline", comparison.baseline),
        ],
        "scores": {**build_score_table(comparison), "notes": [*remarks, STARS_NOTE]},
        "pairs": build_pair_table(comparison),
        "faithfulness": build_faithfulness_table(comparison.variants),
        "signatures": list_signatures(comparison),
        "commands": [("This comparison", comparison.command), *list_commands(finished)],
        "variants": variants,
        "costs": COSTS,
        "disagreement": tabulate_disagreements(variants),
        "failures": failures,
        "about": describe_all(comparison),
        "passages": choose_furthest(comparison),
        "links": [] if folder is None else link_runs(comparison, folder),
    }


def list_finished_runs(variant: VariantScores) -> list[RunScores]:
    """The runs of a variant that came to scores."""
    return [run for run in variant.runs if run.failure is None]


def list_commands(variants: Sequence[VariantScores]) -> list[tuple[str, str]]:
    """The command of every finished run."""
    found = []
    for variant in variants:
        for run in list_finished_runs(variant):
            try:
                found.append(
                    (f"{variant.label} seed {run.seed}", read_json(Path(run.folder) / run_folder.RUN)["command"])
                )
            except CheckpointError:  # copied without it
                continue
    return found


def tabulate_disagreements(variants: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Every variant against every other, and against itself between its seeds: means over pairs of runs.

    From the forced references of the probes at each run's last checkpoint that drew them.
    """
    runs = [[read_forced_weights(run["probes"]) for run in variant["runs"]] for variant in variants]
    size, words = len(runs), 0
    tables: dict[str, list[list[float | None]]] = {
        key: [[None] * size for _ in range(size)] for key in ("divergence", "variation")
    }
    for i in range(size):
        for j in range(i, size):
            pairs = [(a, b) for m, a in enumerate(runs[i]) for n, b in enumerate(runs[j]) if i != j or m < n]
            found = [each for a, b in pairs if (each := compare_forced_weights(a, b)) is not None]
            if found:
                words = max(words, *(each.words for each in found))
                for key, cells in tables.items():
                    cells[i][j] = cells[j][i] = fmean(getattr(each, key) for each in found)
    return {**tables, "words": words} if words else None


ForcedWeights = dict[tuple[str, str], np.ndarray]


def read_forced_weights(probes: Sequence[Mapping[str, Any]]) -> ForcedWeights:
    """The last forced weights of each probe, by its source and reference."""
    found = {}
    for probe in probes:
        frames = [frame["forced"] for frame in probe["frames"] if frame.get("forced")]
        if frames:
            found[" ".join(probe["source"]), probe["reference"]] = np.array(frames[-1]["weights"], dtype=float)
    return found


def compare_forced_weights(first: ForcedWeights, other: ForcedWeights) -> Disagreement | None:
    """How differently two runs look at the probes that both have."""
    return compute_disagreement((first[key], other[key]) for key in first if key in other)
