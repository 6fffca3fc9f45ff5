"""Pictures of one layer and head, or of all, of a model that is made to produce given translations."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.errors import ConfigError, DataError
from nmt.inference.pictures import HeatmapSettings, draw_heatmaps
from nmt.storage.new_files import open_replacement

if TYPE_CHECKING:
    from nmt.data.sources.reader import SourceItem
    from nmt.evaluation.alignment import Gold
    from nmt.translation.translator import BatchTranslator, Position


def check_maps(heatmaps: HeatmapSettings, translator: "BatchTranslator") -> None:
    """Raises ConfigError for a layer or a head that the model has not, and where it has no attention at all to draw:
    at once, from the attention of an empty pair."""
    if not heatmaps.maps and heatmaps.layer is None and heatmaps.head is None:
        return

    from nmt.translation.attention_maps import choose_map, compute_attention_maps

    (nothing,) = translator.tokenizers.source.encode([""])
    maps = compute_attention_maps(translator.model, nothing, [])
    if not maps.get_present():
        raise ConfigError("heatmaps.maps draws attention, and this model has none. Leave heatmaps.maps out.")
    if heatmaps.layer is not None or heatmaps.head is not None:
        if maps.source is None:
            raise ConfigError(
                "heatmaps.layer and .head choose attention to the source, and this model has none. Leave them out."
            )
        choose_map(maps.source, get_layer(heatmaps, translator), heatmaps.head)


def get_layer(heatmaps: HeatmapSettings, translator: "BatchTranslator") -> int:
    """The layer that is drawn, from 1: without a choice the one whose links are written."""
    return translator.model.decoder.aligned_layer + 1 if heatmaps.layer is None else heatmaps.layer


def draw_pictures(
    heatmaps: HeatmapSettings,
    translator: "BatchTranslator | None",
    weights: Sequence[Any],
    sides: tuple[Sequence[str], Sequence[str]],
    gold: "Sequence[Gold] | None",
    part: slice,
    position: "Position",
) -> None:
    """All pictures that are asked for of a part of the pairs, whose weights these are."""
    source, target = sides
    if translator is None:
        draw_heatmaps(heatmaps, weights, source, target, gold, part.start)
        return
    drawn = choose_weights(heatmaps, translator, weights, source, target, part.start, position)
    draw_heatmaps(heatmaps, drawn, source, target, gold, part.start, reader=translator.tokenizers.source)
    draw_all_maps(heatmaps, translator, source[part], target[part], part.start)


def choose_weights(
    heatmaps: HeatmapSettings,
    translator: "BatchTranslator",
    weights: Sequence[Any],
    source: Sequence[str],
    target: Sequence[str],
    first: int,
    position: "Position",
) -> Sequence[Any]:
    """The weights that are drawn of the pairs first, first + 1, ...: those that links are made of, or of one layer and
    head between the same words; `check_maps` has seen that there is such a one."""
    if heatmaps.folder is None or (heatmaps.layer is None and heatmaps.head is None):
        return weights

    from nmt.evaluation.measures import PairAttention
    from nmt.evaluation.validation import get_word_weights
    from nmt.inference.alignments import expand_to_words
    from nmt.translation.attention_maps import choose_map, compute_attention_maps

    chosen: list[Any] = []
    layer, split = get_layer(heatmaps, translator), translator.tokenizers.source.split_words
    for place in range(first, min(heatmaps.limit, first + len(weights))):
        (source_ids, source_words), (target_ids, target_words) = encode_pair(translator, source[place], target[place])
        maps = compute_attention_maps(translator.model, source_ids, target_ids)
        assert maps.source is not None
        drawn = choose_map(maps.source, layer, heatmaps.head)
        words = get_word_weights(PairAttention(drawn, source_words, target_words, ()), position=position)
        chosen.append(expand_to_words(words, target[place].split(), split(source[place])))
    return chosen


def draw_all_maps(
    heatmaps: HeatmapSettings, translator: "BatchTranslator", source: Sequence[str], target: Sequence[str], first: int
) -> None:
    """Files with every layer and head of the pairs first, first + 1, ..., where they are asked for; first counts
    `source` from its beginning. Raises DataError where they cannot be written."""
    if heatmaps.folder is None or not heatmaps.maps:
        return

    from nmt.report.map_grid import render_maps
    from nmt.translation.attention_maps import compute_attention_maps

    folder = Path(heatmaps.folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, pair in enumerate(zip(source, target, strict=True), start=first + 1):
            if number > heatmaps.limit:
                break
            (source_ids, _), (target_ids, _) = encode_pair(translator, *pair)
            maps = compute_attention_maps(translator.model, source_ids, target_ids)
            sides = zip(translator.tokenizers, (source_ids, target_ids), strict=True)
            pieces = [reader.label(ids) for reader, ids in sides]
            title = f"line {number}: {' '.join(translator.tokenizers.source.split_words(pair[0]))}"
            for name, content in render_maps(
                maps.get_present(), pieces[0], pieces[1], title=title, formats=heatmaps.formats
            ):
                with open_replacement(folder / f"{number:03d}-{name}", sync=False) as file:
                    file.write(content)
    except OSError as problem:
        raise DataError(f"heatmaps.folder={folder} cannot be written: {problem.strerror}.") from None


def encode_pair(
    translator: "BatchTranslator", source: str, target: str
) -> "tuple[tuple[SourceItem, list[int]], tuple[list[int], list[int]]]":
    """What the model reads of each side, and the words that they belong to."""
    (one, other) = translator.tokenizers
    return one.encode_with_words(source), other.encode_with_words(target)
