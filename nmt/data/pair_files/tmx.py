"""Translation Memory eXchange, TMX 1.4b (LISA, https://www.gala-global.org/tmx-14b), as OPUS and tools of translators
write it: one `tu` a pair, with one `tuv` a language and its text in `seg`."""

from collections import Counter

from nmt.data.pair_files.markup import Attributes, MarkupHandler
from nmt.data.pair_files.reading import PairRequest, join_line, matches_language

NATIVE_CODE = frozenset({"bpt", "ept", "ph", "it", "ut", "sub"})
"""Elements inside a text that hold codes of the document's own format, which are no text."""


class TmxHandler(MarkupHandler):
    """The pairs of the units that have both languages. Where a unit has a language more than once, the first counts."""

    def __init__(self, asked: PairRequest, left_out: Counter[str]) -> None:
        super().__init__()
        self.asked = asked
        self.left_out = left_out
        self.languages: Counter[str] = Counter()
        self.language = ""
        self.texts: dict[str, str] = {}

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "tu":
            self.texts = {}
        elif name == "tuv":
            self.language = attributes.get("xml:lang", attributes.get("lang", ""))
            self.languages[self.language] += 1
        elif name == "seg":
            self.begin_text()
        elif name in NATIVE_CODE:
            self.skipped += 1

    def end(self, name: str) -> None:
        if name == "seg":
            self.texts.setdefault(self.language, join_line(self.take_text()))
        elif name in NATIVE_CODE:
            self.skipped -= 1
        elif name == "tu":
            source, target = self.find(self.asked.source_language), self.find(self.asked.target_language)
            if source is None or target is None:
                missing = self.asked.source_language if source is None else self.asked.target_language
                self.left_out[f"have no text in {missing}"] += 1
            else:
                self.found.append((source, target))

    def find(self, language: str) -> str | None:
        """The text in a language: of that very code, else of one that serves."""
        exact = (text for code, text in self.texts.items() if code.lower() == language.lower())
        near = (text for code, text in self.texts.items() if matches_language(code, language))
        return next(exact, next(near, None))
