"""Vocabularies that are not learnt: the numbers from 0 on, each a word, for targets that are symbols or positions."""

from collections.abc import Sequence
from typing import Any, Literal

from nmt.data.model_proto import (
    CONTROL,
    NORMAL,
    NORMALIZER,
    PIECES,
    SYMBOL_IDS,
    SYMBOL_NAMES,
    TEXT,
    TRAINER,
    TYPE,
    UNKNOWN,
    VOCAB_SIZE,
    write_field,
)
from nmt.data.tokenizer import SentencePieceTrainer, Tokenizer
from nmt.errors import ConfigError
from nmt.special_tokens import BOS, EOS, PAD, UNK

MAX_COUNT = 65536

MODEL_TYPE, WORD_MODEL, NORMALIZER_NAME = 3, 3, 1
"""The field of a trainer's settings that says what kind of model it is, the kind whose pieces are words, and a field of
a normalizer."""


class Numbers(SentencePieceTrainer):
    """The words "0", "1", ..., count - 1, in this order after the control symbols; all else is unknown.

    vocab_size follows from the count; it is a setting so that recipes for any vocabulary can leave it open.
    Raises ConfigError for a count that is out of range.
    """

    model_type = "word"
    max_sampling = 0.0

    def __init__(self, *, count: int = 256, vocab_size: Literal["auto"] = "auto") -> None:
        if not 1 <= count <= MAX_COUNT:
            raise ConfigError(f"tokenizer.count must be from 1 to {MAX_COUNT}; got {count}.")
        super().__init__(normalization="identity")
        self.count = count

    def get_identity(self) -> dict[str, Any]:
        return {"numbers": self.count, "version": 1}

    def _learn(self, sides: Sequence[Sequence[str]], name: str) -> Tokenizer:
        """Nothing is learnt from the text."""
        return Tokenizer(make_number_model(self.count))


def make_number_model(count: int) -> bytes:
    """The SentencePiece model, serialized."""
    control = {PAD: "pad", UNK: "unk", BOS: "bos", EOS: "eos"}
    pieces = [(SYMBOL_NAMES[control[id]], UNKNOWN if id == UNK else CONTROL) for id in sorted(control)]
    pieces += [(f"▁{number}", NORMAL) for number in range(count)]
    settings = [(MODEL_TYPE, WORD_MODEL), (VOCAB_SIZE, len(pieces))]
    settings += [(SYMBOL_IDS[symbol], id) for id, symbol in control.items()]
    messages = [write_field(TEXT, text.encode()) + write_field(TYPE, kind) for text, kind in pieces]
    return b"".join(
        [
            *(write_field(PIECES, message) for message in messages),
            write_field(TRAINER, b"".join(write_field(*setting) for setting in sorted(settings))),
            write_field(NORMALIZER, write_field(NORMALIZER_NAME, b"identity")),
        ]
    )
