"""XML as it is read: the elements that matter, one after another, in bounded memory."""

import codecs
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from nmt.errors import DataError

Attributes = dict[str, str]

MAX_TEXT = 1 << 20
"""The most characters of one text: a longer one is no sentence."""

_BLOCK_BYTES = 1 << 16
_PROLOG = re.compile(
    r"\ufeff?(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>)*<(?:[\w.-]+:)?([\w.-]+)", re.DOTALL
)


class MarkupHandler(ABC):
    """What is done at each element. Subclasses say what to do at its start and end, and put what is found into `found`;
    `text` collects the characters while it is a list."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self.text: list[str] | None = None
        self.skipped = 0
        """How many elements are open whose text is left out."""
        self.size = 0

    @abstractmethod
    def start(self, name: str, attributes: Attributes) -> None:
        """An element begins."""

    @abstractmethod
    def end(self, name: str) -> None:
        """An element ends."""

    def collect(self, text: str) -> None:
        """Characters inside the innermost open element."""
        if self.text is not None and not self.skipped:
            self.size += len(text)
            if self.size > MAX_TEXT:
                raise ValueError(f"a text has more than {MAX_TEXT} characters")
            self.text.append(text)

    def begin_text(self) -> None:
        self.text, self.size = [], 0

    def take_text(self) -> str:
        """What was collected since `begin_text`."""
        collected, self.text = "".join(self.text or ()), None
        return collected


def read_markup(opened: Any, handler: MarkupHandler, *, name: str) -> Iterator[tuple[str, str]]:
    """What `handler` finds in a stream of XML, as it is read. `name` stands for the stream in messages.

    Entities that the document defines are refused: a few lines of them can stand for gigabytes, or for other files.
    Raises DataError, with the line, for what is not well-formed.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda element, attributes: handler.start(_get_local_name(element), attributes)
    parser.EndElementHandler = lambda element: handler.end(_get_local_name(element))
    parser.CharacterDataHandler = handler.collect
    parser.EntityDeclHandler = _refuse_entities
    block = b"start"
    while block:
        block = opened.read(_BLOCK_BYTES)
        try:
            parser.Parse(block, not block)
        except expat.ExpatError as problem:
            reason = expat.errors.messages.get(problem.code, str(problem))
            raise DataError(
                f"{name}, line {problem.lineno} is not well-formed XML ({reason}). `xmllint --noout` shows where."
            ) from None
        except ValueError as problem:
            raise DataError(f"{name}, line {parser.CurrentLineNumber}: {problem}.") from None
        yield from handler.found
        handler.found.clear()


def _get_local_name(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _refuse_entities(name: str, *_: Any) -> None:
    raise ValueError(f"it defines the entity {name!r}, which is not read; replace it by what it stands for")


def find_root(head: bytes) -> str:
    """The name of the first element of XML that begins with `head`, without its prefix; empty where none is seen."""
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head[: len(head) // 2 * 2].decode("utf-16" if wide else "utf-8", errors="replace")
    found = _PROLOG.match(text)
    return found[1].lower() if found else ""
