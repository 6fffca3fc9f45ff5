"""What the Python API returns for lines: translations, scores of given translations, and alignments."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from jaxtyping import Float
from numpy import ndarray

from nmt.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

END_PIECE = "</s>"
"""How the end of a sentence is written among pieces."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """What links the words of a sentence pair: attention, between words and between pieces, or importance.

    source, target: the words, those of `split()`. weights: a row for each target word, a column for each source word;
    of attention the sum over the pieces of a source word, the mean over those of a target word; of importance shares of
    a row. links: (source word, target word), from 0. source_pieces, target_pieces: as the model reads them, `</s>`
    last; piece_weights: the attention between them, as the model computed it; None for importances, which are those of
    source words.
    """

    source: list[str]
    target: list[str]
    weights: Float[ndarray, "target source"] = field(repr=False)
    links: frozenset[tuple[int, int]]
    source_pieces: list[str] = field(repr=False)
    target_pieces: list[str] = field(repr=False)
    piece_weights: Float[ndarray, "target_piece source_piece"] | None = field(repr=False)

    def format_pharaoh(self) -> str:
        """The links as nmt-align writes them: `0-0 1-2`, source word and target word from 0."""
        from nmt.evaluation.alignment import format_pharaoh

        return format_pharaoh(self.links)

    def heatmap(self, *, pieces: bool = False, title: str | None = None, gold: str | None = None) -> "Figure":
        """A picture of the weights, source words along the top and target words down the side, white 0 to dark 1.

        pieces: between pieces in place of words. gold: true links between words, such as "0-0 1p2", which are outlined.
        The figure is shown in notebooks; elsewhere `.savefig(path)` writes it. Raises DataError for links that cannot
        be read, and ConfigError for pieces where weights are between words alone.
        """
        from nmt.arguments import check_text
        from nmt.evaluation.alignment import parse_pharaoh_line
        from nmt.report.heatmap import draw_heatmap

        check_text("title", title)
        check_text("gold", gold)
        if pieces:
            if self.piece_weights is None:
                raise ConfigError(
                    "pieces=True draws weights between pieces, and importances are those of whole source words. Leave "
                    "pieces out, or align with method='attention'."
                )
            return draw_heatmap(self.piece_weights, self.source_pieces, self.target_pieces, title=title)
        links = None if gold is None else parse_pharaoh_line(gold, where="gold")
        return draw_heatmap(self.weights, self.source, self.target, title=title, gold=links)

    def _repr_png_(self) -> bytes:
        from nmt.report.formats import encode

        return encode(self.heatmap(), "png", dpi=120)


class TranslationHypothesis(NamedTuple):
    """A translation that a search found.

    score: what the search ranked it by. log_prob: the natural logarithm of p(text | source), `</s>` included. pieces:
    what it is made of, `</s>` last; log_probs: of each piece.
    """

    text: str
    score: float
    log_prob: float
    pieces: list[str]
    log_probs: list[float]


class Translation(NamedTuple):
    """A line's translation.

    text, score and pieces are those of the first of the `hypotheses`, which are best first; a line without words has
    the text "", no pieces and no hypotheses. alignment: the attention of the best one, as it was when it was found;
    None where there is none, or it was not asked for. seconds: the time that a line took, on average, among those that
    were translated with it.
    """

    text: str
    score: float
    hypotheses: list[TranslationHypothesis]
    alignment: Alignment | None
    pieces: list[str]
    seconds: float


class TranslationScore(NamedTuple):
    """How probable a model finds a given translation.

    log_prob: the natural logarithm of p(text | source). tokens: pieces, `</s>` included. per_token: log_prob / tokens.
    perplexity: exp(-per_token). pieces: of the text, `</s>` last; log_probs: of each.
    """

    text: str
    log_prob: float
    tokens: int
    per_token: float
    perplexity: float
    pieces: list[str]
    log_probs: list[float]
