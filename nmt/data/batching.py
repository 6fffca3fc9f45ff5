"""Batches by a budget of tokens, as a pure function of (seed, epoch, index): a run need only remember where it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from nmt.data.encoded import LINES_PER_CHUNK, PieceLinks, RaggedIds, TokenizedBitext, resegment
from nmt.data.links import resegment_links
from nmt.data.mix.shares import CorpusMixture
from nmt.data.ordered_rows import OrderedRows, draw_order
from nmt.data.sources.reader import SourceItem
from nmt.data.tokenizer import Tokenizers
from nmt.errors import ConfigError
from nmt.ranks import ALONE, Ranks
from nmt.special_tokens import BOS, EOS, PAD
from nmt.trees import tree_map

LONG_WIDTH = 128
"""A sentence whose words look at each other counts in a budget as its width, and as its width squared divided by this
where it is longer: so much memory does it take for each of its positions."""


class Batch(NamedTuple):
    """Pairs of sentences side by side, padded with PAD; all of them int64, but for a source of features: float32, with
    zeros for its end and for padding."""

    source: Shaped[Tensor, "row source *feature"]  # x1 .. xn </s>
    target_input: Int[Tensor, "row target"]  # <s> y1 .. yn
    target_output: Int[Tensor, "row target"]  # y1 .. yn </s>
    source_lengths: Int[Tensor, " row"]  # </s> counted
    lines: Int[Tensor, " row"]  # where each pair was read, the first line of its file being 0
    links: Bool[Tensor, "row target source"] | None = None  # of pieces, where those of words are known


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How training pairs are put together.

    tokens: the most positions, padding counted, that either side of a batch may have.
    max_sentences: the most pairs in a batch; no limit where None.
    pool: pairs of like length are sought among this many, drawn at random: more, and there is less padding; fewer,
        and chance has more say in which pairs meet.
    width_multiple: widths are rounded up to multiples of this; more, and there are fewer shapes but more padding.
    """

    tokens: int = 4096
    max_sentences: int | None = None
    pool: int = 100_000
    width_multiple: int = 1

    def __post_init__(self) -> None:
        for name in ("tokens", "pool", "width_multiple"):
            if getattr(self, name) < 1:
                raise ConfigError(f"batching.{name}={getattr(self, name)} must be at least 1.")
        if self.max_sentences is not None and self.max_sentences < 1:
            raise ConfigError(f"batching.max_sentences={self.max_sentences} must be at least 1, or null for no limit.")


class Epoch:
    """One pass over the training pairs: every pair in exactly one of `len(epoch)` batches, or, in a mixture of corpora,
    in as many as it is drawn."""

    def __init__(
        self, tokenized: TokenizedBitext, rows: Sequence[NDArray[np.int64]], width_multiple: int, is_quadratic: bool
    ) -> None:
        self.tokenized = tokenized
        self.rows = rows
        self.width_multiple = width_multiple
        self.is_quadratic = is_quadratic

    def __len__(self) -> int:
        return len(self.rows)

    def get_batch(self, index: int, part: slice = slice(None)) -> Batch:
        """Batch number `index`, or a part of its pairs."""
        return collate(self.tokenized, self.rows[index][part], self.width_multiple)

    def get_share(self, first: int, size: int, ranks: Ranks) -> list[NDArray[np.int64]]:
        """The rows of the batches that one process has of a step, which is `size` batches from `first` on."""
        return share_rows(self.rows[first : first + size], ranks)

    def iterate_batches(
        self, first: int, *, size: int = 1, ranks: Ranks = ALONE, pinned: bool = False
    ) -> Iterator[Batch]:
        """Those of one process from `first` on, with `size` to a step; `pinned` in memory from which a GPU copies
        without being waited for."""
        for start in range(first, len(self), size):
            for rows in self.get_share(start, size, ranks):
                batch = collate(self.tokenized, rows, self.width_multiple)
                yield tree_map(batch, lambda tensor: tensor.pin_memory()) if pinned else batch


