"""SentencePiece models that were made elsewhere, with the ids of their control symbols moved to ours."""

from pathlib import Path

from nmt.data import model_proto
from nmt.data.given import PretrainedTokenizers
from nmt.data.model_proto import (
    CONTROL,
    PIECES,
    SYMBOL_IDS,
    SYMBOL_NAMES,
    SYMBOL_PIECES,
    TEXT,
    TRAINER,
    VOCAB_SIZE,
    Piece,
    read_fields,
    read_pieces,
    retype,
    write_field,
)
from nmt.data.tokenizer import Tokenizer, Tokenizers
from nmt.errors import ConfigError, DataError
from nmt.special_tokens import BOS, EOS, PAD, UNK

MAX_MODEL_BYTES = 2**23
"""Twenty times what a model has; parsing what is larger would take seconds."""

SPECIAL_TOKEN_IDS = {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS}
"""Our ids of the symbols."""


def read_pretrained(source: str, target: str | None, *, joint: bool, sampling: float) -> PretrainedTokenizers:
    """The vocabularies in the files that `tokenizer.model` and `tokenizer.target_model` name.

    Raises ConfigError where `joint` does not fit their number, and DataError where one cannot be used.
    """
    if joint != (target is None):
        raise ConfigError(
            "tokenizer.model is one model for both languages with tokenizer.joint=true, and with tokenizer.joint=false "
            "that of the source, beside tokenizer.target_model; "
            f"got joint={str(joint).lower()} and {'no ' if target is None else 'a '}target_model."
        )
    first = read_tokenizer(source, "tokenizer.model")
    second = first if target is None else read_tokenizer(target, "tokenizer.target_model")
    return PretrainedTokenizers(Tokenizers(first, second), sampling=sampling)


def read_tokenizer(name: str, setting: str) -> Tokenizer:
    """The tokenizer of a SentencePiece model file. Raises DataError where it is none."""
    path = Path(name).expanduser()
    try:
        if not path.is_file():
            found = "it is no regular file" if path.exists() else "there is no such file"
            raise DataError(f"{setting}={name}: {found}. Give a SentencePiece model, such as spm.model.")
        if (size := path.stat().st_size) > MAX_MODEL_BYTES:
            raise DataError(f"{setting}={name} has {size} bytes; a SentencePiece model has at most {MAX_MODEL_BYTES}.")
        serialized = path.read_bytes()
    except OSError as problem:
        raise DataError(f"{setting}={name} cannot be read: {problem.strerror}.") from None
    try:
        return Tokenizer.load(serialized)
    except DataError as problem:
        try:
            return Tokenizer.load(move_symbols(serialized))
        except DataError:
            raise DataError(f"{setting}={name}: {problem}") from None


def move_symbols(serialized: bytes) -> bytes:
    """A model with the same pieces, whose pad, unk, bos and eos have the ids 0 to 3; those that are missing are added.

    Raises DataError where the bytes are no model, or have no piece for what is unknown.
    """
    fields = list(read_fields(serialized))
    pieces = read_pieces(serialized)
    unknown = [piece for piece in pieces if piece.type == model_proto.UNKNOWN]
    if len(unknown) != 1:
        raise DataError("It is not a SentencePiece model: it has no piece for what is unknown, or several.")
    trainer = b"".join(f.value for f in fields if f.number == TRAINER and isinstance(f.value, bytes))
    held = {part.number: part.value for part in read_fields(trainer)}
    names = {symbol: _get_symbol_text(held.get(SYMBOL_PIECES[symbol]), symbol) for symbol in SPECIAL_TOKEN_IDS} | {
        "unk": unknown[0].text
    }
    by_text = {piece.text: piece for piece in pieces}
    moved = []
    for symbol in sorted(SPECIAL_TOKEN_IDS, key=lambda symbol: SPECIAL_TOKEN_IDS[symbol]):
        text = names[symbol]
        piece = by_text.get(text, Piece(text, 0, write_field(TEXT, text.encode())))
        moved.append(retype(piece, model_proto.UNKNOWN if symbol == "unk" else CONTROL))
    rest = [piece.message for piece in pieces if piece.text not in names.values()]
    own: dict[int, int | bytes] = {
        **{SYMBOL_IDS[symbol]: id for symbol, id in SPECIAL_TOKEN_IDS.items()},
        VOCAB_SIZE: len(moved) + len(rest),
    }
    own_names: dict[int, int | bytes] = {SYMBOL_PIECES[symbol]: text.encode() for symbol, text in names.items()}
    settings = b"".join(part.message for part in read_fields(trainer) if part.number not in {*own, *own_names})
    settings += b"".join(write_field(number, value) for number, value in sorted({**own, **own_names}.items()))
    others = b"".join(field.message for field in fields if field.number not in (PIECES, TRAINER))
    return b"".join(write_field(PIECES, piece) for piece in [*moved, *rest]) + write_field(TRAINER, settings) + others


def _get_symbol_text(held: int | bytes | None, symbol: str) -> str:
    """What a model calls a symbol."""
    return held.decode(errors="replace") if isinstance(held, bytes) and held else SYMBOL_NAMES[symbol]
