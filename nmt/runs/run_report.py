"""A run folder as `nmt.report.html` draws it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nmt.evaluation import floor
from nmt.evaluation.bleu_by_length import Bucket, score_by_length
from nmt.evaluation.bleu_tokens import DEFAULT_TOKENIZER, read_tokenizer
from nmt.evaluation.significance import run_paired_bootstrap
from nmt.report.about import format_now
from nmt.report.comparison import convert_buckets
from nmt.report.score_table import (
    build_measure_table,
)
from nmt.runs import run_folder
from nmt.runs.improvement import ADVICE, is_still_improving
from nmt.runs.outcome import format_score
from nmt.runs.report_texts import (
    choose_worst,
    describe,
    read_scored_texts,
    read_texts,
)
from nmt.storage.files import read_json
from nmt.training.metrics_logger import METRICS, read_rows


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
    table = [{"label": score["name"], "cells": [{"text": format_score(score)}]} for score in scores]
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
        "memories": run_folder.read_memories(folder),
        "passages": choose_worst(whole) if (whole := read_texts(folder)) else None,
        "polygons": list_polygons(run["probes"]),
    }


def list_polygons(probes: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The ways through points that the last checkpoint of each probe found, with their titles."""
    last = [(number, probe["frames"][-1]) for number, probe in enumerate(probes, start=1)]
    return [(f"probe {n}, step {frame['step']}", frame["polygon"]) for n, frame in last if frame.get("polygon")]


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
