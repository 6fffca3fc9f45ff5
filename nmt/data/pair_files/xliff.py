"""XLIFF 1.2 and 2.x (OASIS), the files in which localization tools pass texts on: a `source` and a `target` for each
unit or segment."""

from collections import Counter

from nmt.data.pair_files.markup import Attributes, MarkupHandler
from nmt.data.pair_files.reading import PairRequest, join_line, matches_language

NATIVE_CODE = frozenset({"bpt", "ept", "ph", "it", "sub", "bx", "ex", "x"})
"""Elements inside a text that hold, or stand for, codes of the document's own format."""


class XliffHandler(MarkupHandler):
    """The pairs of the units that have a target. What other tools suggested (`alt-trans`, `matches`) is not read."""

    def __init__(self, asked: PairRequest, left_out: Counter[str]) -> None:
        super().__init__()
        self.asked = asked
        self.left_out = left_out
        self.from_language = self.to_language = ""
        self.suggestions = 0
        self.source: str | None = None
        self.target: str | None = None

    def start(self, name: str, attributes: Attributes) -> None:
        if name in ("file", "xliff"):
            self.from_language = attributes.get("source-language", attributes.get("srcLang", self.from_language))
            self.to_language = attributes.get("target-language", attributes.get("trgLang", self.to_language))
            for code in filter(None, (self.from_language, self.to_language)):
                self.count_language(code)
        elif name in ("alt-trans", "matches"):
            self.suggestions += 1
        elif self.suggestions:
            return
        elif name in ("trans-unit", "segment"):
            self.source = self.target = None
        elif name in ("source", "target"):
            self.begin_text()
        elif name in NATIVE_CODE:
            self.skipped += 1

    def end(self, name: str) -> None:
        if name in ("alt-trans", "matches"):
            self.suggestions -= 1
        elif self.suggestions:
            return
        elif name == "source":
            self.source = join_line(self.take_text())
        elif name == "target":
            self.target = join_line(self.take_text())
        elif name in NATIVE_CODE:
            self.skipped -= 1
        elif name in ("trans-unit", "segment") and self.source is not None:
            self.add(self.source, self.target)

    def add(self, source: str, target: str | None) -> None:
        """A pair, in the direction that is asked for."""
        if not target:
            self.left_out["have no target"] += 1
        elif self.is_direction(self.asked.source_language, self.asked.target_language):
            self.found.append((source, target))
        elif self.is_direction(self.asked.target_language, self.asked.source_language):
            self.found.append((target, source))
        else:
            self.left_out["are in other languages"] += 1

    def is_direction(self, source_language: str, target_language: str) -> bool:
        """Whether the file is from one language to another; a language that it does not name may be any."""
        return all(
            not named or matches_language(named, asked)
            for named, asked in ((self.from_language, source_language), (self.to_language, target_language))
        )
