"""Alignments of many checkpoints in few bytes: weights in 8 bits, deflated sentence by sentence."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MAX_CHARACTERS = 8_000_000
"""Characters that all alignments of a page may take; beyond, checkpoints are left out."""


def pack_probes(
    runs: Sequence[Sequence[Mapping[str, Any]]], *, budget: int = MAX_CHARACTERS
) -> tuple[list[dict[str, Any]], int]:
    """The probes of all runs, sentence by sentence, for the page's script; and of how many frames one was kept.

    A run's probes are {"source": words, "reference": str, "gold": Pharaoh line (or left out), "picture": as
    `nmt.data.pictures.records` has it (or left out), "frames": [{"step": int,
    "target": words, "weights": [target, source], "forced": {"target", "weights"} (or left out)}]}. Those with the same
    source and reference become one, {"source", "reference", "gold", "data"}; `data` is the base64 of the deflated JSON
    of its frames, a list for each run, a frame being [step, target, hex of weights, hex of the forced weights] with two
    digits (0 to ff is 0 to 1) a weight. If that is more than `budget` characters, every second checkpoint is left out
    (never the first and the last), then three of four, and so on. Raises ValueError if a frame's words and weights
    differ in number.
    """
    every = 1
    while True:
        films = [pack_sentence(probes, every) for probes in merge_probes(runs)]
        longest = max((len(probe["frames"]) for run in runs for probe in run), default=0)
        if every >= longest or sum(len(each["data"]) for each in films) <= budget:
            return films, every
        every *= 2


def merge_probes(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[list[Mapping[str, Any] | None]]:
    """Probe by probe, that of each run; None where a run has none for this source and reference."""
    found: dict[tuple[str, str], list[Mapping[str, Any] | None]] = {}
    for number, probes in enumerate(runs):
        for probe in probes:
            if probe["frames"]:
                key = (probe.get("picture") or {}).get("line", " ".join(probe["source"])), probe["reference"]
                found.setdefault(key, [None] * len(runs))[number] = probe
    return list(found.values())


def pack_sentence(probes: Sequence[Mapping[str, Any] | None], every: int) -> dict[str, Any]:
    """One sentence with the frames of all runs."""
    first = next(probe for probe in probes if probe is not None)
    frames = [
        [] if probe is None else [pack_frame(probe, each) for each in thin(probe["frames"], every)] for probe in probes
    ]
    text = json.dumps(frames, ensure_ascii=False, separators=(",", ":"))
    data = base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode()
    shown = {"picture": first["picture"]} if first.get("picture") else {}
    return {"source": first["source"], "reference": first["reference"], "gold": first.get("gold"), "data": data} | shown


def thin(frames: Sequence[Any], every: int) -> list[Any]:
    """One of so many, the first and the last always."""
    return [each for place, each in enumerate(frames) if place % every == 0 or place == len(frames) - 1]


def pack_frame(probe: Mapping[str, Any], shown: Mapping[str, Any]) -> list[Any]:
    """A frame as the script reads it."""
    source, forced = probe["source"], shown.get("forced")
    given = None if forced is None else encode_weights(forced["weights"], forced["target"], source, shown["step"])
    weights = encode_weights(shown["weights"], shown["target"], source, shown["step"])
    return [int(shown["step"]), list(shown["target"]), weights, given]


def pack_explanations(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Translations with several maps between the same words, as the script reads them.

    A record is {"source": words, "target": words, "maps": {name: [target, source]}}. Raises ValueError as above.
    """
    return [
        {
            "source": list(record["source"]),
            "target": list(record["target"]),
            "maps": {
                name: encode_weights(matrix, record["target"], record["source"], 0)
                for name, matrix in record["maps"].items()
            },
        }
        for record in records
    ]


def encode_weights(weights: Any, target: Sequence[str], source: Sequence[str], step: int) -> str:
    """Weights as two hexadecimal digits each, rows one after another; what is no number is 0."""
    numbers = np.asarray(weights, dtype=float)
    if target and numbers.shape != (len(target), len(source)):
        raise ValueError(
            f"step {step}: {len(target)} target and {len(source)} source words need as many rows and columns of "
            f"weights; got shape {numbers.shape}."
        )
    finite = np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)
    found: bytes = (np.clip(finite, 0.0, 1.0) * 255).round().astype(np.uint8).tobytes()
    return found.hex()
