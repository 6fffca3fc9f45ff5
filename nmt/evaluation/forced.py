"""A model that is made to produce given translations of given sources, and of sources that lack some of their words."""

import logging
from collections.abc import Callable, Iterator, Sequence, Set
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from numpy import ndarray
from torch import Tensor

from nmt.data.batching import bucket_by_length
from nmt.data.sources.reader import SourceItem
from nmt.model.seq2seq import Seq2Seq, SourceMemory
from nmt.progress import report_progress
from nmt.special_tokens import BOS, EOS, PAD
from nmt.trees import repeat_rows

logger = logging.getLogger(__name__)


class ForcedPair(NamedTuple):
    """A source and a target as pieces, EOS left out, and the word that each piece is a part of. A source may be
    features, whose positions are its pieces. is_grid: whether they are cells of a picture, none of which can be taken
    away: those of words that are erased become black."""

    source: SourceItem
    target: Sequence[int]
    source_words: Sequence[int]
    target_words: Sequence[int]
    is_grid: bool = False

    @property
    def columns(self) -> Int[ndarray, " source"]:
        """The word of each source position; EOS is the last position, and a word of its own, the last one."""
        words = np.asarray(self.source_words, dtype=np.int64)
        return np.append(words, words.max(initial=-1) + 1)

    @property
    def words(self) -> int:
        """Words of the source, EOS counted."""
        return int(self.columns[-1]) + 1

    @property
    def erasable(self) -> list[int]:
        """The words that own a piece, EOS among them, which features cannot be without."""
        columns = self.columns[:-1] if isinstance(self.source, np.ndarray) else self.columns
        return [int(word) for word in np.unique(columns)]

    @property
    def output(self) -> list[int]:
        """What is to be predicted: the target and EOS."""
        return [*self.target, EOS]

    @property
    def complete_source(self) -> SourceItem:
        """The source's pieces, EOS included."""
        return self.erase(set())

    def erase(self, words: Set[int]) -> SourceItem:
        """The source's pieces, EOS included, without those of some words; EOS stays where nothing else would. That of
        features, a row of zeros, always stays."""
        if isinstance(self.source, np.ndarray):
            is_kept = np.array([int(word) not in words for word in self.source_words], np.bool_)
            if self.is_grid:
                shape = (-1, *(1 for _ in self.source.shape[1:]))
                return np.concatenate([self.source * is_kept.reshape(shape), np.zeros_like(self.source[:1])])
            return np.concatenate([self.source[is_kept], np.zeros_like(self.source, shape=(1, *self.source.shape[1:]))])
        kept = [id for id, word in zip([*self.source, EOS], self.columns, strict=True) if int(word) not in words]
        return kept or [EOS]

    def keep_only(self, words: Set[int]) -> SourceItem:
        """The source's pieces without those of other words; EOS always stays."""
        return self.erase(set(range(self.words - 1)) - set(words))

    def sum_words(self, positions: Float[ndarray, "target source"]) -> Float[ndarray, "target word"]:
        """Sums over the pieces of each source word."""
        found = np.zeros((len(positions), self.words))
        np.add.at(found.T, self.columns, positions.T)
        return found


class ForcedBatch(NamedTuple):
    """Sources and targets as the model reads them, on its device. rows: which of the pairs these are."""

    rows: Int[ndarray, " row"]
    source: Shaped[Tensor, "row source *feature"]
    lengths: Int[Tensor, " row"]
    target_input: Int[Tensor, "row target"]
    target_output: Int[Tensor, "row target"]


def iterate_batches(
    sources: Sequence[SourceItem],
    outputs: Sequence[Sequence[int]],
    *,
    tokens: int,
    device: torch.device,
    doing: str,
) -> Iterator[ForcedBatch]:
    """Batches of like lengths with at most `tokens` positions. EOS is in `sources` where it is read, and in `outputs`
    where it is predicted. What takes longer than a second shows how far it is, by the name of what is being done."""
    sizes = [max(len(source), len(output)) for source, output in zip(sources, outputs, strict=True)]
    with report_progress(logger, len(sizes), doing) as report:
        for rows in bucket_by_length(sizes, tokens):
            found = [outputs[row] for row in rows]
            source, lengths = pad_rows([sources[row] for row in rows])
            target_output, _ = pad_rows(found)
            target_input, _ = pad_rows([[BOS, *output[:-1]] for output in found])
            yield ForcedBatch(rows, *(each.to(device) for each in (source, lengths, target_input, target_output)))
            report(len(rows))


def pad_rows(rows: Sequence[SourceItem]) -> tuple[Shaped[Tensor, "row time *feature"], Int[Tensor, " row"]]:
    """Lists of ids, or features, as one tensor, padded at their ends, and how long they are."""
    lengths = torch.tensor([len(row) for row in rows])
    first = rows[0]
    shape, dtype = (first.shape[1:], torch.float32) if isinstance(first, np.ndarray) else ((), torch.long)
    padded = torch.full((len(rows), int(lengths.max()), *shape), PAD, dtype=dtype)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = torch.as_tensor(row)
    return padded, lengths


class Predicted(NamedTuple):
    """log p of the pieces that are to be predicted, and the piece that the model holds for the best at each place."""

    log_prob: Float[ndarray, " target"]
    best: Int[ndarray, " target"]


@torch.inference_mode()
def predict(
    model: Seq2Seq,
    sources: Sequence[SourceItem],
    outputs: Sequence[Sequence[int]],
    *,
    tokens: int,
    doing: str = "predicting",
) -> list[Predicted]:
    """What the model says of the outputs of these sources, in their order; both are complete, EOS included."""
    found: list[Predicted] = [Predicted(np.zeros(0), np.zeros(0, np.int64))] * len(sources)
    for batch in iterate_batches(sources, outputs, tokens=tokens, device=model.device, doing=doing):
        log_probs = model.log_probs(batch.source, batch.lengths, batch.target_input)
        given = log_probs.gather(-1, batch.target_output.unsqueeze(-1)).squeeze(-1).double().cpu().numpy()
        best = log_probs.argmax(-1).cpu().numpy()
        for place, row in enumerate(batch.rows):
            size = len(outputs[row])
            found[row] = Predicted(given[place, :size], best[place, :size])
    return found


def iterate_steps(
    model: Seq2Seq, batch: ForcedBatch, change: Callable[[SourceMemory], SourceMemory], times: int
) -> Iterator[Float[Tensor, "row change word"]]:
    """log p of every word at each target position, if the decoder saw a changed memory at that position alone.

    change: what makes of the memory, each row `times` times side by side, the changed ones. The state before a position
    is that of a decoder that has seen the memory as it is. A change that changes nothing is among them where its result
    is to be exactly that of others: the same row of another batch may be rounded in another way.
    """
    memory, state = model.encode(batch.source, batch.lengths)
    changed = change(repeat_rows(memory, times))
    for token in batch.target_input.unbind(1):
        found = model.step(token.repeat_interleave(times), repeat_rows(state, times), changed).log_probs
        yield found.view(len(token), times, -1)
        state = model.step(token, state, memory).state


def build_columns(pairs: Sequence[ForcedPair], batch: ForcedBatch) -> Int[Tensor, "row source"]:
    """The word of each source position of a batch; -1 on padding."""
    columns = torch.full(batch.source.shape[:2], -1)
    for place, row in enumerate(batch.rows):
        known = pairs[row].columns
        columns[place, : len(known)] = torch.from_numpy(known)
    return columns.to(batch.source.device)
