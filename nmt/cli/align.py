"""nmt-align: word links of given translations, from the attention of a model that is made to produce them."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nmt import config
from nmt.cli.application import open_door
from nmt.composition.overrides import APPLIED
from nmt.data import lines
from nmt.errors import ConfigError, DataError, ModelError
from nmt.evaluation.extraction import EXTRACT, Extraction
from nmt.inference.inference import Work, load, translator
from nmt.inference.streams import outgoing, pairs
from nmt.printable import print_text

if TYPE_CHECKING:
    from nmt.evaluation.alignment import AlignmentScores, Gold, Link
    from nmt.model_folder import Loaded
    from nmt.translation.translator import Position, Translator

CHUNK = 1000
"""Pairs that are aligned before their links are written, so that memory is bounded."""


@dataclass(frozen=True, kw_only=True)
class Heatmaps:
    """Pictures of the weights of the first `limit` pairs, in `folder`; None for no pictures. `formats`: each picture is
    a file of every one of these."""

    folder: str | None
    limit: int
    formats: list[Literal["png", "pdf", "svg"]]


@dataclass(frozen=True, kw_only=True)
class Settings(Work):
    """What `configs/align.yaml` says, and how it is meant."""

    model: dict[str, str]
    source: str
    target: str
    gold: str | None
    output: str | None
    extract: Extraction
    position: Literal["predicted", "read"]
    reverse: str | None
    symmetrize: Literal["grow_diag_final_and", "intersection", "union"]
    heatmaps: Heatmaps
    format: Literal["table", "json"]
    errors: lines.Errors

    def signature(self) -> str:
        """The settings that shape the links, so that scores can be compared."""
        extraction = {"name": type(self.extract).__name__.lower(), **asdict(self.extract)}
        parts = [f"position:{self.position}", f"extract:{':'.join(map(str, extraction.values()))}"]
        return "|".join(parts if self.reverse is None else [*parts, f"symmetrize:{self.symmetrize}"])


SCHEMA = {**{key: field.annotation for key, field in config.parameters(Settings).items()}, "extract": EXTRACT}


def main() -> None:
    """The command line: see `nmt-align --help`."""
    open_door("align", task, spelled=APPLIED)


def task(composed: dict[str, Any]) -> None:
    """Aligns the pairs; writes links where they are wanted, and prints scores where there is gold."""
    checked = config.check(composed, SCHEMA)
    settings = config.build(Settings, checked, extract=config.make(EXTRACT, checked.pop("extract")))
    source, target = pairs(settings.source, settings.target, settings.errors)
    if settings.gold is not None:
        lines.check(settings.gold)
    forward, backward = workers(settings)

    from nmt.evaluation.alignment import error_rate, pharaoh

    gold = None if settings.gold is None else truth(settings.gold, source, target, settings.errors)
    links: list[set[Link]] = []
    wanted = gold is None or settings.output is not None
    with outgoing(settings.output) if wanted else nullcontext(None) as put:
        for first in range(0, len(source), CHUNK):
            part = slice(first, first + CHUNK)
            weights = weigh(forward, source[part], target[part], settings.position)
            found = [settings.extract(each) for each in weights]
            if backward is not None:
                others = weigh(backward, target[part], source[part], settings.position)
                found = joined(found, [settings.extract(each) for each in others], settings.symmetrize)
            if put is not None:
                put(map(pharaoh, found))
            if gold is not None:
                links += found
            draw(settings.heatmaps, weights, source, target, gold, first)
    if gold is not None:
        print_text(FORMATS[settings.format](error_rate(links, gold), len(gold), settings.signature()))


def workers(settings: Settings) -> "tuple[Translator, Translator | None]":
    """The model, and the one for the other direction if there is one."""
    loaded = load_attending(settings.model["folder"], settings)
    forward = translator(loaded, settings, {})
    if settings.reverse is None:
        return forward, None
    other = load_attending(settings.reverse, settings)
    source, target = (loaded.settings[f"{side}_language"] for side in ("source", "target"))
    if source != target and other.settings["source_language"] == source:
        raise ConfigError(
            f"reverse={settings.reverse} translates from {source}, as model does; "
            f"links are joined with those of a model from {target} to {source}."
        )
    return forward, translator(other, settings, {})


def load_attending(folder: str, settings: Settings) -> "Loaded":
    """The model in a folder. Raises ModelError where it has no attention to align by."""
    loaded = load(folder, settings)
    if not loaded.model.has_attention:
        raise ModelError(
            f"{folder} holds a model without attention (attention=none), so it has no weights to link words by. Choose "
            "a model that was trained with attention."
        )
    return loaded


def truth(path: str, source: Sequence[str], target: Sequence[str], errors: lines.Errors) -> "list[Gold]":
    """The gold links of a file, which lie inside their pairs. Raises DataError."""
    from nmt.evaluation.alignment import check_sizes, parse

    gold = parse(lines.read(path, errors), name=path)
    sizes = [(len(s.split()), len(t.split())) for s, t in zip(source, target, strict=True)]
    check_sizes(gold, sizes, name=path)
    return gold


def weigh(worker: "Translator", source: Sequence[str], target: Sequence[str], position: "Position") -> list[Any]:
    """Weights between the words of each pair [target source], a row and a column for every word."""
    import numpy as np

    from nmt.evaluation.validation import word_alignments

    found = []
    for s, t, words in zip(source, target, word_alignments(worker, source, target, position=position), strict=True):
        full = np.zeros((len(t.split()), len(s.split())), words.dtype)  # a last word without a piece has no row there
        full[: words.shape[0], : words.shape[1]] = words
        found.append(full)
    return found


def joined(forward: "Sequence[set[Link]]", backward: "Sequence[set[Link]]", method: str) -> "list[set[Link]]":
    """The links of both directions as one set a pair; those of the backward model are (target, source) word."""
    from nmt.evaluation.alignment import reverse, symmetrize

    return [symmetrize(links, reverse(others), method) for links, others in zip(forward, backward, strict=True)]


def draw(
    heatmaps: Heatmaps,
    weights: Sequence[Any],
    source: Sequence[str],
    target: Sequence[str],
    gold: "Sequence[Gold] | None",
    first: int,
) -> None:
    """Pictures of those of the pairs first, first + 1, ... that are to be drawn."""
    if heatmaps.folder is None or first >= heatmaps.limit:
        return
    from nmt.report.formats import encode
    from nmt.report.heatmap import heatmap

    folder = Path(heatmaps.folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, each in enumerate(weights[: heatmaps.limit - first], start=first):
            words = source[place].split(), target[place].split()
            figure = heatmap(each, *words, title=f"line {place + 1}", gold=None if gold is None else gold[place])
            for ending in heatmaps.formats:
                (folder / f"{place + 1:03d}.{ending}").write_bytes(encode(figure, ending, dpi=120))
    except OSError as problem:
        raise DataError(f"heatmaps.folder={folder} cannot be written: {problem.strerror}.") from None


def as_table(scores: "AlignmentScores", count: int, signature: str) -> str:
    """For a person: fractions, and how they came about."""
    rows = [(name, f"{getattr(scores, name.lower()):6.3f}   {signature}") for name in ("AER", "precision", "recall")]
    rows += [("links", f"{scores.links:6d}"), ("pairs", f"{count:6d}")]
    return "\n".join(f"{name:<16} {value}" for name, value in rows)


def as_json(scores: "AlignmentScores", count: int, signature: str) -> str:
    """For a program: one object, values not rounded."""
    return json.dumps({**scores._asdict(), "pairs": count, "signature": signature})


FORMATS = {"table": as_table, "json": as_json}


if __name__ == "__main__":
    main()
