"""Translation Memory eXchange, TMX 1.4b (LISA, https://www.gala-global.org/tmx-14b), as OPUS and tools of translators
write it: one `tu` a pair, with one `tuv` a language and its text in `seg`."""

from collections import Counter
from typing import NamedTuple

from nmt.data.pair_files.markup import Attributes, MarkupHandler
from nmt.data.pair_files.reading import PairRequest, join_line, matches_language

NATIVE_CODE = frozenset({"bpt", "ept", "ph", "it", "ut", "sub"})
"""Elements inside a text that hold codes of the document's own format, which are no text."""


class RankedText(NamedTuple):
    """A text, and whether its language is the very one that is asked for."""

    text: str
    is_exact: bool


class TmxHandler(MarkupHandler):
    """The pairs of the units that have both languages. Where a unit has a language more than once, the first counts."""

    def __init__(self, asked: PairRequest, left_out: Counter[str]) -> None:
        super().__init__()
        self.asked = asked
        self.left_out = left_out
        self.language = ""
        self.texts: list[RankedText | None] = [None, None]
        """The best of the unit so far, of source and target."""

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "tu":
            self.texts = [None, None]
        elif name == "tuv":
            self.language = attributes.get("xml:lang", attributes.get("lang", ""))
            self.count_language(self.language)
        elif name == "seg":
            self.begin_text()
        elif name in NATIVE_CODE:
            self.skipped += 1

    def end(self, name: str) -> None:
        if name == "seg":
            self.keep(join_line(self.take_text()))
        elif name in NATIVE_CODE:
            self.skipped -= 1
        elif name == "tu":
            source, target = self.texts
            if source is None or target is None:
                missing = self.asked.source_language if source is None else self.asked.target_language
                self.left_out[f"have no text in {missing}"] += 1
            else:
                self.found.append((source.text, target.text))

    def keep(self, text: str) -> None:
        """Keeps a text that is the first of its unit in the very language asked for, else in one that serves."""
        for side, asked in enumerate((self.asked.source_language, self.asked.target_language)):
            is_exact = self.language.lower() == asked.lower()
            known = self.texts[side]
            is_better = known is None or (is_exact and not known.is_exact)
            if is_better and (is_exact or matches_language(self.language, asked)):
                self.texts[side] = RankedText(text, is_exact)
