"""nmt-align: word links of given translations, from the attention of a model that is made to produce them, from what
matters to it, or from the translations alone."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt import config
from nmt.cli.application import run_command
from nmt.composition.overrides import MODEL_ALIASES
from nmt.data import lines
from nmt.data.beginnings import check_lengths, count_words
from nmt.data.mix.tags import put_tags
from nmt.data.pharaoh import read_gold, shift_gold
from nmt.errors import ConfigError, ModelError
from nmt.evaluation.extraction import EXTRACTIONS, Extraction
from nmt.inference.alignment_method import READS_ATTENTION, AlignmentMethod, check_method
from nmt.inference.inference import InferenceSettings, build_translator, check_max_length, load
from nmt.inference.map_pictures import check_maps, draw_pictures
from nmt.inference.pictures import HeatmapSettings, check_folder
from nmt.inference.streams import open_writer, read_parallel_lines, use_standard_output
from nmt.inference.tags import choose_tags
from nmt.printable import print_text
from nmt.runs.run_files import check_outside_runs
from nmt.storage.distinct_paths import STANDARD_OUTPUT, check_distinct, list_model_paths

if TYPE_CHECKING:
    from nmt.evaluation.alignment import AlignmentScores, Link
    from nmt.model_folder import LoadedModel
    from nmt.translation.translator import BatchTranslator

CHUNK_PAIRS = 1000
CHUNK_WEIGHTS = 2**22
"""Pairs, and weights of all of them, that are aligned before their links are written, so that memory is bounded."""


@dataclass(frozen=True, kw_only=True)
class AlignSettings(InferenceSettings):
    """What `configs/align.yaml` says, and how it is meant."""

    model: dict[str, str | None]
    source: str
    target: str
    gold: str | None
    output: str | None
    extract: Extraction
    method: AlignmentMethod | Literal["em"]
    copies: int
    position: Literal["predicted", "read"]
    target_language: str | None
    tag: str | None
    reverse: str | None
    symmetrize: Literal["grow_diag_final_and", "intersection", "union"]
    heatmaps: HeatmapSettings
    format: Literal["table", "json"]
    max_length: int | None
    errors: lines.Errors

    def __post_init__(self) -> None:
        super().__post_init__()
        check_max_length(self.max_length)
        given = {"model": self.model["folder"], "reverse": self.reverse}
        if self.method == "em" and any(given.values()):
            key, folder = next((key, folder) for key, folder in given.items() if folder)
            raise ConfigError(
                f"method=em aligns without a model, in both directions; got {key}={folder}. Leave it out."
            )
        maps = self.heatmaps
        if self.method == "em" and (maps.maps or maps.layer is not None or maps.head is not None):
            raise ConfigError("heatmaps.maps, .layer and .head are of a model, and method=em has none. Leave them out.")
        if self.method != "em" and self.model["folder"] is None:
            raise ConfigError("model must be given: write model=..., or method=em, which aligns without a model.")
        if self.method != "attention" and (maps.layer is not None or maps.head is not None):
            raise ConfigError(
                f"heatmaps.layer and .head choose attention, and method={self.method} draws what it links by. Leave "
                "them out, choose method=attention, or draw all attention with heatmaps.maps=true."
            )
        check_method(self.method, position=self.position, copies=self.copies)

    def format_signature(self) -> str:
        """The settings that shape the links, so that scores can be compared."""
        extraction = {"name": type(self.extract).__name__.lower(), **asdict(self.extract)}
        method = [] if self.method == "attention" else [f"method:{self.method}"]
        method += [f"copies:{self.copies}"] if self.copies else []
        method += [] if self.method == "em" else [f"position:{self.position}"]
        parts = [*method, f"extract:{':'.join(map(str, extraction.values()))}"]
        both = self.method == "em" or self.reverse is not None
        return "|".join([*parts, f"symmetrize:{self.symmetrize}"] if both else parts)


SCHEMA = {
    **{key: field.annotation for key, field in config.inspect_parameters(AlignSettings).items()},
    "extract": EXTRACTIONS,
}


def main() -> None:
    """The command line: see `nmt-align --help`."""
    run_command("align", run_task, aliases=MODEL_ALIASES)


def run_task(composed: dict[str, Any]) -> None:
    """Aligns the pairs; writes links where they are wanted, and prints scores where there is gold."""
    checked_settings = config.check(use_standard_output(composed), SCHEMA)
    settings = config.build(
        AlignSettings, checked_settings, extract=config.build_variant(EXTRACTIONS, checked_settings.pop("extract"))
    )
    check_files(settings)
    source, target = read_parallel_lines(settings.source, settings.target, settings.errors)
    gold = None
    if settings.gold is not None:
        lines.check(settings.gold, setting="gold", regular=True)
        gold = read_gold(lines.read(settings.gold, settings.errors), source, target, name=settings.gold)
    aligner = METHODS[settings.method](settings, source, target)
    tagged, tags = put_tags(source, aligner.tags), len(aligner.tags)
    drawn_gold = None if gold is None else [shift_gold(each, tags) for each in gold]

    from nmt.evaluation.alignment import format_pharaoh, score_alignments

    chunks = split_pairs(*aligner.lengths)
    links: list[set[Link]] = []
    writes_links = gold is None or settings.output is not None
    with open_writer(settings.output) if writes_links else nullcontext(None) as write:
        for part in chunks:
            weights = aligner.forward(tagged[part], target[part])
            chunk_links = [{(i - tags, j) for i, j in settings.extract(each) if i >= tags} for each in weights]
            if aligner.backward is not None:
                reverse_weights = aligner.backward(target[part], source[part])
                chunk_links = symmetrize_links(
                    chunk_links, [settings.extract(each) for each in reverse_weights], settings.symmetrize
                )
            if write is not None:
                write(map(format_pharaoh, chunk_links))
            if gold is not None:
                links += chunk_links
            sides = tagged, target
            draw_pictures(settings.heatmaps, aligner.model, weights, sides, drawn_gold, part, settings.position)
    if gold is not None:
        print_text(FORMATS[settings.format](score_alignments(links, gold), len(gold), settings.format_signature()))


def check_files(settings: AlignSettings) -> None:
    """Raises ConfigError and DataError where something would be overwritten, or pictures cannot be written."""
    inputs = {"source": settings.source, "target": settings.target, "gold": settings.gold}
    given = [path for path in (*inputs.values(), settings.output) if path is not None]
    pictures = settings.heatmaps.list_pictures({os.path.basename(os.path.realpath(path)) for path in given})
    check_distinct(
        {
            **inputs,
            **{
                name: list_model_paths([] if folder is None else [folder])
                for name, folder in {"model": settings.model["folder"], "reverse": settings.reverse}.items()
            },
        },
        {"output": settings.output or STANDARD_OUTPUT, "heatmaps.folder": pictures},
        {"heatmaps.folder": settings.heatmaps.folder},
    )
    check_outside_runs({"output": settings.output, "heatmaps.folder": settings.heatmaps.folder})
    check_folder(settings.heatmaps)


def split_pairs(source_lengths: Sequence[int], target_lengths: Sequence[int]) -> Iterator[slice]:
    """Runs of pairs with CHUNK_WEIGHTS weights or CHUNK_PAIRS pairs at most, or of one pair that has more weights."""
    start, weights = 0, 0
    for place, (source, target) in enumerate(zip(source_lengths, target_lengths, strict=True)):
        size = (source + 1) * (target + 1)
        if place > start and (weights + size > CHUNK_WEIGHTS or place - start == CHUNK_PAIRS):
            yield slice(start, place)
            start, weights = place, 0
        weights += size
    if start < len(source_lengths):
        yield slice(start, len(source_lengths))


WeightsFn = Callable[[Sequence[str], Sequence[str]], list[Any]]
"""Lines that are given and their translations -> weights between the words of each pair [target source]."""


class PairAligner(NamedTuple):
    """What gives the weights of pairs; that of the other direction, if there is one; what the lines of both sides count
    for the memory that weights take; the model, if there is one; and the tags in front of its source lines."""

    forward: WeightsFn
    backward: WeightsFn | None
    lengths: tuple[Sequence[int], Sequence[int]]
    model: "BatchTranslator | None" = None
    tags: Sequence[str] = ()


def load_models(settings: AlignSettings, source: Sequence[str], target: Sequence[str]) -> PairAligner:
    """The weights of a model, and of one for the other direction. Raises DataError for a line that is too long."""
    forward, backward, tags = load_translators(settings)
    check_maps(settings.heatmaps, forward)
    lengths = (
        check_lengths(forward.tokenizers.source, source, settings.max_length, name=settings.source),
        check_lengths(forward.tokenizers.target, target, settings.max_length, name=settings.target),
    )
    return PairAligner(
        partial(compute_pair_weights, forward, settings=settings),
        None if backward is None else partial(compute_pair_weights, backward, settings=settings),
        lengths,
        forward,
        tags,
    )


def learn_aligner(settings: AlignSettings, source: Sequence[str], target: Sequence[str]) -> PairAligner:
    """Posteriors of an aligner that is learnt from these very pairs. Raises DataError for a line that is too long."""
    from nmt.data.word_aligner import WordAligner

    lengths = (
        count_words(source, settings.max_length, name=settings.source),
        count_words(target, settings.max_length, name=settings.target),
    )
    aligner = WordAligner(source, target)

    def compute_reverse_weights(given: Sequence[str], generated: Sequence[str]) -> list[Any]:
        return aligner.compute_weights(generated, given, reverse=True)

    return PairAligner(aligner.compute_weights, compute_reverse_weights, lengths)


METHODS: dict[str, Callable[[AlignSettings, Sequence[str], Sequence[str]], PairAligner]] = {
    "attention": load_models,
    **dict.fromkeys(("gradient", "erase_input", "erase_memory"), load_models),
    "em": learn_aligner,
}
"""What links words, by the value of `method`."""


def load_translators(settings: AlignSettings) -> "tuple[BatchTranslator, BatchTranslator | None, list[str]]":
    """The model, the one for the other direction if there is one, and the tags of the first."""
    assert settings.model["folder"] is not None
    loaded = load_attention_model(settings.model["folder"], settings)
    tags = choose_tags(loaded.settings, target=settings.target_language, tag=settings.tag, key="target_language")
    forward = build_translator(loaded, settings, {})
    if settings.reverse is None:
        return forward, None, tags
    other = load_attention_model(settings.reverse, settings)
    source, target = (loaded.settings[f"{side}_language"] for side in ("source", "target"))
    if source != target and other.settings["source_language"] == source:
        raise ConfigError(
            f"reverse={settings.reverse} translates from {source}, as model does; "
            f"links are joined with those of a model from {target} to {source}."
        )
    return forward, build_translator(other, settings, {}), tags


def load_attention_model(folder: str, settings: AlignSettings) -> "LoadedModel":
    """The model in a folder. Raises ModelError where it has no attention and the method needs it."""
    loaded = load(folder, settings)
    if not loaded.model.has_attention and settings.method in READS_ATTENTION:
        raise ModelError(
            f"{folder} holds a model without attention (attention=none), so it has no weights to link words by. Choose "
            "a model that was trained with attention, or method=gradient or method=erase_input, which need none."
        )
    return loaded


def compute_pair_weights(
    worker: "BatchTranslator", source: Sequence[str], target: Sequence[str], settings: AlignSettings
) -> list[Any]:
    """Weights between the words of each pair [target source], a row and a column for every word."""
    from nmt.evaluation.explanation import compute_word_importances
    from nmt.evaluation.validation import compute_word_alignments
    from nmt.inference.alignments import expand_to_words

    assert settings.method != "em"
    if settings.method == "attention":
        matrices = compute_word_alignments(worker, source, target, position=settings.position)
    else:
        matrices = compute_word_importances(worker, source, target, settings.method, copies=settings.copies)
    words = map(str.split, target), map(worker.tokenizers.source.split_words, source)
    return [expand_to_words(*row) for row in zip(matrices, *words, strict=True)]


def symmetrize_links(forward: "Sequence[set[Link]]", backward: "Sequence[set[Link]]", method: str) -> "list[set[Link]]":
    """The links of both directions as one set a pair; those of the backward model are (target, source) word."""
    from nmt.evaluation.alignment import reverse, symmetrize

    return [symmetrize(links, reverse(others), method) for links, others in zip(forward, backward, strict=True)]


def format_table(scores: "AlignmentScores", count: int, signature: str) -> str:
    """For a person: fractions, and how they came about."""
    rows = [(name, f"{getattr(scores, name.lower()):6.3f}   {signature}") for name in ("AER", "precision", "recall")]
    rows += [("links", f"{scores.links:6d}"), ("pairs", f"{count:6d}")]
    return "\n".join(f"{name:<16} {value}" for name, value in rows)


def format_json(scores: "AlignmentScores", count: int, signature: str) -> str:
    """For a program: one object, values not rounded."""
    return json.dumps({**scores._asdict(), "pairs": count, "signature": signature})


FORMATS = {"table": format_table, "json": format_json}


if __name__ == "__main__":
    main()
