"""What attention nmt-translate shows beside its translations, and where."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nmt.errors import ConfigError
from nmt.inference.streams import open_writer

if TYPE_CHECKING:
    from nmt.data.sources.reader import SourceItem
    from nmt.data.tokenizer import Tokenizers
    from nmt.report.translation_page import Picture
    from nmt.translation.translator import SearchResult

NOTHING = "nothing"
PAGE_SUFFIX = ".html"
"""Ends the name of a file that becomes a page."""

MAX_PAGE_SENTENCES = 1000
"""Sentences of a page, so that it stays one that a browser opens."""

DEFAULT_COLUMNS = 100
"""Of a grid that does not go to a terminal."""

ShowFn = Callable[["Tokenizers", int, str, "SourceItem", "SearchResult"], None]
"""Is given every line as it is translated: its number from 0, its text, the pieces that were translated, and what came
of them."""


def check_show(show: str, processes: int) -> None:
    """Raises ConfigError where a `show=` is none of its values, or cannot be had from several processes."""
    if show not in (NOTHING, *TERMINAL_VIEWS) and not show.endswith(PAGE_SUFFIX):
        raise ConfigError(
            f"show={show} is none of its values: {NOTHING}, {', '.join(TERMINAL_VIEWS)}, or a file that ends in "
            f"{PAGE_SUFFIX}."
        )
    if show != NOTHING and processes > 1:
        raise ConfigError(
            f"show={show} shows sentences in their order as they are translated, by one process; got "
            f"processes={processes}. Set processes=1, or show={NOTHING}."
        )


@contextmanager
def open_view(show: str, models: Sequence[str]) -> Iterator[ShowFn | None]:
    """Inside, what shows each line; None where nothing is shown. A page appears when all is done."""
    if show == NOTHING:
        yield None
    elif show in TERMINAL_VIEWS:
        yield make_terminal_view(TERMINAL_VIEWS[show])
    else:
        with open_page(show, models) as put:
            yield put


def make_terminal_view(draw: "Callable[..., Picture]") -> ShowFn:
    """Grids on stderr, as wide as the terminal, in colour if it is one and NO_COLOR is not set."""
    from nmt.report.terminal import LEGEND, render_grid

    is_legend_printed = False

    def show(tokenizers: "Tokenizers", number: int, line: str, ids: "SourceItem", translation: "SearchResult") -> None:
        nonlocal is_legend_printed
        if not has_weights(translation):
            print(f"line {number + 1}: nothing to show\n", file=sys.stderr, flush=True)
            return
        picture = draw(tokenizers, number, line, ids, translation)
        rows = render_grid(picture.weights, picture.source, picture.target, columns=choose_width(), colour=has_colour())
        head = [] if is_legend_printed else [LEGEND, ""]
        print("\n".join([*head, f"line {number + 1}", *rows, ""]), file=sys.stderr, flush=True)
        is_legend_printed = True

    return show


@contextmanager
def open_page(file: str, models: Sequence[str]) -> Iterator[ShowFn]:
    """A page with the first sentences, written when all are translated. Raises DataError if it cannot be written."""
    from nmt.report.translation_page import render_page

    pictures: list[Picture] = []
    lines = 0

    def show(tokenizers: "Tokenizers", number: int, line: str, ids: "SourceItem", translation: "SearchResult") -> None:
        nonlocal lines
        lines += 1
        if len(pictures) < MAX_PAGE_SENTENCES and has_weights(translation):
            pictures.append(draw_words(tokenizers, number, line, ids, translation))

    with open_writer(file) as put:
        yield show
        from nmt.report.about import format_now

        facts = [("model", ", ".join(models)), ("lines", f"{lines:,}"), ("shown here", f"{len(pictures):,}")]
        put(
            [
                render_page(
                    pictures, title="Attention of translations", created=format_now(), entries=facts
                ).removesuffix("\n")
            ]
        )


# What is drawn ----------------------------------------------------------------------------------------------------


def has_weights(translation: "SearchResult") -> bool:
    """Whether there is attention to show: an empty line has no hypothesis."""
    return bool(translation.hypotheses) and translation.hypotheses[0].weights is not None


def draw_words(
    tokenizers: "Tokenizers", number: int, line: str, ids: "SourceItem", translation: "SearchResult"
) -> "Picture":
    """Weights between words, as in the heatmaps: sums over source pieces, means over target pieces."""
    import numpy as np

    from nmt.evaluation import probes
    from nmt.evaluation.measures import PairAttention
    from nmt.report.translation_page import Picture

    best = translation.hypotheses[0]
    assert best.weights is not None
    owners = tokenizers.source.encode_with_words(line)[1]
    words = tokenizers.source.split_words(line)
    if len(owners) > len(ids):  # only the beginning was translated
        owners = owners[: len(ids)]
        words = words[: max(owners, default=-1) + 1]
    alignment = PairAttention(best.weights, owners, tokenizers.target.get_word_indices(best.tokens), ())
    word_weights = probes.make_word_record(alignment, words, translation.text)
    return Picture(number + 1, [*words, probes.EOS_WORD], word_weights["target"], np.array(word_weights["weights"]))


def draw_pieces(
    tokenizers: "Tokenizers", number: int, line: str, ids: "SourceItem", translation: "SearchResult"
) -> "Picture":
    """Weights between pieces, as the model sees them; for text that puts no spaces between words, too."""
    from nmt.evaluation.probes import EOS_WORD
    from nmt.report.translation_page import Picture

    best = translation.hypotheses[0]
    assert best.weights is not None
    source, target = tokenizers.source.label(ids), tokenizers.target.convert_ids_to_pieces(best.tokens)
    return Picture(number + 1, [*source, EOS_WORD], [*target, EOS_WORD], best.weights)


TERMINAL_VIEWS: "dict[str, Callable[..., Picture]]" = {"attention": draw_words, "pieces": draw_pieces}
"""What is shown on stderr."""


def choose_width() -> int:
    """Those of the terminal behind stderr, unless COLUMNS says otherwise."""
    from nmt.progress import count_columns

    return count_columns() or DEFAULT_COLUMNS


def has_colour() -> bool:
    """Whether stderr is a terminal whose owner has not asked for plain text (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
