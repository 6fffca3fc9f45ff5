"""Where sentences end, as Moses' sentence splitter has it, with the marks of other scripts."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice

OPENING_MARKS = "\"'“‘„‚«‹¿¡([{「『（【《〈"
CLOSING_MARKS = "\"'”’“‘»›)]}」』）】》〉"

SPACED_MARKS = ".!?…؟۔։।॥።"
"""Marks that end a sentence where a space follows."""

UNSPACED_MARKS = "。！？｡．။។"
"""Marks that end a sentence also where none does."""

SENTENCE_END = re.compile(
    rf"(?P<mark>[{SPACED_MARKS}]+)[{re.escape(CLOSING_MARKS)}]*(?P<space>\s+)(?=[{re.escape(OPENING_MARKS)}]*(?P<next>\w))"
    rf"|[{UNSPACED_MARKS}]+(?P<closing>[{re.escape(CLOSING_MARKS)}]*)\s*(?=(?P<after>\S))"
)
"""What may end a sentence within a line."""

NUMERIC_ONLY_SUFFIX = " #NUMERIC_ONLY#"
MAX_WORD_CHARACTERS = 200
"""Of a word that may be an abbreviation."""

HIRAGANA_RANGE = ("\u3041", "\u309f")


def split_sentences(line: str, language: str | None = None) -> list[str]:
    """The sentences of a line without the spaces between them, or the line itself where it is one.

    A sentence ends with . ! ? … or their like in other scripts, closing quotes and brackets, a space, and then opening
    ones and a letter that is no small one, or, after a full stop, a digit. The Chinese and Japanese marks, and the
    Burmese and Khmer ones, need no space; a quotation that the sentence goes on after, in hiragana, is no end. No
    sentence ends with a full stop after an initial, an acronym, or an abbreviation of Moses' list for the language,
    that of English where it has none, nor after a number alone   (Koehn et al. 2007)
    """
    return list(iterate_sentences(line, language))


def iterate_sentences(line: str, language: str | None = None) -> Iterator[str]:
    """The same, one at a time."""
    start = 0
    for match in SENTENCE_END.finditer(line):
        if is_sentence_end(line, match, language) and not line[start : match.start()].strip().isdigit():
            yield line[start : match.end()].rstrip()
            start = match.end()
    rest = line[start:]
    if rest.strip() or not start:
        yield rest


def is_sentence_end(line: str, match: "re.Match[str]", language: str | None) -> bool:
    """Whether a sentence ends where SENTENCE_END matches."""
    if match["mark"] is None:
        low, high = HIRAGANA_RANGE
        return not (match["closing"] and low <= match["after"] <= high)
    following = match["next"]
    if following.islower() or following == "_":
        return False
    if match["mark"] != ".":
        return not following.isdigit() or "." not in match["mark"]
    # No more than an abbreviation may have: to split all that stands before takes the square of a line's length.
    word = line[max(0, match.start() - MAX_WORD_CHARACTERS) : match.start()].rsplit(None, 1)[-1:] or [""]
    return not is_abbreviation(word[0].lstrip(OPENING_MARKS), following, language)


def is_abbreviation(word: str, following: str, language: str | None) -> bool:
    """Whether the full stop after a word is that of an abbreviation; `following` is the character that comes next."""
    if len(word) == 1 and word.isalpha() and word.upper() != word.lower():
        return True  # an initial
    if re.fullmatch(r"(\w\.)+\w", word):
        return True  # an acronym, or such as z.B
    prefixes = list_abbreviations((language or "").split("_")[0].split("-")[0].lower())
    return word in prefixes or (following.isdigit() and f"{word}{NUMERIC_ONLY_SUFFIX}" in prefixes)


@cache
def list_abbreviations(language: str) -> frozenset[str]:
    """Moses' nonbreaking prefixes of a language, those of English where it has none."""
    from sacremoses.corpus import NonbreakingPrefixes

    return frozenset(NonbreakingPrefixes().words(language))


def has_several_sentences(line: str, language: str | None = None) -> bool:
    """Whether a line has several sentences."""
    return len(list(islice(iterate_sentences(line, language), 2))) > 1


def join_sentences(sentences: Sequence[str], *, spaces: bool) -> str:
    """One line of several translations, with spaces between them unless the language has none."""
    return (" " if spaces else "").join(sentence for sentence in sentences if sentence)
