"""The text of a report, from finished run folders: what a run is, sentences to read, and links to the runs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt.data.quality import find_complete, pick
from nmt.errors import CheckpointError, ConfigError
from nmt.evaluation.examples import find_furthest, find_worst, sentence_chrf
from nmt.renames import rename_settings
from nmt.report.about import Group, describe_run, merge_descriptions
from nmt.report.comparison import Comparison, RunScores, VariantScores
from nmt.runs import run_folder
from nmt.storage.files import read_json
from nmt.storage.yaml_files import parse_yaml

RUN_EXAMPLES, VARIANT_EXAMPLES = 20, 10
"""Sentences that are shown of a run, and of each variant of a comparison."""

CHRF = "chrF2 of single sentences"


def read_texts(folder: Path) -> list[list[str]] | None:
    """Source, hypotheses and references of the split that was scored; None where a run kept no text."""
    for split in ("test", "validation"):
        paths = [folder / f"{split}.{kind}.txt" for kind in ("source", "hypotheses", "references")]
        if all(path.exists() for path in paths):
            return [path.read_bytes().decode().split("\n")[:-1] for path in paths]
    return None


def read_scored_texts(folder: Path) -> list[list[str]] | None:
    """The same without the lines that scores leave out, whose source or reference is blank."""
    if (found := read_texts(folder)) is None:
        return None
    places = find_complete(found[0], found[2])
    return [pick(side, places) for side in found]


# What runs are ------------------------------------------------------------------------------------------------------


def describe(folder: Path, *, reason: str | None = None) -> list[Group]:
    """What the run in a folder is, as far as its run.json and config.yaml say; `reason`: why training ended."""
    return describe_run(read_json(folder / run_folder.RUN), read_settings(folder), reason=reason)


def read_settings(folder: Path) -> Mapping[str, Any]:
    """The settings of a run by the names of today; none where they are not there, or are no settings."""
    try:
        found = parse_yaml((folder / run_folder.CONFIG).read_text(encoding="utf-8")).value
        return rename_settings(found) if isinstance(found, dict) else {}
    except (OSError, ValueError, ConfigError):
        return {}


def describe_all(comparison: Comparison) -> list[Group]:
    """What all finished runs of a comparison have in common, and what differs."""
    found = []
    for run in comparison.runs:
        if run.failure is None and run.members == 1:
            try:
                found.append(describe(Path(run.folder)))
            except CheckpointError:  # copied without it
                continue
    return merge_descriptions(found)


# Sentences ----------------------------------------------------------------------------------------------------------


def choose_worst(text: Sequence[Sequence[str]]) -> dict[str, Any] | None:
    """The sentences with the lowest scores, as `nmt.report.html.page` takes them; None where no line is scored. `text`:
    as `read_texts` gives it."""
    source, hypotheses, references = text
    places = find_complete(source, references)
    if not places:
        return None
    scores = sentence_chrf(pick(hypotheses, places), pick(references, places))
    examples = [
        {
            "title": f"Line {places[worst] + 1}, chrF {scores[worst]:.1f}",
            "lines": [
                ("source", source[places[worst]]),
                ("reference", references[places[worst]]),
                ("translation", hypotheses[places[worst]]),
            ],
        }
        for worst in find_worst(scores, count=RUN_EXAMPLES)
    ]
    note = f"The {len(examples)} of {len(places):,} sentences that are furthest from their reference, by {CHRF}."
    return {"title": "Translations, the worst first", "note": note, "groups": [{"label": None, "examples": examples}]}


def choose_furthest(comparison: Comparison) -> dict[str, Any] | None:
    """For each variant the sentences that it and the baseline translate most differently, by the first seed that both
    have; None where nothing can be held against the baseline."""
    baseline = next((variant for variant in comparison.variants if variant.label == comparison.baseline), None)
    if baseline is None:
        return None
    known: dict[str, tuple[list[list[str]], list[float]] | None] = {}
    groups = []
    for variant in comparison.variants:
        if variant is not baseline and (pair := find_first_pair(baseline, variant)) is not None:
            examples = compare_sentences(pair, (baseline.label, variant.label), known)
            groups.append({"label": f"{variant.label}, seed {pair[0].seed}", "examples": examples})
    note = (
        f"The {VARIANT_EXAMPLES} sentences on which each variant and {comparison.baseline} differ most, by {CHRF}, "
        "of the "
        "first seed that both have."
    )
    return {"title": "Where the variants differ", "note": note, "groups": groups}


def find_first_pair(first: VariantScores, other: VariantScores) -> tuple[RunScores, RunScores] | None:
    """The finished runs of two variants with the first seed that both have."""
    runs = {run.seed: run for run in other.runs if run.failure is None}
    return next(((run, runs[run.seed]) for run in first.runs if run.failure is None and run.seed in runs), None)


def compare_sentences(
    pair: tuple[RunScores, RunScores],
    labels: tuple[str, str],
    known: dict[str, tuple[list[list[str]], list[float]] | None],
) -> list[dict[str, Any]]:
    """The sentences of two runs that differ most; none where they kept no text or have other references. `known` is
    filled with what was read and scored, by folder."""
    for run in pair:
        if run.folder not in known:
            text = read_texts(Path(run.folder))
            known[run.folder] = None if text is None or not text[2] else (text, sentence_chrf(text[1], text[2]))
    first, other = (known[run.folder] for run in pair)
    if first is None or other is None or first[0][2] != other[0][2]:
        return []
    (source, _, references), scores = first[0], (first[1], other[1])
    return [
        {
            "title": f"Line {place + 1}, {scores[1][place] - scores[0][place]:+.1f} chrF",
            "lines": [
                ("source", source[place]),
                ("reference", references[place]),
                *(
                    (f"{label} ({each[place]:.1f})", text[1][place])
                    for label, each, (text, _) in zip(labels, scores, (first, other), strict=True)
                ),
            ],
        }
        for place in find_furthest(*scores, count=VARIANT_EXAMPLES)
    ]


# Links --------------------------------------------------------------------------------------------------------------


def link_runs(comparison: Comparison, output: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """By variant, the pages of its runs that are there: names, and paths from the comparison's folder."""
    return [
        (
            variant.label,
            [
                (f"seed {run.seed}", os.path.relpath(Path(run.folder) / run_folder.REPORT, output))
                for run in variant.runs
                if (Path(run.folder) / run_folder.REPORT).exists()
            ],
        )
        for variant in comparison.variants
    ]
