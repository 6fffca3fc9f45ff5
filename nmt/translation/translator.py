"""From source ids to hypotheses in their order, and from given pairs to alignments: the model at work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nmt.data.batching import bucket_by_length, pad
from nmt.data.sources.reader import SourceItem
from nmt.data.spans import LineIds, match_spans
from nmt.data.tokenizer import Tokenizers
from nmt.errors import ConfigError
from nmt.model.seq2seq import Seq2Seq
from nmt.progress import make_bar
from nmt.ranks import ALONE, Ranks
from nmt.search.constraints import Constraints
from nmt.search.protocols import Hypothesis, Request, Search, Step
from nmt.special_tokens import BOS, EOS, PAD, UNK
from nmt.translation.decoder_step import Vocabulary
from nmt.translation.ensemble import Ensemble
from nmt.translation.shares import gather_hypotheses
from nmt.translation.shortlist import LexicalShortlist, Lexicon
from nmt.translation.stepper import InferenceModel

SHORTLIST_MULTIPLE = 256
"""A shortlist has a multiple of so many words, of which the last may be padding that no sentence is allowed."""

Position = Literal["predicted", "read"]
"""Where a target word's weights are read: at the step that predicts the word, or at the next, which reads it."""


class ShortlistSource(NamedTuple):
    """A lexicon, and how much of it a sentence is left."""

    lexicon: Lexicon
    choice: LexicalShortlist


class SearchResult(NamedTuple):
    """A line's best translation, and all hypotheses that the search returned, best first."""

    text: str
    hypotheses: list[Hypothesis]


