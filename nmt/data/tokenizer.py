"""Subwords by SentencePiece (Kudo and Richardson 2018): how they are learnt, and how lines become ids and ids lines."""

import io
import itertools
import logging
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import sentencepiece

from nmt.data.lines import replace_line_ends
from nmt.data.piece_words import assign_words
from nmt.data.sources.reader import SourceItem, SourceReader
from nmt.data.subword_regularization import BpeSampler, ScoredPiece, SubwordSampler, UnigramSampler
from nmt.data.vocabulary_size import LearnFrom, choose_lines, choose_size, describe_choice, explain_size, learn_near
from nmt.data.whole import ProtectedSymbols, check_symbols, find_symbols
from nmt.errors import ConfigError, DataError
from nmt.exhaustion import explain_exhaustion
from nmt.special_tokens import BOS, EOS, PAD, UNK

logger = logging.getLogger(__name__)

Normalization = Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]

MAX_VOCAB_SIZE = 10_000_000
"""The most pieces of a vocabulary; more than any text has."""

WORD_PATTERN = re.compile("▁+[^▁]*|[^▁]+")
"""A word of a normalized line, in which ▁ marks where words begin."""

sentencepiece.set_min_log_level(2)


class Tokenizer:
    """One SentencePiece model. Ids are those of `nmt.special_tokens`, then pieces; `encode` adds neither BOS nor EOS.

    Text that looks like a control symbol ("</s>") is ordinary text. Characters that the model has not seen become
    UNK, which decodes to " ⁇ ". `sampling` is what `sample` does: the dropout probability of BPE (Provilkov et al.
    2020), the inverse temperature of a unigram model's segmentations (Kudo 2018), or 0 for no sampling. It is the
    `SourceReader` of text.
    """

    reads_text: ClassVar[bool] = True

    def __init__(self, serialized: bytes, *, sampling: float = 0.0) -> None:
        self.serialized = serialized
        self.sampling = sampling
        self._model = sentencepiece.SentencePieceProcessor(model_proto=serialized)

    @classmethod
    def load(cls, model: bytes | str | Path, *, sampling: float = 0.0) -> "Tokenizer":
        """From the bytes of a model or a file. Raises DataError for what is no SentencePiece model with our symbols."""
        name = "These bytes are" if isinstance(model, bytes) else f"{model} is"
        try:
            serialized = model if isinstance(model, bytes) else Path(model).read_bytes()
            if not serialized:
                raise ValueError("SentencePiece takes nothing for a model that is still to come")
            tokenizer = cls(serialized, sampling=sampling)
            tokenizer.decode([range(tokenizer.vocab_size)])  # pieces that are no text would come to light in use only
        except OSError as problem:
            raise DataError(f"The SentencePiece model {problem.filename} cannot be read: {problem.strerror}.") from None
        except (RuntimeError, ValueError) as problem:
            if explain_exhaustion(problem) is not None:
                raise
            raise DataError(f"{name} not a SentencePiece model, or damaged.") from None
        ids = [getattr(tokenizer._model, f"{symbol}_id")() for symbol in ("pad", "unk", "bos", "eos")]
        if ids != [PAD, UNK, BOS, EOS]:
            raise DataError(
                f"{name} a SentencePiece model with pad, unk, bos and eos at ids {ids}; this project needs "
                f"{[PAD, UNK, BOS, EOS]}: learn it with --pad_id=0 --unk_id=1 --bos_id=2 --eos_id=3."
            )
        return tokenizer

    @property
    def vocab_size(self) -> int:
        return int(self._model.vocab_size())

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """The best segmentation of each line; an empty line gives no ids."""
        return self._model.encode(list(lines))  # type: ignore[no-any-return]

    def sample(self, lines: Sequence[str], *, seed: int) -> list[list[int]]:
        """A random segmentation of each line: a pure function of lines and seed; `encode` where sampling is 0.

        Words with characters that the model has not seen keep their best segmentation.
        """
        if self.sampling == 0.0:
            return self.encode(lines)
        words = [
            WORD_PATTERN.findall(self._protected_symbols.hide(line)) for line in self._model.normalize(list(lines))
        ]
        draw = np.random.default_rng([abs(seed), seed < 0])
        flat, counts = self._sampler.draw(list(itertools.chain.from_iterable(words)), draw)
        ends = np.concatenate([[0], np.cumsum(counts)])[np.cumsum([0, *map(len, words)])].tolist()
        ids = flat.tolist()
        return [ids[start:end] for start, end in itertools.pairwise(ends)]

    @cached_property
    def _protected_symbols(self) -> ProtectedSymbols:
        return ProtectedSymbols(find_symbols(self.serialized))

    @cached_property
    def _sampler(self) -> SubwordSampler:
        model = self._model
        ids = [id for id in range(EOS + 1, self.vocab_size) if not model.is_byte(id)]
        pieces = self._protected_symbols.hide_pieces(
            {model.id_to_piece(id): ScoredPiece(id, model.get_score(id)) for id in ids}
        )
        encode = self._protected_symbols.wrap_encoder(model.encode)
        try:
            model.nbest_encode("a", nbest_size=1)  # the one thing that tells the models apart: BPE refuses
        except RuntimeError:
            return BpeSampler(pieces, self.sampling, encode)
        return UnigramSampler(pieces, self.sampling, encode)

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The text of each list of ids, one line each for every tool. PAD, BOS and EOS leave no trace."""
        return [replace_line_ends(line) for line in self._model.decode([list(line) for line in ids])] if ids else []

    def convert_ids_to_pieces(self, ids: Sequence[int]) -> list[str]:
        """The piece behind each id; "▁" marks the beginning of a word."""
        return list(self._model.id_to_piece([int(id) for id in ids]))

    def label(self, item: SourceItem) -> list[str]:
        """The same of a source."""
        return self.convert_ids_to_pieces(item)  # type: ignore[arg-type]

    def split_words(self, line: str) -> list[str]:
        """What stands between white space."""
        return line.split()

    def find_pieces(self, text: str) -> list[int]:
        """The ids of the pieces that are spelled like the text, with and without ▁ before it; where there is none,
        those of the pieces that the text is cut into. UNK stands for what the vocabulary does not have."""
        named = [self._model.piece_to_id(piece) for piece in (text, f"▁{text}")]
        return [id for id in named if id > EOS] or self.encode([text])[0] or [UNK]

    def find_unknown(self, line: str) -> list[str]:
        """What stands in a line for pieces that the vocabulary does not have, each once, in order."""
        found = zip(self._model.encode(line), self._model.encode(line, out_type=str), strict=True)
        return list(dict.fromkeys(text for id, text in found if id == UNK))

    def encode_with_words(self, line: str) -> tuple[list[int], list[int]]:
        """The ids of a line and, for each, the index in `line.split()` of the word that it is a part of.

        A piece belongs to the word of the last visible character of the line that it stands for; one that stands for a
        space, or for nothing (normalization makes three pieces of "…"), to the word that follows or surrounds it. A
        word has no piece only where normalization deletes it or joins it to the next.
        """
        encoded = self._model.encode(line, return_type="offset_mapping")
        return encoded["ids"], assign_words(line, encoded["offsets"])

    def get_word_indices(self, ids: Sequence[int]) -> list[int]:
        """For each id, the index of its word in `split()` of the text that `decode` makes of them."""
        decoded = self._model.decode([int(id) for id in ids], return_type="offset_mapping")
        return assign_words(decoded["text"], decoded["offsets"])


class Tokenizers(NamedTuple):
    """One tokenizer a language; the same object twice when they share a vocabulary. Where source lines are no text,
    `source` is what reads them."""

    source: SourceReader
    target: Tokenizer


class SentencePieceTrainer:
    """How a vocabulary is learnt. The same lines and settings give the same model, byte for byte.

    `vocab_size` counts the four control symbols, and `auto` is `choose_size` of the text, within what SentencePiece can
    make of it. `joint` learns one model from both languages, and otherwise each gets one of that size.
    `character_coverage` below one leaves the rarest characters to UNK; with `byte_fallback` unseen characters
    become bytes instead. `learn_from` says how many lines are learnt from, see `choose_lines`. `symbols` stay whole.
    `model` and `target_model` are files of models made elsewhere, in place of learnt ones: see `nmt.data.own_model`.
    `sampling` does not change what is learnt; see `Tokenizer`.
    """

    model_type: ClassVar[str]
    max_sampling: ClassVar[float]

    def __init__(
        self,
        *,
        vocab_size: int | Literal["auto"] = "auto",
        joint: bool = True,
        character_coverage: float = 1.0,
        byte_fallback: bool = False,
        normalization: Normalization = "nmt_nfkc",
        sampling: float = 0.0,
        learn_from: LearnFrom = "auto",
        symbols: list[str] | None = None,
        model: str | None = None,
        target_model: str | None = None,
    ) -> None:
        check_symbols(symbols or [])
        if model is None and target_model is not None:
            raise ConfigError("tokenizer.target_model is for the target beside tokenizer.model, which is not given.")
        if model is not None and (vocab_size != "auto" or symbols):
            raise ConfigError(
                "tokenizer.model has its pieces already. Leave tokenizer.vocab_size at auto and tokenizer.symbols out."
            )
        if vocab_size != "auto" and vocab_size > MAX_VOCAB_SIZE:
            raise ConfigError(f"tokenizer.vocab_size={vocab_size} must be at most {MAX_VOCAB_SIZE}.")
        if vocab_size != "auto" and vocab_size < 5:
            raise ConfigError(f"tokenizer.vocab_size={vocab_size} must be at least 5: four are control symbols.")
        if not 0.98 <= character_coverage <= 1.0:
            raise ConfigError(f"tokenizer.character_coverage={character_coverage} must lie between 0.98 and 1.")
        if not 0.0 <= sampling <= self.max_sampling:
            raise ConfigError(f"tokenizer.sampling={sampling} must lie between 0 (off) and {self.max_sampling:g}.")
        self.joint = joint
        self.sampling = sampling
        self.learn_from, self.learnt_from = learn_from, describe_choice(learn_from)
        self.options: dict[str, Any] = {
            "model_type": self.model_type,
            "vocab_size": vocab_size,
            "character_coverage": character_coverage,
            "byte_fallback": byte_fallback,
            "normalization_rule_name": normalization,
            "hard_vocab_limit": True,
            "pad_id": PAD,
            "unk_id": UNK,
            "bos_id": BOS,
            "eos_id": EOS,
            "num_threads": 1,  # sums of floating-point numbers, and so the pieces, depend on the number of threads
            "max_sentence_length": 4192,
            **({"user_defined_symbols": symbols} if symbols else {}),
        }

    def get_identity(self) -> dict[str, Any]:
        """All that shapes the vocabulary, as JSON."""
        return {
            "sentencepiece": sentencepiece.__version__,
            "joint": self.joint,
            "learnt_from": self.learnt_from,
            **self.options,
        }

    def train(self, source: Sequence[str], target: Sequence[str]) -> Tokenizers:
        """Learns from the two sides of a corpus. Raises DataError where they cannot give a vocabulary of this size."""
        if self.joint:
            both = self._learn([source, target], "source and target")
            return Tokenizers(both, both)
        return Tokenizers(self._learn([source], "source"), self._learn([target], "target"))

    def train_target(self, target: Sequence[str]) -> Tokenizer:
        """Learns the target's vocabulary alone."""
        return self._learn([target], "target")

    def load(self, source: bytes | None, target: bytes | None) -> Tokenizers:
        """The tokenizers of models learnt before; None for a target that shares the source's."""
        assert source is not None
        first = Tokenizer.load(source, sampling=self.sampling)
        return Tokenizers(first, first if target is None else Tokenizer.load(target, sampling=self.sampling))

    def _learn(self, sides: Sequence[Sequence[str]], name: str) -> Tokenizer:
        """One model from one side or both, of the size that is set or chosen."""
        lines = [line for side in sides for line in choose_lines(side, self.learn_from, len(sides))]
        size = self.options["vocab_size"]
        try:
            if size == "auto":
                learnt = learn_near(lambda wanted: self._learn_sized(lines, wanted), choose_size(*sides))
            else:
                learnt = self._learn_sized(lines, size)
        except RuntimeError as problem:
            longest = self.options["max_sentence_length"]
            raise DataError(explain_size(str(problem), size, name, lines, longest)) from None
        if size == "auto":
            logger.info(
                "a vocabulary of %d pieces for the %s of %d pairs (tokenizer.vocab_size=auto)",
                *(learnt.vocab_size, name, len(sides[0])),
            )
        return learnt

    def _learn_sized(self, lines: Sequence[str], size: int) -> Tokenizer:
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=written, minloglevel=2, **{**self.options, "vocab_size": size}
        )
        return Tokenizer(written.getvalue(), sampling=self.sampling)


class Unigram(SentencePieceTrainer):
    """A unigram language model over pieces, pruned from a large vocabulary (Kudo 2018)."""

    model_type = "unigram"
    max_sampling = 100.0


class Bpe(SentencePieceTrainer):
    """Byte-pair encoding: the most frequent pair is merged until the vocabulary is full (Sennrich et al. 2016)."""

    model_type = "bpe"
    max_sampling = 1.0


TOKENIZERS: dict[str, type[SentencePieceTrainer]] = {"unigram": Unigram, "bpe": Bpe}
