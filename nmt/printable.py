"""Text that strangers wrote, made safe to print: model folders, data sets and lines must not steer a terminal."""

import copy
import logging
import os
import sys
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Literal, TextIO

JOINERS = "\u200c\u200d"
"""Persian and the scripts of India join letters or keep them apart with these; they steer nothing."""

VISIBLE_SIGNS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Signs of Arabic, Syriac and Kaithi that stand around numbers: Unicode has them among what formats, yet they show."""

SPACES = "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""Spaces other than the one on the keyboard, which French and Chinese text has."""

_SAFE_CHARACTERS = VISIBLE_SIGNS | set(JOINERS) | set(SPACES)


def escape_controls(text: str, keep: Iterable[str] = "") -> str:
    """The text with everything that could steer a terminal as a visible escape such as \\x1b or \\u202e.

    These are control characters (C0, DEL, C1), marks of direction and other invisible characters that format, line and
    paragraph separators, half surrogates, and code points that are private or unknown to Unicode. Letters, marks, signs
    and spaces of all scripts stay, and so do the joiners and the characters in `keep`, such as line ends of our own.
    """
    if text.isprintable():
        return text
    allowed = _SAFE_CHARACTERS | set(keep)
    return "".join(c if c.isprintable() or c in allowed else ascii(c)[1:-1] for c in text)


def is_utf8(word: str) -> bool:
    """Whether the bytes of a word of the command line are UTF-8; Python keeps others as half surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


def shorten(problem: object, max_characters: int = 500) -> str:
    """The first line of a text, for a message: at most `max_characters`, safe to print; how many lines follow.

    A path is a single line, whatever is in it.
    """
    first, *more = [escape_controls(str(problem))] if isinstance(problem, os.PathLike) else str(problem).split("\n")
    text = escape_controls(first[: max_characters + 1])
    return (f"{text[:max_characters]}..." if len(first) > max_characters else text) + (
        f" (and {len(more)} more)" if more else ""
    )


def cut_middle(text: str, max_characters: int = 2000) -> str:
    """The text without its middle where it is longer than that: a message begins with what is wrong, and ends with the
    way out."""
    if len(text) <= max_characters:
        return text
    return f"{text[: max_characters // 2]} ... {text[-max_characters // 4 :]}"


def print_text(text: str, stream: Literal["stdout", "stderr"] = "stdout", end: str = "\n") -> None:
    """Prints lines of our own in which there may be words of strangers, at once.

    What cannot be written to standard error is let go of, since there is nobody to tell; of standard output it raises
    OSError.
    """
    file = getattr(sys, stream)
    try:
        print(escape_controls(text, keep="\n"), file=file, end=end, flush=True)
    except OSError:
        if stream == "stdout":
            raise
        discard(file)


def discard(file: TextIO) -> None:
    """Has all that is still to come go nowhere, and what is left in the buffer too, which would fail at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def open_streams() -> None:
    """Takes the places of standard input, output and error where a daemon or a cron job closed them.

    Otherwise the first files that are opened would take their numbers, and be read and written in their place. What is
    said on standard error is let go of. To read standard input or write standard output is still an error, so that no
    text is taken for empty, and no result is lost unseen.
    """
    for number, access in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, access)  # takes the lowest number that is free
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 (for good)


class Formatter(logging.Formatter):
    """Formats records of the log so that they are safe to print."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; line ends are those of the message, and those in what it quotes are escaped."""
        if isinstance(record.args, tuple):
            record = copy.copy(record)
            record.args = tuple(
                escape_controls(str(part)) if isinstance(part, str | os.PathLike) else part
                for part in record.args or ()
            )
        return escape_controls(super().format(record), keep="\n")


def print_traceback(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    """Prints an exception that nobody expected, as Python does; for `sys.excepthook`."""
    print_text("".join(traceback.format_exception(kind, problem, trace)), "stderr", end="")
