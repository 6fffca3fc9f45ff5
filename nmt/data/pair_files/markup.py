"""XML as it is read: the elements that matter, one after another, in bounded memory."""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any
from xml.parsers import expat

from nmt.data.pair_files.markup_encoding import stream_utf8
from nmt.errors import DataError

Attributes = dict[str, str]

MAX_TEXT = 1 << 20
"""The most characters of one text: a longer one is no sentence."""

MAX_LANGUAGES, MAX_CODE = 1000, 100
"""Languages of a document that are counted, and characters of their codes."""

MAX_MARK_BYTES = 1 << 22
"""The most bytes of a tag, a comment or a declaration: the parser reads what is open again with every block."""

_KNOWN_ROOT = re.compile(rb"<(?:[\w.-]{1,99}:)?(tmx|xliff)\b", re.IGNORECASE)
_MARKUP = re.compile(rb"<(\?xml|!doctype|html)\b", re.IGNORECASE)


class MarkupHandler(ABC):
    """What is done at each element. Subclasses say what to do at its start and end, and put what is found into `found`;
    `text` collects the characters while it is a list."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self.text: list[str] | None = None
        self.skipped = 0
        """How many elements are open whose text is left out."""
        self.size = 0
        self.languages: Counter[str] = Counter()

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

    def count_language(self, code: str) -> None:
        """Counts a language that the document names, for messages; MAX_LANGUAGES at most."""
        code = code[:MAX_CODE]
        if code in self.languages or len(self.languages) < MAX_LANGUAGES:
            self.languages[code] += 1

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
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = lambda element, attributes: handler.start(_get_local_name(element), attributes)
    parser.EndElementHandler = lambda element: handler.end(_get_local_name(element))
    parser.CharacterDataHandler = handler.collect
    parser.EntityDeclHandler = _refuse_entities
    read = 0
    for block in chain(stream_utf8(opened, name=name), [None]):
        try:
            parser.Parse(block or b"", block is None)
        except expat.ExpatError as problem:
            reason = expat.errors.messages.get(problem.code, str(problem))
            raise DataError(
                f"{name}, line {problem.lineno} is not well-formed XML ({reason}). `xmllint --noout` shows where."
            ) from None
        except ValueError as problem:
            raise DataError(f"{name}, line {parser.CurrentLineNumber}: {problem}.") from None
        read += len(block or b"")
        _check_open_mark(parser, read, name)
        yield from handler.found
        handler.found.clear()


def _check_open_mark(parser: expat.XMLParserType, read: int, name: str) -> None:
    """Raises DataError where too much of the bytes that were read is of one tag or comment."""
    if read - parser.CurrentByteIndex > MAX_MARK_BYTES:
        raise DataError(
            f"{name}, line {parser.CurrentLineNumber}: a tag, comment or declaration has more than "
            f"{MAX_MARK_BYTES >> 20} MiB. Take it out."
        )


def _get_local_name(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _refuse_entities(name: str, *_: Any) -> None:
    raise ValueError(f"it defines the entity {name!r}, which is not read; replace it by what it stands for")


class _EnoughError(Exception):
    """What is asked of a document is known."""


def find_root(opened: Any, *, name: str) -> str:
    """The name of the first element of a stream of XML, without its prefix; that which its document type names where
    entities stand before the element. "?" where markup has no such element, and empty where a stream is none.

    Raises DataError as `stream_utf8` does, and for a mark that is too long.
    """
    seen: list[str] = []

    def see_element(element: str, _: Attributes) -> None:
        seen.append(_get_local_name(element))
        raise _EnoughError

    def see_entity(*_: Any) -> None:
        raise _EnoughError

    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = lambda element, *_: seen.append(_get_local_name(element))
    parser.StartElementHandler, parser.EntityDeclHandler = see_element, see_entity
    beginning, read = b"", 0
    for block in stream_utf8(opened, name=name):
        if not read:
            block = beginning = block.removeprefix("\ufeff".encode()).lstrip()
        try:
            parser.Parse(block, False)
        except (_EnoughError, expat.ExpatError):
            break
        read += len(block)
        _check_open_mark(parser, read, name)
    if seen:
        return seen[-1]
    if _MARKUP.match(beginning) or beginning.startswith(b"<"):
        found = _KNOWN_ROOT.search(beginning)
        return found[1].decode().lower() if found else "?" * bool(_MARKUP.match(beginning))
    return ""
