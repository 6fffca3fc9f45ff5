"""The parts of a serialized SentencePiece model that are needed beside its own library: pieces, and symbols.

sentencepiece_model.proto in the wire format of protocol buffers: a message is a sequence of fields, each a key (number
and kind) with a number, or with a length and so many bytes. What is not named here is copied as it is.
"""

from collections.abc import Iterator
from typing import NamedTuple

from nmt.errors import DataError

PIECES, TRAINER, NORMALIZER = 1, 2, 3
"""Fields of a model."""

TEXT, TYPE = 1, 3
"""Fields of a piece."""

VOCAB_SIZE = 4
SYMBOL_IDS = {"unk": 40, "bos": 41, "eos": 42, "pad": 43}
SYMBOL_PIECES = {"unk": 45, "bos": 46, "eos": 47, "pad": 48}
SYMBOL_NAMES = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
"""Fields of the trainer's settings, and what a symbol is called where they do not say."""

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
"""Types of pieces."""

NUMBER, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
"""Kinds of fields."""


class Field(NamedTuple):
    """A field of a message. `value` is what it holds; `message` is all of it, key and length included."""

    number: int
    value: int | bytes
    message: bytes


def read_fields(message: bytes) -> Iterator[Field]:
    """The fields of a message, one after the other. Raises DataError where the bytes are none."""
    place = 0
    while place < len(message):
        start = place
        key, place = _read_number(message, place)
        kind, value = key & 7, b""
        if kind == NUMBER:
            number, place = _read_number(message, place)
            yield Field(key >> 3, number, message[start:place])
            continue
        if kind == LENGTH:
            size, place = _read_number(message, place)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            size = 8 if kind == EIGHT_BYTES else 4
        else:
            raise DataError(f"A field of a kind that there is not ({kind}) in what should be a SentencePiece model.")
        value = message[place : place + size]
        place += size
        if len(value) < size:
            raise DataError("What should be a SentencePiece model ends within a field.")
        yield Field(key >> 3, value, message[start:place])


def write_field(number: int, value: int | bytes) -> bytes:
    """A field as it is in a message."""
    if isinstance(value, int):
        return _write_number(number << 3 | NUMBER) + _write_number(value)
    return _write_number(number << 3 | LENGTH) + _write_number(len(value)) + value


class Piece(NamedTuple):
    """A piece of a model: its text, its type, and the whole message."""

    text: str
    type: int
    message: bytes


def read_pieces(model: bytes) -> list[Piece]:
    """The pieces of a model, in the order of their ids. Raises DataError where the bytes are no model."""
    found = []
    for field in read_fields(model):
        if field.number == PIECES and isinstance(field.value, bytes):
            inner = {part.number: part.value for part in read_fields(field.value)}
            text, kind = inner.get(TEXT, b""), inner.get(TYPE, NORMAL)
            if isinstance(text, bytes) and isinstance(kind, int):
                found.append(Piece(text.decode(errors="replace"), kind, field.value))
    return found


def retype(piece: Piece, kind: int) -> bytes:
    """The message of a piece with another type."""
    kept = b"".join(part.message for part in read_fields(piece.message) if part.number != TYPE)
    return kept + write_field(TYPE, kind)


def _read_number(message: bytes, place: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise DataError("What should be a SentencePiece model has a number without end.")


def _write_number(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
