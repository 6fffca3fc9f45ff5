"""Loads and uses mutations of a SentencePiece model: `python mutator.py MODEL FIRST COUNT`, ends counted as JSON.

Mutations are made from their numbers, so that each can be made again. They run in batches, each in a process of its
own; one that dies is counted and the batch goes on behind it.
"""

import json
import os
import random
import resource
import signal
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from nmt.data.tokenizer import Tokenizer
from nmt.errors import DataError

BATCH = 100
SECONDS = 10

TEXT = ["The quick fox.", "", "ÄÖ ① ㌀ ﬁ ½ 　x", "😀 </s> <unk> ▁", "日本語", "a\u0301\u200d\0z", "x" * 300]
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 255, 2**31 - 1, 2**31, 2**63, 2**64 - 1)
SCORES = (float("nan"), float("inf"), float("-inf"), 1e38, -1e38, 0.0)
WORDS = (b"", b"\xff\xfe", b"<0x41>", b"<0xZZ>", b"a" * 100_000, b"\0", b"</s>", b"<unk>", "▁".encode(), b"\n")
NORMALIZER, TABLE = 3, 2
"""Numbers of fields in sentencepiece_model.proto."""

Field = tuple[int, int, Any]


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, position


def encode_varint(number: int) -> bytes:
    """A number as protocol buffers have it."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def parse_fields(data: bytes) -> list[Field]:
    """A protocol buffer as (number, wire type, value)."""
    found: list[Field] = []
    position = 0
    while position < len(data):
        tag, position = read_varint(data, position)
        if tag & 7 == 0:
            value: Any
            value, position = read_varint(data, position)
        else:
            size = {1: 8, 5: 4}.get(tag & 7)
            if size is None:
                size, position = read_varint(data, position)
            value = data[position : position + size]
            position += size
        found.append((tag >> 3, tag & 7, value))
    return found


def serialize_fields(message: list[Field]) -> bytes:
    """The protocol buffer of these fields."""
    parts = []
    for number, wire, value in message:
        size = encode_varint(len(value)) if wire == 2 else b""
        parts.append(encode_varint(number << 3 | wire) + (encode_varint(value) if wire == 0 else size + value))
    return b"".join(parts)


def mutate(base: bytes, draw: random.Random) -> bytes:
    """Bytes changed, the end cut off, the normalizer's table spoiled, or fields changed, added, lost and repeated."""
    kind = draw.random()
    if kind < 0.25:
        return scatter_bytes(base, draw, draw.choice((1, 1, 2, 5, 50)))
    if kind < 0.3:
        return base[: draw.randrange(len(base))]
    message = parse_fields(base)
    if kind < 0.55:
        return serialize_fields([(n, w, mutate_table(v, draw) if n == NORMALIZER else v) for n, w, v in message])
    for _ in range(draw.choice((1, 2, 5))):
        place = draw.randrange(len(message))
        number, wire, value = message[place]
        if wire == 2 and (inner := parse_fields(value)):
            message[place] = (number, wire, serialize_fields(mutate_field(inner, draw)))
        act = draw.random()
        if act < 0.1:
            del message[place]
        elif act < 0.2:
            message.insert(draw.randrange(len(message) + 1), message[place])
        elif act < 0.3:
            draw.shuffle(message)
    return serialize_fields(message)


def scatter_bytes(data: bytes, draw: random.Random, times: int) -> bytes:
    spoiled = bytearray(data)
    for _ in range(times):
        spoiled[draw.randrange(len(spoiled))] = draw.randrange(256)
    return bytes(spoiled)


def mutate_table(normalizer: bytes, draw: random.Random) -> bytes:
    """The table of characters is what C++ walks through: other bytes in it, another one, or half of it."""
    kind = draw.random()

    def spoil(table: bytes) -> bytes:
        if kind < 0.6:
            return scatter_bytes(table, draw, draw.choice((1, 5, 100, 3000)))
        if kind < 0.8:
            size = draw.choice((1024, 2048))
            return size.to_bytes(4, "little") + draw.randbytes(size) + b"abc\0"
        return table[: draw.randrange(len(table))]

    return serialize_fields([(n, w, spoil(v) if n == TABLE else v) for n, w, v in parse_fields(normalizer)])


def mutate_field(message: list[Field], draw: random.Random) -> list[Field]:
    """One field with another value, or gone, or with one beside it."""
    place = draw.randrange(len(message))
    number, wire, value = message[place]
    others = {
        0: lambda: draw.choice(NUMBERS),
        2: lambda: draw.choice(WORDS),
        5: lambda: struct.pack("<f", draw.choice(SCORES)),
    }
    message[place] = (number, wire, others.get(wire, lambda: value)())
    act = draw.random()
    if act < 0.1:
        del message[place]
    elif act < 0.2:
        message.append((draw.randrange(1, 60), 0, draw.choice(NUMBERS)))
    return message


def use(serialized: bytes) -> str:
    """Everything that the program does with a tokenizer from a model folder."""
    try:
        tokenizer = Tokenizer.load(serialized)
    except DataError:
        return "refused"
    ids = tokenizer.encode(TEXT)
    tokenizer.decode(ids)
    tokenizer.convert_ids_to_pieces(range(tokenizer.vocab_size))
    for line in TEXT[:3]:
        tokenizer.encode_with_words(line)
    tokenizer.get_word_indices(range(tokenizer.vocab_size))
    return "works"


def run_batch(base: bytes, numbers: range) -> list[str]:
    """How each of the first mutations of a batch ended; one whose process died is the last."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            for number in numbers:
                os.write(writing, b"?")
                if base == b"dies":
                    os.kill(os.getpid(), signal.SIGSEGV)
                os.write(writing, use(mutate(base, random.Random(number)))[:1].encode())
        finally:
            os._exit(3)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        ends = answer.read().decode().split("?")[1:]
    _, status = os.waitpid(process, 0)
    named = {"r": "refused", "w": "works"}
    last = f"died by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "raised"
    return [named.get(end, last) for end in ends]


def main(base: bytes, first: int, count: int) -> None:
    ends = list[str]()
    while len(ends) < count:
        start = first + len(ends)
        ends += run_batch(base, range(start, min(start + BATCH, first + count)))
    print(json.dumps(Counter(ends)))


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), int(sys.argv[3]))
