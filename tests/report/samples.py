"""Reports as `nmt.report.html.page` takes them, made from nothing."""

from typing import Any

import numpy as np

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)> & \" {{title}} \u2028 שלום"

SOURCES = (
    ["the", "dog", "sleeps,", "</s>"],
    ["المعلم", "يقرأ", "كتابا", "جديدا", "</s>"],
    [HOSTILE, "読む", "'quoted'", "</s>"],
)
REFERENCES = ("der Hund schläft", "le professeur lit un livre", '</script> "it\'s" 本 &amp;')
GOLD = ("0-0 1-1 2p2", None, "0-0")


def weights(rows: int, columns: int, *, seed: int, sharpness: float) -> list[list[float]]:
    """Rows that sum to one, the more on the diagonal the greater `sharpness` is."""
    scores = np.random.default_rng(seed).normal(size=(rows, columns))
    near = -np.abs(np.linspace(0, 1, rows)[:, None] - np.linspace(0, 1, columns)[None, :])
    powers = np.exp(scores + sharpness * near)
    return [[float(value) for value in row] for row in powers / powers.sum(1, keepdims=True)]


def probes(*, steps: int, seed: int, sentences: int = 3) -> list[dict[str, Any]]:
    """Sentences with a frame for every step: 100, 200, ..."""
    found = []
    for number in range(sentences):
        source, reference = SOURCES[number % 3], REFERENCES[number % 3] + " again" * (number // 3)
        given = [*reference.split(), "</s>"]
        frames = []
        for step in range(1, steps + 1):
            target = ["a", *(["word"] * (step % 3)), "</s>"]
            shape = {"seed": seed + 100 * number, "sharpness": 4.0 * step}
            frames.append(
                {
                    "step": 100 * step,
                    "target": target,
                    "weights": weights(len(target), len(source), **shape),
                    "forced": {"target": given, "weights": weights(len(given), len(source), **shape)},
                }
            )
        found.append({"source": list(source), "reference": reference, "gold": GOLD[number % 3], "frames": frames})
    return found


MAPS = ("attention", "gradient", "erase_input", "erase_memory")


def explanations(*, seed: int) -> list[dict[str, Any]]:
    """Translations with four maps each."""
    found = []
    for number, source in enumerate(SOURCES):
        target = ["a", *["word"] * seed, HOSTILE, "</s>"]
        maps = {
            name: weights(len(target), len(source), seed=seed + place, sharpness=2.0 * place)
            for place, name in enumerate(MAPS, start=10 * number)
        }
        found.append({"source": list(source), "target": target, "maps": maps})
    return found


def metrics(*, steps: int, seed: int) -> list[dict[str, Any]]:
    """Rows of a run with as many validations."""
    rows: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        train = {"nll": 5.0 / step, "learning_rate": 0.001, "tokens_per_second": 1000.0 + seed, "minutes": step / 10}
        rows.append({"kind": "train", "step": 100 * step, "epoch": 1, "loss": 5.0 / step, **train})
        ways = {
            f"attention.{way}.{name}": value for way in ("forced", "free") for name, value in measures(step).items()
        }
        scores = {
            "loss": 6.0 / step,
            "bleu": 10.0 * step + seed,
            "chrf": 20.0 * step,
            "aer": 1 / step,
            "minutes": step / 9,
        }
        rows.append({"kind": "validation", "step": 100 * step, "epoch": 1, **scores, **ways})
    return rows


def measures(step: int) -> dict[str, float]:
    return {"entropy": 3.0 / step, "largest": 1 - 0.5 / step, "monotonicity": 1 - 1 / step, "end": 0.1 / step}


def run(*, seed: int, steps: int = 4, sentences: int = 3, shift: float = 0.0) -> dict[str, Any]:
    return {
        "seed": seed,
        "metrics": metrics(steps=steps, seed=seed),
        "probes": probes(steps=steps, seed=seed, sentences=sentences),
        "explanations": explanations(seed=seed),
        "values": {"BLEU": 30.0 + seed + shift, "parameters": 1e6 + 1e5 * shift, "minutes": 2.0 + seed},
        "lengths": [
            {"from": 1, "to": 5, "sentences": 7, "bleu": 40.0 + shift},
            {"from": 6, "to": 11, "sentences": 5, "bleu": 30.0},
        ],
    }


def matrix(size: int) -> list[list[dict[str, Any] | None]]:
    """Each of so many variants against each, as sure as they are far apart."""
    return [
        [
            None if i == j else {"text": f"{j - i:+d}.25", "interval": "p 0.012", "stars": "*", "heat": j - i}
            for j in range(size)
        ]
        for i in range(size)
    ]


def report(*variants: str, seeds: int = 1, **shape: int) -> dict[str, Any]:
    """A run, or a comparison of so many variants."""
    labels = variants or ("a run",)
    size = len(labels)
    cells = [{"text": "35.58", "stars": "**", "interval": "± 0.51", "best": True}, {"text": "–"}]
    return {
        "title": "a run" if size == 1 else "a comparison",
        "created": "2024-05-06 07:08 UTC",
        "facts": [("parameters", "1,234,567")],
        "scores": {
            "columns": [{"head": "BLEU", "note": "mean"}, {"head": "p"}],
            "rows": [{"label": label, "cells": cells} for label in labels],
            "notes": ["a note"],
        },
        "faithfulness": {
            "columns": [{"head": "flips", "note": "share"}],
            "rows": [{"label": label, "cells": [{"text": "0.670"}]} for label in labels],
            "notes": ["flips: a share."],
        },
        "pairs": {"labels": labels, "rows": matrix(size), "note": "the row less the column"} if size > 2 else None,
        "signatures": [("BLEU", "nrefs:1|case:mixed")],
        "commands": [("This run", "nmt-train attention=bahdanau"), ("Its commit", "0123abc")],
        "variants": [
            {"label": label, "runs": [run(seed=seed, shift=float(number), **shape) for seed in range(1, seeds + 1)]}
            for number, label in enumerate(labels)
        ],
        "costs": [{"name": "parameters", "head": "parameters", "better": "less"}] if size > 1 else [],
        "disagreement": {
            "divergence": [[None if i == j else 0.25 for j in range(size)] for i in range(size)],
            "variation": [[0.5] * size for _ in range(size)],
            "words": 23,
        }
        if size > 1
        else None,
    }