@dataclass(frozen=True)
class BatchTranslator:
    """A model with its tokenizers and a search.

    tokens: source positions a batch, padding counted. weights: whether hypotheses keep their attention weights, which
    is most of the memory that they take. engine: the model made ready, alone or as the first of an ensemble; None where
    its weights may change from one call to the next. shortlist_source: what makes the shortlist of words that a
    sentence may be translated to; None for all words. on_step: called before every step of a search, which it may end
    by raising. ranks: the processes that share out the sentences, all of which must call the same methods and get the
    same results.

    Raises ConfigError where the search names a piece that the vocabulary does not have.
    """

    model: Seq2Seq
    tokenizers: Tokenizers
    search: Search
    tokens: int = 4096
    weights: bool = True
    engine: InferenceModel | Ensemble | None = None
    shortlist_source: ShortlistSource | None = None
    on_step: Callable[[], object] = bool
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        _ = self._exempt_pieces  # a mistake there shall show before anything is translated

    @cached_property
    def _exempt_pieces(self) -> frozenset[int]:
        """The target pieces that the search's `no_repeat_exempt` names."""
        texts = self.search.no_repeat_exempt or () if isinstance(self.search, Constraints) else ()
        found = {text: self.tokenizers.target.find_pieces(text) for text in texts}
        if unknown := [text for text, ids in found.items() if UNK in ids]:
            raise ConfigError(
                f"search.no_repeat_exempt names {', '.join(map(repr, unknown))}, which no pieces of the target "
                "vocabulary make up. Name pieces as format=json of nmt-translate shows them, or words."
            )
        return frozenset(id for ids in found.values() for id in ids)

    def translate(self, lines: Sequence[str], *, progress: bool = False) -> list[SearchResult]:
        """One translation a line, in the order of the lines. A line without words has an empty translation."""
        ids = self.tokenizers.source.encode(lines)
        with make_bar(
            total=len(ids), unit=" sentences", desc="translating", disable=None if progress else True, leave=False
        ) as bar:
            return self.translate_ids(ids, done=bar.update)

    def translate_ids(
        self,
        ids: Sequence[SourceItem],
        *,
        prefixes: Sequence[Sequence[int]] | None = None,
        done: Callable[[int], object] | None = None,
    ) -> list[SearchResult]:
        """The same for lines that are pieces already. `prefixes` are those with which each translation begins, as
        pieces. `done` is told how many more sentences are finished."""
        found = self.search_all(ids, prefixes=prefixes, done=done)
        texts = self.tokenizers.target.decode([hypotheses[0].tokens if hypotheses else [] for hypotheses in found])
        return [SearchResult(text, hypotheses) for text, hypotheses in zip(texts, found, strict=True)]

    @torch.inference_mode()
    def search_all(
        self,
        ids: Sequence[SourceItem],
        *,
        prefixes: Sequence[Sequence[int]] | None = None,
        done: Callable[[int], object] | None = None,
    ) -> list[list[Hypothesis]]:
        """The hypotheses of every source, in the order of the sources; none for an empty one, whatever its prefix."""
        own = self.ranks.work(lambda: self._search_share(ids, prefixes, done))
        found = gather_hypotheses(own, len(ids), self.ranks, bool if done is None else done)
        return found if self.ranks.count == 1 else name_spans(ids, found)

    def _search_share(
        self,
        ids: Sequence[SourceItem],
        prefixes: Sequence[Sequence[int]] | None,
        done: Callable[[int], object] | None,
    ) -> dict[int, list[Hypothesis]]:
        """The hypotheses of the sources that are this process's, by their places."""
        found: dict[int, list[Hypothesis]] = {}
        sizes = [len(sentence) + 1 for sentence in ids]
        engine = self.engine or InferenceModel(self.model)
        # A table of all words pays where more are read, and a sentence reads several words for each of its own.
        whole = Vocabulary(precompute_inputs=sum(sizes) > self.model.head.vocabulary_size)
        keep_weights = self.weights or bool(getattr(self.search, "coverage", 0.0))  # which ranks by them
        step = engine.stepper(whole, keep_weights=keep_weights) if self.shortlist_source is None else None
        for rows in bucket_by_length(sizes, self.tokens, is_quadratic=engine.is_quadratic)[self.ranks.part]:
            found |= {int(row): [] for row in rows}
            some = [row for row in rows if len(ids[row])]
            if some:
                sentences = [ids[row] for row in some]
                begun = None if prefixes is None else [prefixes[row] for row in some]
                vocabulary = (
                    whole
                    if self.shortlist_source is None
                    else self._make_vocabulary(self.shortlist_source, sentences, begun)
                )
                batch_step = step or engine.stepper(vocabulary, keep_weights=keep_weights)
                hypotheses = self._search_batch(engine, batch_step, vocabulary, sentences, begun)
                for row, each in zip(some, hypotheses, strict=True):
                    found[row] = each if self.weights else [h._replace(weights=None) for h in each]
            if done is not None:
                done(len(rows))
        return found

    def _search_batch(
        self,
        engine: InferenceModel | Ensemble,
        step: Step,
        vocabulary: Vocabulary,
        sentences: Sequence[SourceItem],
        prefixes: Sequence[Sequence[int]] | None,
    ) -> list[list[Hypothesis]]:
        """The hypotheses of sources that are not empty, in their order."""
        device = self.model.device
        source, lengths = (tensor.to(device) for tensor in pad(sentences))
        step_inputs, state = engine.encode(source, lengths, vocabulary)

        def step_with_callback(tokens: Tensor, state: Any, memory: Any) -> Any:
            self.on_step()
            return step(tokens, state, memory)

        if prefixes is not None:
            prefixes = [match_spans(*pair) for pair in zip(sentences, prefixes, strict=True)]
        if vocabulary.words is None:
            request = Request(prefixes, tuple(self._exempt_pieces))
            found = self.search(step_with_callback, state, step_inputs, lengths, request)
            return name_spans(sentences, found)
        words = vocabulary.words.tolist()
        # The step's tokens are places among the words; PAD fills them up at the end, and keeps its first place.
        indices = {word: place for place, word in reversed(list(enumerate(words)))}
        begun = None if prefixes is None else [[indices[id] for id in prefix] for prefix in prefixes]
        exempt = tuple(indices[id] for id in self._exempt_pieces if id in indices)
        found = self.search(step_with_callback, state, step_inputs, lengths, Request(begun, exempt))
        found = [[h._replace(tokens=[words[place] for place in h.tokens]) for h in each] for each in found]
        return name_spans(sentences, found)

    def _make_vocabulary(
        self,
        shortlist_source: ShortlistSource,
        sentences: Sequence[SourceItem],
        prefixes: Sequence[Sequence[int]] | None,
    ) -> Vocabulary:
        """The vocabulary of a batch under a shortlist."""
        joint = self.tokenizers.source is self.tokenizers.target
        words, allowed = shortlist_source.choice.shortlist(
            shortlist_source.lexicon,
            sentences,  # type: ignore[arg-type]  # a lexicon is of the tokens of both sides
            joint=joint,
            prefixes=prefixes,
        )
        # A search is faster over a number of words that can be cut into equal blocks.
        missing = -len(words) % SHORTLIST_MULTIPLE
        words, allowed = np.pad(words, (0, missing), constant_values=PAD), np.pad(allowed, ((0, 0), (0, missing)))
        device = self.model.device
        return Vocabulary(
            torch.from_numpy(words).to(device),
            torch.from_numpy(allowed).to(device),
            precompute_inputs=sum(map(len, sentences)) > len(words),
        )