class Batches:
    """The training data as a sequence of epochs.

    An epoch depends on the data, the settings, the seed and its number only (numbers and seed from 0). With tokenizers
    that sample, each epoch sees its own segmentation of the whole training set. is_quadratic: whether they are for a
    model with self-attention, so that long sentences are dearer: see LONG_WIDTH. mixture: which pairs an epoch has
    where they are of several corpora. Raises ConfigError where the longest sentence does not fit into the budget.
    """

    def __init__(
        self,
        train: TokenizedBitext,
        tokenizers: Tokenizers,
        settings: BatchSettings,
        *,
        seed: int,
        is_quadratic: bool = False,
        mixture: CorpusMixture | None = None,
    ) -> None:
        self.mixture = mixture
        self.train = train
        self.tokenizers = tokenizers
        self.settings = settings
        self.seed = seed
        self.is_quadratic = is_quadratic
        parts = (
            _compute_widths(train, settings.width_multiple, slice(start, start + LINES_PER_CHUNK))
            for start in range(0, train.pairs, LINES_PER_CHUNK)
        )
        longest = max(int(widths.max()) for widths in parts)
        if longest > settings.tokens:
            raise ConfigError(
                f"batching.tokens={settings.tokens} has no room for the longest training sentence: {longest} tokens "
                "with </s> and padding. Raise batching.tokens or lower filters.max_length."
            )

    def make_epoch(self, number: int, check_cancelled: Callable[[], None] = lambda: None) -> Epoch:
        """Epoch `number`; `check_cancelled` is called now and then while it is made, and may end that by raising."""
        train = self.train
        if any(tokenizer.sampling for tokenizer in self.tokenizers):
            drawn = resegment(train, self.tokenizers, [self.seed, number], check_cancelled)
            links = None if train.links is None else resegment_links(train, drawn, self.tokenizers)
            train = drawn._replace(links=links)
        return self._cut(train, number)

    def count(self) -> int:
        """How many batches the first epoch has without sampling; others may have a few more or fewer."""
        return len(self._cut(self.train, 0))

    def _cut(self, train: TokenizedBitext, number: int) -> Epoch:
        draw = np.random.default_rng([self.seed, number])
        order = draw_order(train.pairs, draw) if self.mixture is None else self.mixture.draw_order(draw)
        bounds = [0]
        for start in range(0, len(order), self.settings.pool):
            pool = order[start : start + self.settings.pool]
            source, target = train.source.measure(pool), train.target.measure(pool)
            # By target, then by source length, up and down in turn, so that neighbours are alike where targets get
            # longer; chance has ordered pairs that are equal in both.
            places = np.lexsort((np.where(target % 2, source, -source), target))
            pool[:] = pool[places]
            widths = _round_up(np.maximum(source, target)[places] + 1, self.settings.width_multiple)
            costs = compute_costs(widths, is_quadratic=self.is_quadratic)
            cuts = _slice_by_budget(costs, self.settings.tokens, self.settings.max_sentences)
            bounds += [start + cut.stop for cut in cuts]
        rows = OrderedRows(order, np.array(bounds, np.int64), draw.permutation(len(bounds) - 1))
        return Epoch(train, rows, self.settings.width_multiple, self.is_quadratic)


def share_rows(batches: Sequence[NDArray[np.int64]], ranks: Ranks) -> list[NDArray[np.int64]]:
    """The part of a step's batches that one of several processes has, so that all have about as much to do.

    As many whole batches as can be dealt out evenly go to the processes in turn. Each of the rest is divided among
    several processes, which take its pairs in turn; one for which there is no pair gets nothing of it.
    """
    whole = len(batches) // ranks.count * ranks.count
    share = list(batches[ranks.rank : whole : ranks.count])
    if rest := batches[whole:]:
        place = ranks.rank % len(rest)
        sharers = range(place, ranks.count, len(rest))
        rows = rest[place][sharers.index(ranks.rank) :: len(sharers)]
        share += [rows] if len(rows) else []
    return share


def compute_costs(widths: NDArray[np.int64], *, is_quadratic: bool) -> NDArray[np.int64]:
    """What a sentence of each width takes of a budget of positions: its width w, or max(w, w^2 / LONG_WIDTH) in a model
    with self-attention, rounded up."""
    return -(-widths * np.maximum(widths, LONG_WIDTH) // LONG_WIDTH) if is_quadratic else widths


def iterate_validation_batches(
    tokenized: TokenizedBitext, tokens: int, *, is_quadratic: bool = False, part: slice = slice(None)
) -> Iterator[Batch]:
    """Every pair once, in batches of like lengths and the given budget; for losses over a validation set. part: which
    of the batches."""
    for rows in bucket_by_length(_compute_widths(tokenized, 1), tokens, is_quadratic=is_quadratic)[part]:
        yield collate(tokenized, rows)


def bucket_by_length(
    lengths: Sequence[int] | NDArray[Any], tokens: int, *, is_quadratic: bool = False
) -> list[NDArray[np.int64]]:
    """Indices of sentences in batches of like lengths, the longest first, with rows x cost of the longest <= tokens.

    A sentence that costs more than the budget has a batch of its own. is_quadratic: see `compute_costs`.
    """
    widths = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-widths, kind="stable")
    costs = compute_costs(widths[order], is_quadratic=is_quadratic)
    return [order[cut] for cut in _slice_by_budget(costs, tokens, None)]


