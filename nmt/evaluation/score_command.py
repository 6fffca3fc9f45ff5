"""A score of the user's own: a command that is given files and prints a number, such as COMET's."""

import math
import re
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config import format_value
from nmt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from nmt.evaluation.bleu import CorpusScore

FILE_KINDS = ("source", "hypotheses", "references")
"""What may stand in braces in a command, and is replaced by the name of a file with such lines."""

PLACEHOLDER = re.compile(r"\{(\w+)\}")
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])")


@dataclass(frozen=True, kw_only=True)
class ScoreCommand:
    """command: of the user's, with {source}, {hypotheses} and {references} for files; null for none. name: of the score
    that it prints. It comes from the command line alone, never from a model folder.

    Raises ConfigError for a command that cannot be split into words or has other words in braces.
    """

    command: str | None = None
    name: str = "score"

    def __post_init__(self) -> None:
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
    """The last number that the command prints on its last line that has one.

    With several references, {references} stands for as many words. Raises ConfigError where the command is not there or
    needs a source that is not given, and DataError where it fails or prints no number.
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
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace", check=False
            )
        except OSError as problem:
            raise ConfigError(f"score.command: {words[0]} cannot be run: {problem.strerror}.") from None
    if done.returncode:
        raise DataError(f"score.command ended with status {done.returncode}: {shlex.join(score.words)}")
    value = read_number(done.stdout)
    if value is None:
        raise DataError(
            f"score.command printed no number: {shlex.join(score.words)} said {format_value(done.stdout[-200:])}."
        )
    return CorpusScore(score.name, value, f"command:{shlex.join(score.words)}")


def read_number(text: str) -> float | None:
    """The last number on the last line that has one; None where there is none that is finite."""
    for line in reversed(text.splitlines()):
        if found := NUMBER.findall(line):
            value = float(found[-1])
            return value if math.isfinite(value) else None
    return None


def _write(path: Path, lines: Sequence[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return str(path)


def _fill_placeholders(word: str, files: dict[str, list[str]]) -> list[str]:
    """A word of the command with the names of files; {references} alone becomes as many words as there are."""
    if (whole := PLACEHOLDER.fullmatch(word)) is not None:
        return files[whole[1]]
    return [PLACEHOLDER.sub(lambda found: files[found[1]][0], word)]
