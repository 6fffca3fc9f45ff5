"""A score of the user's own: a command that is given files and prints a number, such as COMET's."""

import codecs
import math
import os
import re
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config import format_value
from nmt.errors import ConfigError, DataError
from nmt.printable import print_text, shorten

if TYPE_CHECKING:
    from nmt.evaluation.bleu import CorpusScore

FILE_KINDS = ("source", "hypotheses", "references")
"""What may stand in braces in a command, and is replaced by the name of a file with such lines."""

PLACEHOLDER = re.compile(r"\{(\w+)\}")
SEPARATORS = re.compile(r"[\s=:;()\[\]{}<>|/\"%\u00b1*#]+")
"""What stands between the words of what a command prints."""

NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
NO_NUMBER = re.compile(r"[-+]?(?:nan|inf|infinity)", re.IGNORECASE)
HAS_WORD_LETTER = re.compile(r"[^\W\d_]")

OWN_NAMES = ("BLEU", "chrF2", "TER", "literature BLEU", "lines")
"""What the rows of the program's own are called."""

MAX_TAIL_BYTES = 2**16
"""Of what a command prints, which ends with its number."""


@dataclass(frozen=True, kw_only=True)
class ScoreCommand:
    """command: of the user's, with {source}, {hypotheses} and {references} for files; null for none. name: of the score
    that it prints. It comes from the command line alone, never from a model folder.

    Raises ConfigError for a command that cannot be split into words or has other words in braces, and for a name of one
    of the program's own scores.
    """

    command: str | None = None
    name: str = "score"

    def __post_init__(self) -> None:
        if self.name.strip().casefold() in map(str.casefold, OWN_NAMES):
            raise ConfigError(
                f"score.name={format_value(self.name)} is the name of a score of nmt-evaluate itself. Choose another, "
                "such as score.name=COMET."
            )
        if self.command is None:
            return
        if not self.words:
            raise ConfigError("score.command is empty. Write score.command='COMMAND {hypotheses} {references}'.")
        if wrong := [name for name in PLACEHOLDER.findall(self.command) if name not in FILE_KINDS]:
            raise ConfigError(
                f"score.command has {{{wrong[0]}}}, which stands for no file. What may stand there is "
                f"{', '.join(f'{{{name}}}' for name in FILE_KINDS)}."
            )

    @property
    def words(self) -> list[str]:
        """The command as words; no shell reads it."""
        try:
            return shlex.split(self.command or "")
        except ValueError as problem:
            raise ConfigError(f"score.command={format_value(self.command)} cannot be read: {problem}.") from None

    @property
    def needs_source(self) -> bool:
        """Whether the command asks for the source."""
        return "source" in PLACEHOLDER.findall(self.command or "")


def run_score_command(
    score: ScoreCommand, source: Sequence[str] | None, hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> "CorpusScore":
    """The last number that the command prints, on its last line that has one.

    With several references, {references} stands for as many words. What the command leaves running is not waited for.
    Raises ConfigError where the command is not there or needs a source that is not given, and DataError where it fails
    or prints no number, or one that can be read in two ways.
    """
    from nmt.evaluation.bleu import CorpusScore

    if score.needs_source and source is None:
        raise ConfigError("score.command needs {source}; give it as source=FILE.")
    with tempfile.TemporaryDirectory(prefix="nmt-score-") as folder:
        texts: dict[str, Sequence[Sequence[str]]]
        texts = {"source": [source or []], "hypotheses": [hypotheses], "references": references}
        files = {
            kind: [_write(Path(folder) / f"{kind}.{n}.txt", text) for n, text in enumerate(texts[kind])]
            for kind in FILE_KINDS
        }
        words = [word for given in score.words for word in _fill_placeholders(given, files)]
        status, printed = run_quietly(words)
    if status:
        raise DataError(f"score.command ended with status {status}: {shlex.join(score.words)}")
    value = read_number(printed)
    if value is None:
        raise DataError(
            f"score.command printed no number: {shlex.join(score.words)} said {format_value(printed[-200:])}."
        )
    return CorpusScore(score.name, value, f"command:{shlex.join(score.words)}")


def run_quietly(words: Sequence[str]) -> tuple[int, str]:
    """The status of a command, and the end of what it prints; its standard error is passed on, safe to print.

    Only the end is kept, as a command may print much. The command is killed where waiting for it is interrupted.
    """
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
    except OSError as problem:
        raise ConfigError(f"score.command: {words[0]} cannot be run: {problem.strerror}.") from None
    assert process.stdout is not None
    assert process.stderr is not None
    tail = bytearray()

    def keep_tail(chunk: bytes) -> None:
        tail.extend(chunk)
        del tail[:-MAX_TAIL_BYTES]

    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    readers = [
        threading.Thread(target=_read_all, args=(process.stdout.fileno(), keep_tail), daemon=True),
        threading.Thread(
            target=_read_all,
            args=(process.stderr.fileno(), lambda chunk: print_text(decoder.decode(chunk), "stderr", end="")),
            daemon=True,
        ),
    ]
    for reader in readers:
        reader.start()
    try:
        status = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    for reader in readers:  # whose end may never come where a child in the background has the stream too
        reader.join(timeout=1.0)
    return status, bytes(tail).decode("utf-8", errors="replace")


def _read_all(descriptor: int, take: Callable[[bytes], object]) -> None:
    """Gives all that comes to `take`, in its order."""
    with suppress(OSError):  # closed with the process
        while chunk := os.read(descriptor, MAX_TAIL_BYTES):
            take(chunk)


def read_number(text: str) -> float | None:
    """The last number on the last line that has one; None where there is none, or one that is not finite.

    Raises DataError for what has digits, yet is no plain number: a decimal comma, groups of thousands, a sign of
    another kind, several numbers in one word.
    """
    for line in reversed(text.splitlines()):
        for word in reversed(SEPARATORS.split(line)):
            word = word.rstrip(",.!?").lstrip(",").replace("\u2212", "-")
            if NUMBER.fullmatch(word):
                value = float(word)
                return value if math.isfinite(value) else None
            if NO_NUMBER.fullmatch(word):
                return None
            if any(character.isdigit() for character in word) and not HAS_WORD_LETTER.search(word):
                raise DataError(
                    f"score.command printed {format_value(shorten(word, 60))}, which can be read in more than one way. "
                    "Have it print a number such as -0.8312 last, with a point before the decimals (LC_NUMERIC=C)."
                )
    return None


def _write(path: Path, lines: Sequence[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return str(path)


def _fill_placeholders(word: str, files: dict[str, list[str]]) -> list[str]:
    """A word of the command with the names of files; {references} alone becomes as many words as there are."""
    if (whole := PLACEHOLDER.fullmatch(word)) is not None:
        return files[whole[1]]
    return [PLACEHOLDER.sub(lambda found: files[found[1]][0], word)]
