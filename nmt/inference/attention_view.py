"""What attention nmt-translate shows beside its translations, and where."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nmt.errors import ConfigError
from nmt.inference.streams import outgoing

if TYPE_CHECKING:
    from nmt.data.tokenizer import Tokenizers
    from nmt.report.translation_page import Picture
    from nmt.translation.translator import Translation

NOTHING = "nothing"
PAGE = ".html"
"""Ends the name of a file that becomes a page."""

MOST = 1000
"""Sentences of a page, so that it stays one that a browser opens."""

COLUMNS = 100
"""Of a grid that does not go to a terminal."""

Show = Callable[["Tokenizers", int, str, Sequence[int], "Translation"], None]
"""Is given every line as it is translated: its number from 0, its text, the pieces that were translated, and what came
of them."""


def check(show: str, processes: int) -> None:
    """Raises ConfigError where a `show=` is none of its values, or cannot be had from several processes."""
    if show not in (NOTHING, *DRAWN) and not show.endswith(PAGE):
        raise ConfigError(
            f"show={show} is none of its values: {NOTHING}, {', '.join(DRAWN)}, or a file that ends in {PAGE}."
        )
    if show != NOTHING and processes > 1:
        raise ConfigError(
            f"show={show} shows sentences in their order as they are translated, by one process; got "
            f"processes={processes}. Set processes=1, or show={NOTHING}."
        )


@contextmanager
def showing(show: str, models: Sequence[str]) -> Iterator[Show | None]:
    """Inside, what shows each line; None where nothing is shown. A page appears when all is done."""
    if show == NOTHING:
        yield None
    elif show in DRAWN:
        yield in_terminal(DRAWN[show])
    else:
        with in_page(show, models) as put:
            yield put


def in_terminal(draw: "Callable[..., Picture]") -> Show:
    """Grids on stderr, as wide as the terminal, in colour if it is one and NO_COLOR is not set."""
    from nmt.report.terminal import LEGEND, grid

    told = False

    def show(tokenizers: "Tokenizers", number: int, line: str, ids: Sequence[int], translation: "Translation") -> None:
        nonlocal told
        if not seen(translation):
            print(f"line {number + 1}: nothing to show\n", file=sys.stderr, flush=True)
            return
        picture = draw(tokenizers, number, line, ids, translation)
        drawn = grid(picture.weights, picture.source, picture.target, columns=columns(), colour=coloured())
        head = [] if told else [LEGEND, ""]
        print("\n".join([*head, f"line {number + 1}", *drawn, ""]), file=sys.stderr, flush=True)
        told = True

    return show


@contextmanager
def in_page(file: str, models: Sequence[str]) -> Iterator[Show]:
    """A page with the first sentences, written when all are translated. Raises DataError if it cannot be written."""
    from nmt.report.translation_page import page

    pictures: list[Picture] = []
    lines = 0

    def show(tokenizers: "Tokenizers", number: int, line: str, ids: Sequence[int], translation: "Translation") -> None:
        nonlocal lines
        lines += 1
        if len(pictures) < MOST and seen(translation):
            pictures.append(of_words(tokenizers, number, line, ids, translation))

    with outgoing(file) as put:
        yield show
        from nmt.report.about import format_now

        told = [("model", ", ".join(models)), ("lines", f"{lines:,}"), ("shown here", f"{len(pictures):,}")]
        put([page(pictures, title="Attention of translations", created=format_now(), told=told).removesuffix("\n")])


# What is drawn ----------------------------------------------------------------------------------------------------


def seen(translation: "Translation") -> bool:
    """Whether there is attention to show: an empty line has no hypothesis."""
    return bool(translation.hypotheses) and translation.hypotheses[0].weights is not None


def of_words(
    tokenizers: "Tokenizers", number: int, line: str, ids: Sequence[int], translation: "Translation"
) -> "Picture":
    """Weights between words, as in the heatmaps: sums over source pieces, means over target pieces."""
    import numpy as np

    from nmt.evaluation import probes
    from nmt.evaluation.measures import Aligned
    from nmt.report.translation_page import Picture

    best = translation.hypotheses[0]
    assert best.weights is not None
    owners = tokenizers.source.words(line)[1]
    words = line.split()
    if len(owners) > len(ids):  # only the beginning was translated
        owners = owners[: len(ids)]
        words = words[: max(owners, default=-1) + 1]
    found = Aligned(best.weights, owners, tokenizers.target.words_of(best.tokens), ())
    between = probes.words(found, " ".join(words), translation.text)
    return Picture(number + 1, [*words, probes.END_WORD], between["target"], np.array(between["weights"]))


def of_pieces(
    tokenizers: "Tokenizers", number: int, line: str, ids: Sequence[int], translation: "Translation"
) -> "Picture":
    """Weights between pieces, as the model sees them; for text that puts no spaces between words, too."""
    from nmt.evaluation.probes import END_WORD
    from nmt.report.translation_page import Picture

    best = translation.hypotheses[0]
    assert best.weights is not None
    source, target = tokenizers.source.pieces(ids), tokenizers.target.pieces(best.tokens)
    return Picture(number + 1, [*source, END_WORD], [*target, END_WORD], best.weights)


DRAWN: "dict[str, Callable[..., Picture]]" = {"attention": of_words, "pieces": of_pieces}
"""What is shown on stderr."""


def columns() -> int:
    """Those of the terminal behind stderr, unless COLUMNS says otherwise."""
    from nmt.progress import count_columns

    return count_columns() or COLUMNS


def coloured() -> bool:
    """Whether stderr is a terminal whose owner has not asked for plain text (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
