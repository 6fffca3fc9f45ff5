"""Tags in front of source lines: symbols that say which language to translate to, or what kind of text a line is."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nmt.errors import ConfigError

MAX_TAGS = 1000
"""Of a model; more than there are languages."""


class Tags(NamedTuple):
    """The tags of a model: `targets`, by the language that each asks for, and those of other meanings."""

    targets: Mapping[str, str] = {}
    others: Sequence[str] = ()

    @property
    def symbols(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys([*self.targets.values(), *self.others]))


def name_target_tag(language: str) -> str:
    """The tag that asks for a language   (Johnson et al. 2017)"""
    return f"<2{language}>"


def put_tags(lines: Sequence[str], tags: Sequence[str]) -> list[str]:
    """The lines with these tags in front, as words of their own; blank lines stay as they are."""
    prefix = "".join(f"{tag} " for tag in tags)
    return [f"{prefix}{line}" if prefix and line.strip() else line for line in lines]


def remove_tags(lines: Sequence[str], prefixes: Sequence[str]) -> Sequence[str]:
    """The lines without the tags in front; prefixes: those that there are, the longest first."""
    if not prefixes:
        return lines
    return [line.removeprefix(next(filter(line.startswith, prefixes), "")) for line in lines]


def shift_links(lines: Sequence[str], words: int) -> list[str]:
    """Links in the form of Pharaoh whose source has so many more words in front."""
    return [re.sub(r"\d+(?=[-p])", lambda found: str(int(found[0]) + words), line) for line in lines]


def check_tags(tags: Sequence[str], *, setting: str) -> None:
    """Raises ConfigError for what cannot be a tag."""
    from nmt.data.whole import check_symbols

    try:
        check_symbols(list(dict.fromkeys(tags)))
    except ConfigError as problem:
        raise ConfigError(str(problem).replace("tokenizer.symbols", setting)) from None
    if len(tags) > MAX_TAGS:
        raise ConfigError(f"{setting}: there are {len(tags)} tags, and a model has at most {MAX_TAGS}.")


def find_missing(tags: Sequence[str], vocabulary: bytes) -> list[str]:
    """The tags that are no symbols of a SentencePiece model, which would cut them to pieces."""
    from nmt.data.whole import find_symbols

    known = set(find_symbols(vocabulary))
    return [tag for tag in tags if tag not in known]