def collate(tokenized: TokenizedBitext, rows: NDArray[np.int64], width_multiple: int = 1) -> Batch:
    """The pairs at `rows` as one batch."""
    source, source_lengths = _pad_rows(tokenized.source, rows, width_multiple)
    target_output, _ = _pad_rows(tokenized.target, rows, width_multiple)
    # read is wanted moved one to the right, with </s> left out: x y </s> pad -> <s> x y pad
    target_input = np.full_like(target_output, BOS)
    target_input[:, 1:] = np.where(target_output[:, :-1] == EOS, PAD, target_output[:, :-1])
    arrays = (source, target_input, target_output, source_lengths, tokenized.lines[rows])
    widths = target_output.shape[1], source.shape[1]
    links = (
        None if tokenized.links is None else torch.from_numpy(spread_links(tokenized, tokenized.links, rows, widths))
    )
    return Batch(*(torch.from_numpy(array) for array in arrays))._replace(links=links)


def spread_links(
    tokenized: TokenizedBitext, links: PieceLinks, rows: NDArray[np.int64], widths: tuple[int, int]
) -> NDArray[np.bool_]:
    """Whether a target and a source piece are of linked words [row target source]; </s> and padding are of none."""
    words = [
        _pad_words(ids, each, rows, width)
        for ids, each, width in (
            (tokenized.target, links.target_words, widths[0]),
            (tokenized.source, links.source_words, widths[1]),
        )
    ]
    counts = links.offsets[rows + 1] - links.offsets[rows]
    row = np.repeat(np.arange(len(rows)), counts)
    place = np.repeat(links.offsets[rows] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    target, source = links.target[place], links.source[place]
    # Words that no piece is of have links too; the last of each axis is for what is no word.
    sizes = [
        max(int(each.max(initial=0)), int(ends.max(initial=0))) + 2
        for each, ends in zip(words, (target, source), strict=True)
    ]
    of_words = np.zeros((len(rows), *sizes), np.bool_)
    of_words[row, target, source] = True
    return of_words[np.arange(len(rows))[:, None, None], words[0][:, :, None], words[1][:, None, :]]


def _pad_words(ids: RaggedIds, words: NDArray[np.int32], rows: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """The words of pieces as rows of a batch, and -1, the last one, where there is no word."""
    places, lengths = np.arange(width), (ids.offsets[rows + 1] - ids.offsets[rows])[:, None]
    flat = words[np.minimum(ids.offsets[rows][:, None] + places, len(words) - 1)] if len(words) else np.zeros((1, 1))
    return np.where(places < lengths, flat, -1).astype(np.int64)


def pad(sentences: Sequence[SourceItem]) -> tuple[Shaped[Tensor, "row source *feature"], Int[Tensor, " row"]]:
    """Sentences (ids without EOS, or features) as a source: EOS is added, then padding; also their lengths, EOS
    counted. Of features, both are zeros."""
    ids, lengths = _pad_rows(RaggedIds.from_sentences(sentences), np.arange(len(sentences)), 1)
    return torch.from_numpy(ids), torch.from_numpy(lengths)


def _pad_rows(ids: RaggedIds, rows: NDArray[np.int64], multiple: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    starts = ids.offsets[rows]
    lengths = (ids.offsets[rows + 1] - starts)[:, None]
    places = np.arange(_round_up(int(lengths.max(initial=0)) + 1, multiple))
    # Positions past the end read any id at all, which is then overwritten; an array without ids has none to read.
    is_real = places < lengths
    if ids.flat.dtype.kind == "f":
        features = np.zeros((*is_real.shape, *ids.flat.shape[1:]), np.float32)
        features[is_real] = ids.flat[(starts[:, None] + places)[is_real]]
        return features, lengths[:, 0] + 1
    flat = ids.flat[np.minimum(starts[:, None] + places, len(ids.flat) - 1)] if len(ids.flat) else np.zeros((1, 1))
    padded = np.where(is_real, flat, np.where(places == lengths, EOS, PAD))
    return padded.astype(np.int64), lengths[:, 0] + 1


def _compute_widths(tokenized: TokenizedBitext, multiple: int, part: slice = slice(None)) -> NDArray[np.int64]:
    """The wider side of each of a part of the pairs, </s> counted."""
    rows = np.arange(*part.indices(tokenized.pairs))
    return _round_up(np.maximum(tokenized.source.measure(rows), tokenized.target.measure(rows)) + 1, multiple)  # type: ignore[no-any-return]


def _round_up(widths: Any, multiple: int) -> Any:
    return -(-widths // multiple) * multiple


def _slice_by_budget(costs: NDArray[np.int64], tokens: int, max_rows: int | None) -> Iterator[slice]:
    """Runs of neighbours, each as long as rows x dearest <= tokens (and rows <= most) allows, but never empty."""
    start = 0
    while start < len(costs):
        # No run has more rows than the budget has room for at the cost of its first row.
        limit = max(1, tokens // max(1, int(costs[start])))
        dearest = np.maximum.accumulate(costs[start : start + (limit if max_rows is None else min(limit, max_rows))])
        rows = int(np.searchsorted(dearest * np.arange(1, len(dearest) + 1), tokens, side="right"))
        stop = start + max(1, rows)
        yield slice(start, stop)
        start = stop
