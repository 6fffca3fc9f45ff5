"""What a stranger may put into a model folder: each changes a good one, and says what the answer must name."""

import json
import math
import os
import pickle
import random
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.trust.mutator import encode_varint

CONFIG, WEIGHTS, PIECES, MANIFEST = "config.json", "model.safetensors", "spm.model", "MANIFEST.json"

LIES = {"files": {"../../../../etc/passwd": {"size": 10**400, "sha256": "0"}, CONFIG: {"size": -1, "sha256": []}}}

Change = Callable[[Path], object]


class Trap:
    """Pickled, it makes a file when it is unpickled."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.trace,)


def set_key(path: str, value: Any) -> Change:
    """Sets one key of config.json."""

    def change(folder: Path) -> None:
        settings = json.loads((folder / CONFIG).read_text())
        inner, (*above, last) = settings, path.split(".")
        for key in above:
            inner = inner[key]
        inner[last] = value
        (folder / CONFIG).write_text(json.dumps(settings))

    return change


def edit_text(change: Callable[[str], str]) -> Change:
    """Edits config.json as text."""
    return lambda folder: (folder / CONFIG).write_text(change((folder / CONFIG).read_text()))


def write_content(name: str, data: bytes | Callable[[bytes], bytes]) -> Change:
    """Writes one file anew."""

    def change(folder: Path) -> None:
        (folder / name).write_bytes(data if isinstance(data, bytes) else data((folder / name).read_bytes()))

    return change


def replace_file(name: str, make: Callable[[Path], object]) -> Change:
    """Puts something else where a file was."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def write_sparse(name: str, size: int, beginning: bytes = b"") -> Change:
    """A file of so many bytes, which takes no room on the disk."""

    def change(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.write(beginning)
            file.truncate(size)

    return change


def link(name: str, target: str) -> Change:
    """A link in place of a file; {outside} is a folder beside the model with copies of its files."""

    def change(folder: Path) -> None:
        outside = folder.parent / "outside"
        outside.mkdir()
        for path in folder.iterdir():
            (outside / path.name).write_bytes(path.read_bytes())
        (folder / name).unlink()
        (folder / name).symlink_to(target.format(outside=outside))

    return change


def make_socket(path: Path) -> None:
    """A socket; its name may be too long for the kernel, so it is made where it is."""
    before = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def edit_weights(change: Callable[[dict[str, Any], bytes], tuple[Any, bytes]]) -> Change:
    """Edits header and data of model.safetensors."""

    def edit(data: bytes) -> bytes:
        size = int.from_bytes(data[:8], "little")
        header, rest = change(json.loads(data[8 : 8 + size]), data[8 + size :])
        written = header if isinstance(header, bytes) else json.dumps(header).encode()
        return len(written).to_bytes(8, "little") + written + rest

    return write_content(WEIGHTS, edit)


def change_entries(header: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """A header with every tensor's entry changed."""
    return {name: value if name == "__metadata__" else change(value) for name, value in header.items()}


def fill_first(number: float) -> Change:
    """The right shapes with a number that is none, once."""
    return edit_weights(lambda header, data: (header, struct.pack("<f", number) + data[4:]))


def write_trap(name: str) -> Change:
    """A pickle by the name of a file; unpickling it would leave a trace beside the folder."""
    return lambda folder: (folder / name).write_bytes(pickle.dumps(Trap(str(folder.parent / "trace"))))


def encode_field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return encode_varint(number << 3 | 2) + encode_varint(len(payload)) + payload


def encode_piece(letters: bytes) -> bytes:
    """One more piece of a SentencePiece model."""
    return encode_field(1, encode_field(1, letters))


def make_run(pointer: str) -> Change:
    """The folder becomes a run whose `best` leads elsewhere."""

    def change(folder: Path) -> None:
        outside = folder.parent / "outside"
        outside.mkdir()
        for path in folder.iterdir():
            path.rename(outside / path.name)
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "best").symlink_to(pointer.format(outside=outside))

    return change


NOISE = random.Random(1).randbytes(4096)

HOLE = json.dumps({"output.bias": {"dtype": "F32", "shape": [5 * 10**8], "data_offsets": [0, 2 * 10**9]}}).encode()
HOLE_SIZE = len(HOLE).to_bytes(8, "little")
"""The header of weights that are not there, and how long it is."""

REFUSED_CASES: dict[str, tuple[Change, str]] = {
    # what would be run
    "a _target_ at the top": (set_key("_target_", "os.system"), CONFIG),
    "a _target_ in the encoder": (set_key("model.encoder._target_", "os.system"), CONFIG),
    "a _target_ for a score": (set_key("attention.score", {"_target_": "os.system", "_args_": ["true"]}), CONFIG),
    "a class by its path": (set_key("model.encoder.name", "subprocess.Popen"), CONFIG),
    "an attribute of a class": (set_key("model.decoder.__class__", "os"), CONFIG),
    "a pickle as weights": (write_trap(WEIGHTS), WEIGHTS),
    "a pickle as tokenizer": (write_trap(PIECES), PIECES),
    "a pickle as config": (write_trap(CONFIG), CONFIG),
    "YAML with a tag as config": (write_content(CONFIG, b"!!python/object/apply:os.system ['true']\n"), CONFIG),
    # what would be read
    "the environment in a name": (set_key("attention.normalizer.name", "${oc.env:HOME}"), CONFIG),
    "the environment in a number": (set_key("model.embedding_size", "${oc.env:HOME}"), CONFIG),
    "a file by YAML": (set_key("attention.score.name", "${oc.decode:${file:/etc/passwd}}"), CONFIG),
    "a name with ../": (set_key("attention.score.name", "../../../../etc/passwd"), CONFIG),
    "a link to a config elsewhere": (link(CONFIG, "{outside}/config.json"), CONFIG),
    "a link to weights elsewhere": (link(WEIGHTS, "{outside}/model.safetensors"), WEIGHTS),
    "a link with ../": (link(PIECES, "../outside/spm.model"), PIECES),
    "a link to a system file": (link(CONFIG, "/etc/passwd"), CONFIG),
    "a link to the process's environment": (link(CONFIG, "/proc/self/environ"), CONFIG),
    "a link to a device": (link(WEIGHTS, "/dev/zero"), WEIGHTS),
    "a link to nowhere": (link(PIECES, "nowhere"), PIECES),
    "a link to itself": (link(CONFIG, CONFIG), CONFIG),
    "a run that points elsewhere": (make_run("{outside}"), "best"),
    "a run that points upwards": (make_run("../../outside"), "best"),
    # what would be waited for, or is no file
    "a pipe as config": (replace_file(CONFIG, os.mkfifo), CONFIG),
    "a pipe as tokenizer": (replace_file(PIECES, os.mkfifo), PIECES),
    "a pipe as weights": (replace_file(WEIGHTS, os.mkfifo), WEIGHTS),
    "a socket as tokenizer": (replace_file(PIECES, make_socket), PIECES),
    "a folder as config": (replace_file(CONFIG, Path.mkdir), CONFIG),
    "a folder as tokenizer": (replace_file(PIECES, Path.mkdir), PIECES),
    "a folder as weights": (replace_file(WEIGHTS, Path.mkdir), WEIGHTS),
    "no config": (lambda folder: (folder / CONFIG).unlink(), CONFIG),
    "no tokenizer": (lambda folder: (folder / PIECES).unlink(), PIECES),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), WEIGHTS),
    # config.json
    "a config of 1 GB": (write_sparse(CONFIG, 10**9, b'{"format": 1'), CONFIG),
    "an empty config": (write_content(CONFIG, b""), CONFIG),
    "half a config": (write_content(CONFIG, lambda data: data[: len(data) // 2]), CONFIG),
    "a config that is no text": (write_content(CONFIG, NOISE), CONFIG),
    "a config of brackets": (write_content(CONFIG, b"[" * 60_000), CONFIG),
    "a deep config": (write_content(CONFIG, b'{"a":' * 10_000 + b"1" + b"}" * 10_000), CONFIG),
    "a deep value": (edit_text(lambda old: old.replace('"luong"', "[" * 900 + "]" * 900)), CONFIG),
    "a key twice": (edit_text(lambda old: old.replace("{", '{"format": 1, ', 1)), CONFIG),
    "thousands of unknown keys": (edit_text(lambda old: json.dumps({**json.loads(old), **NAMES})), CONFIG),
    "a key that steers the terminal": (set_key("\x1b]0;owned\x07\x1b[2J\u202e", 1), CONFIG),
    "half a surrogate pair for a language": (edit_text(lambda old: old.replace('"de"', r'"\ud800"')), CONFIG),
    "half a surrogate pair in a key": (edit_text(lambda old: old.replace("{", r'{"\udfff": 1, ', 1)), CONFIG),
    "a key of 50 kB": (set_key("encoder" * 7000, 1), CONFIG),
    "NaN for a size": (set_key("model.embedding_size", math.nan), CONFIG),
    "infinity for a size": (set_key("model.encoder.hidden_size", math.inf), CONFIG),
    "an int of 400 digits": (set_key("model.encoder.hidden_size", 10**400), CONFIG),
    "an int of 5000 digits": (edit_text(lambda old: old.replace('"heads": 1', f'"heads": {"9" * 5000}')), CONFIG),
    "a size below 0": (set_key("model.embedding_size", -8), CONFIG),
    "a layer of 10^9": (set_key("model.encoder.hidden_size", 10**9), CONFIG),
    "a layer of 10^6": (set_key("model.encoder.hidden_size", 10**6), "wanted"),
    "an embedding of 10^9": (set_key("model.embedding_size", 10**9), "wanted"),
    "sizes whose product overflows": (set_key("model.encoder.hidden_size", 2**40), CONFIG),
    "10^9 layers": (set_key("model.encoder.layers", 10**9), CONFIG),
    "10^9 layers above": (set_key("model.decoder.layers", 10**9), CONFIG),
    "10^9 heads": (set_key("attention.heads", 10**9), CONFIG),
    "heads that do not divide": (set_key("attention.heads", 5), CONFIG),
    "a beam of 10^9": (set_key("search", {"name": "beam", "size": 10**9, "nbest": 1}), CONFIG),
    "translations without end": (set_key("search.max_extra", 10**12), CONFIG),
    "a ratio without end": (set_key("search.max_ratio", 1e300), CONFIG),
    "a wrong type": (set_key("tokenizer.joint", "yes"), CONFIG),
    "a format to come": (set_key("format", 99), "format 99"),
    "another vocabulary size": (set_key("tokenizer.joint", False), "spm.source.model"),
    # model.safetensors
    "a header of 2^63 bytes": (write_content(WEIGHTS, b"\xff" * 7 + b"\x7f" + b"{}"), WEIGHTS),
    "a header of 90 MB": (write_sparse(WEIGHTS, 10**8, (90 * 10**6).to_bytes(8, "little") + b'{"a": '), WEIGHTS),
    "weights of 100 TB": (write_sparse(WEIGHTS, 10**13, b"\x02" + b"\0" * 7 + b"{}"), WEIGHTS),
    "a header that is no JSON": (write_content(WEIGHTS, b"\x40" + b"\0" * 7 + NOISE), WEIGHTS),
    "a deep header": (edit_weights(lambda header, data: (b"[" * 100_000, data)), WEIGHTS),
    "thousands of tensors": (edit_weights(lambda header, data: (make_tiny_tensors(12_000), b"\0" * 48_000)), "wanted"),
    "weights of 2 GB that are a hole in the file": (
        write_sparse(WEIGHTS, 2 * 10**9 + 8 + len(HOLE), HOLE_SIZE + HOLE),
        "wanted",
    ),
    "empty weights": (write_content(WEIGHTS, b""), WEIGHTS),
    "half the weights": (write_content(WEIGHTS, lambda data: data[: len(data) // 2]), WEIGHTS),
    "weights and more": (write_content(WEIGHTS, lambda data: data + b"\0" * 100), WEIGHTS),
    "offsets beyond the file": (
        edit_weights(lambda h, d: (change_entries(h, lambda t: {**t, "data_offsets": [0, 2**62]}), d)),
        WEIGHTS,
    ),
    "offsets below 0": (
        edit_weights(lambda h, d: (change_entries(h, lambda t: {**t, "data_offsets": [-8, 0]}), d)),
        WEIGHTS,
    ),
    "shapes that overflow": (
        edit_weights(lambda h, d: (change_entries(h, lambda t: {**t, "shape": [2**40, 2**40]}), d)),
        WEIGHTS,
    ),
    "turned shapes": (
        edit_weights(lambda h, d: (change_entries(h, lambda t: {**t, "shape": t["shape"][::-1]}), d)),
        "wanted",
    ),
    "unknown dtypes": (edit_weights(lambda h, d: (change_entries(h, lambda t: {**t, "dtype": "OBJECT"}), d)), WEIGHTS),
    "tensors by other names": (edit_weights(lambda h, d: ({f"../{n}": t for n, t in h.items()}, d)), "wanted"),
    "no tensors": (write_content(WEIGHTS, b"\x02" + b"\0" * 7 + b"{}"), "wanted"),
    "NaN weights": (fill_first(math.nan), WEIGHTS),
    "infinite weights": (fill_first(-math.inf), WEIGHTS),
    # spm.model
    "an empty tokenizer": (write_content(PIECES, b""), PIECES),
    "half a tokenizer": (write_content(PIECES, lambda data: data[: len(data) // 2]), PIECES),
    "a tokenizer of 1 GB": (write_sparse(PIECES, 10**9), PIECES),
    "noise as tokenizer": (write_content(PIECES, NOISE), PIECES),
    "millions of empty pieces": (write_content(PIECES, lambda data: data + b"\x0a\x00" * 3_900_000), PIECES),
    "a piece of 8 MB": (write_content(PIECES, lambda data: data + encode_piece(b"a" * 8_000_000)), PIECES),
    "one more piece": (write_content(PIECES, lambda data: data + encode_piece(b"qqq")), "wanted"),
    "the same piece twice": (write_content(PIECES, lambda data: data + encode_piece(b"qqq") * 2), PIECES),
    "a piece that is no text": (write_content(PIECES, lambda data: data + encode_piece(b"\xff\xfe")), PIECES),
    "an unknown piece that is no text": (
        write_content(PIECES, lambda data: data + encode_field(2, encode_field(44, b"\xff"))),
        PIECES,
    ),
    "a normalizer that reads beyond its table": (
        write_content(PIECES, lambda data: data + encode_field(3, encode_field(2, FAR_TABLE))),
        PIECES,
    ),
    "a manifest that lies": (write_content(MANIFEST, json.dumps(LIES).encode()), MANIFEST),
    "a manifest that never ends": (lambda folder: os.mkfifo(folder / MANIFEST), MANIFEST),
    "a denormalizer that does": (
        write_content(PIECES, lambda data: data + encode_field(5, encode_field(2, FAR_TABLE))),
        PIECES,
    ),
}

NAMES = {f"key{number}": number for number in range(3000)}

FAR_TABLE = (1024).to_bytes(4, "little") + b"\x00\xfe\xff\x7f" * 256 + b"a\0"
"""A table whose every entry points far beyond its end."""


def make_tiny_tensors(count: int) -> dict[str, Any]:
    """A header of many scalars."""
    return {f"t{n}": {"dtype": "F32", "shape": [], "data_offsets": [4 * n, 4 * n + 4]} for n in range(count)}


HARMLESS_CASES: dict[str, Change] = {
    "a pickle beside": write_trap("pytorch_model.bin"),
    "a pickle as training state": write_trap("state.safetensors"),
    "modules beside": lambda folder: [
        write_content(f"{name}.py", b"raise SystemExit('run')")(folder) for name in MODULES
    ],
    "a Hydra config beside": write_content("config.yaml", b"_target_: os.system\n"),
    "a pipe beside": lambda folder: os.mkfifo(folder / "state.json.pipe"),
    "a pipe that is called a tokenizer": lambda folder: os.mkfifo(folder / "extra.model"),
    "a link within": lambda folder: [
        (folder / CONFIG).rename(folder / "inner.json"),
        (folder / CONFIG).symlink_to("inner.json"),
    ],
    "an odd language": set_key("source_language", "${oc.env:HOME} $HOME `true` \x1b[2J"),
}
"""What may lie in a folder that works: it is not looked at, or means nothing."""

MODULES = ("torch", "nmt", "sitecustomize", "usercustomize", "sentencepiece", "__init__", "conftest")