def name_spans(sentences: Sequence[SourceItem], found: list[list[Hypothesis]]) -> list[list[Hypothesis]]:
    """The same hypotheses, whose tokens know the spans of their sentence where it has any."""
    return [
        [h._replace(tokens=LineIds(h.tokens, sentence.spans, sentence.first)) for h in each]
        if isinstance(sentence, LineIds)
        else each
        for sentence, each in zip(sentences, found, strict=True)
    ]


def force_decode(
    model: Seq2Seq,
    pairs: Sequence[tuple[SourceItem, Sequence[int]]],
    *,
    position: Position,
    tokens: int = 2048,
    ranks: Ranks = ALONE,
) -> list[Float[np.ndarray, "target source"]]:
    """Attention weights for given pairs of source and target ids, neither with EOS, in their order.

    Row t belongs to target piece t; with `predicted` there is a last row for EOS, with `read` there is none. Columns
    are the source pieces and EOS. ranks: the processes that share out the pairs, all of which get all weights.
    """
    own = ranks.work(lambda: _force_share(model, pairs, position, tokens, ranks.part))
    found = dict[int, np.ndarray]()
    for rows, arrays in ranks.gather(list(own), list(own.values())):
        found |= dict(zip(rows, arrays, strict=True))
    return [found[row] for row in range(len(pairs))]


@torch.inference_mode()
def _force_share(
    model: Seq2Seq,
    pairs: Sequence[tuple[SourceItem, Sequence[int]]],
    position: Position,
    tokens: int,
    part: slice,
) -> dict[int, np.ndarray]:
    """The weights of a part of all batches, by the places of their pairs."""
    pairs = [(source, match_spans(source, target)) for source, target in pairs]
    found: dict[int, np.ndarray] = {}
    device = model.device
    widths = [max(len(source), len(target)) + 1 for source, target in pairs]
    for rows in bucket_by_length(widths, tokens, is_quadratic=model.is_quadratic)[part]:
        source, lengths = pad([pairs[row][0] for row in rows])
        target_input = torch.full((len(rows), max(len(pairs[row][1]) for row in rows) + 1), PAD)
        target_input[:, 0] = BOS
        target_output = torch.full_like(target_input, PAD)
        for place, row in enumerate(rows):
            length = len(pairs[row][1])
            target_input[place, 1 : length + 1] = torch.tensor(pairs[row][1], dtype=torch.long)
            target_output[place, :length], target_output[place, length] = target_input[place, 1 : length + 1], EOS
        inputs = (each.to(device) for each in (source, lengths, target_input, target_output))
        weights = model.align(*inputs).cpu().numpy()
        for place, row in enumerate(rows):
            steps = len(pairs[row][1]) + 1
            first = 0 if position == "predicted" else 1
            found[int(row)] = weights[place, first:steps, : lengths[place]]
    return found
