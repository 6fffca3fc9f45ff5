"""Scripts: which of its letters a line has, by the names that Unicode gives to characters."""

import functools
import re
import unicodedata
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from nmt.errors import ConfigError

AUTO = "auto"
"""In place of a script: those of the language."""

LINES_AT_ONCE = 65_536

WIDTHS = {"FULLWIDTH", "HALFWIDTH"}
"""Words before the script in the name of a character."""

UNNAMED = "Unnamed"
"""Stands for the script of letters without a name."""

NAME_WORDS = {"CJK": "Han"}
"""First word of the name of a letter -> its script, where this is not the word."""

LANGUAGES_BY_SCRIPT = {
    "Latin": "af az bs ca cs cy da de en eo es et eu fi fr fo fy ga gd gl ha hr hu id ig is it jv la lb lt lv mg mi ms"
    " mt nb nl nn no oc pl pt ro rm sk sl so sq st su sv sw tl tn tr ts uz vi wo xh yo zu",
    "Cyrillic": "ba be bg kk ky mk mn ru tg tt uk",
    "Greek": "el grc",
    "Armenian": "hy",
    "Georgian": "ka",
    "Hebrew": "he yi",
    "Arabic": "ar arz fa ps sd ug ur",
    "Ethiopic": "am ti",
    "Devanagari": "bho hi mai mr ne sa",
    "Bengali": "as bn",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Oriya": "or",
    "Tamil": "ta",
    "Telugu": "te",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Sinhala": "si",
    "Thai": "th",
    "Lao": "lo",
    "Myanmar": "my",
    "Khmer": "km",
    "Tibetan": "bo dz",
    "Hangul Han": "ko",
    "Hiragana Katakana Katakana-hiragana Han": "ja",
    "Han": "zh yue wuu lzh",
}
"""Scripts -> languages that are written in them (CLDR, likely subtags); for all others, a setting has to say it."""

SUFFIXES = {"latn": "Latin", "cyrl": "Cyrillic", "arab": "Arabic", "deva": "Devanagari", "hans": "Han", "hant": "Han"}
"""Of a language, as in sr_Cyrl (ISO 15924)."""


@functools.cache
def find_script(letter: str) -> str | None:
    """The script of a letter, such as Latin; None for what is no letter, and marks are none."""
    if unicodedata.category(letter)[0] != "L":
        return None
    words = unicodedata.name(letter, "").split()
    first = next((word for word in words if word not in WIDTHS), "")
    return NAME_WORDS.get(first, first.capitalize()) or UNNAMED


@functools.cache
def list_scripts() -> frozenset[str]:
    """The scripts of all letters of the Basic Multilingual Plane."""
    return frozenset(script for code in range(0x10000) if (script := find_script(chr(code))) is not None)


def check_script(script: str | Sequence[str] | None, *, setting: str) -> None:
    """Raises ConfigError for what is no script."""
    for name in [script] if isinstance(script, str) else script or []:
        if name != AUTO and name not in list_scripts():
            raise ConfigError(
                f"{setting}={name} is no script of letters. Scripts have their names of Unicode, such as Latin, "
                "Cyrillic, Arabic, Han, Hiragana or Hangul; auto is that of the language."
            )


def choose_scripts(script: str | Sequence[str], language: str, *, setting: str) -> frozenset[str]:
    """The scripts that a setting means for a language. Raises ConfigError where `auto` does not know it."""
    if script != AUTO:
        return frozenset([script] if isinstance(script, str) else script)
    code, *rest = re.split(r"[-_.@]+", language.casefold())
    if named := [SUFFIXES[part] for part in rest if part in SUFFIXES]:
        return frozenset(named)
    for scripts, languages in LANGUAGES_BY_SCRIPT.items():
        if code in languages.split():
            return frozenset(scripts.split())
    raise ConfigError(f"{setting}=auto does not know the script of the language {language}. Name it: {setting}=Latin.")


def compute_shares(lines: Sequence[str], scripts: Collection[str]) -> NDArray[np.float64]:
    """Of the letters of each line, the share that is of one of these scripts; 1 for a line without letters."""
    found = np.ones(len(lines))
    for start in range(0, len(lines), LINES_AT_ONCE):
        part = lines[start : start + LINES_AT_ONCE]
        codes = np.frombuffer("".join(part).encode("utf-32-le", errors="surrogatepass"), np.uint32)
        known, inverse = np.unique(codes, return_inverse=True)
        kinds = [find_script(chr(code)) for code in known.tolist()]
        is_letter, is_wanted = (
            (np.array(each, dtype=bool) for each in zip(*((k is not None, k in scripts) for k in kinds), strict=True))
            if kinds
            else (np.zeros(0, bool),) * 2
        )
        ends = np.cumsum([0, *map(len, part)])
        letters, wanted = (np.concatenate([[0], np.cumsum(each[inverse])])[ends] for each in (is_letter, is_wanted))
        letters, wanted = np.diff(letters), np.diff(wanted)
        found[start : start + len(part)] = np.where(letters, wanted / np.maximum(letters, 1), 1.0)
    return found
