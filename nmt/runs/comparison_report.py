"""A comparison as `nmt.report.html` draws it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.errors import CheckpointError
from nmt.report.about import format_now
from nmt.report.comparison import Comparison, RunScores, VariantScores, list_notes, list_signatures
from nmt.report.score_table import (
    build_faithfulness_table,
    build_pair_table,
    build_score_table,
)
from nmt.report.significance_table import DECIDING_TEST
from nmt.runs import run_folder
from nmt.runs.disagreement import tabulate_disagreements
from nmt.runs.report_texts import (
    choose_furthest,
    describe_all,
    link_runs,
)
from nmt.runs.run_report import build_run_record
from nmt.storage.files import read_json

COSTS = [
    {"name": "parameters", "head": "parameters", "better": "less"},
    {"name": "tokens_per_second", "head": "training tokens per second", "better": "more"},
    {"name": "minutes", "head": "minutes of training", "better": "less"},
    {"name": "memory_mib", "head": "MiB of memory", "better": "less"},
    {"name": "sentences_per_second", "head": "sentences translated per second", "better": "more"},
]

STARS_NOTE = f"Stars: * p < 0.05, ** p < 0.01, *** p < 0.001, of the adjusted p by {DECIDING_TEST} over sentences."


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
