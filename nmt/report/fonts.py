"""Words of any script as matplotlib can draw them: no formula, no warning, no missing letter where a font has it."""

import logging
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

logger = logging.getLogger(__name__)

DEFAULT_FAMILY = "DejaVu Sans"  # comes with matplotlib
UNDRAWABLE = "□"
ELLIPSIS = "…"
EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"}
"""Words in the Unicode names of characters that the fonts for East Asia have."""
KINDS = {"LETTER", "VOWEL", "SIGN", "DIGIT", "CHARACTER", "SYLLABLE", "NUMBER", "MARK", "CONSONANT", "CAPITAL", "SMALL"}
"""Words in Unicode names that come after the name of the script."""


def make_legible(word: str, *, longest: int = 22) -> str:
    """`word` with what no font can draw as an open square, cut to `longest` characters that end in an ellipsis."""
    shown = word if len(word) <= longest else word[: longest - 1] + ELLIPSIS
    for character in shown:
        if find_family(character) is None and unicodedata.category(character)[0] in "LMN":
            warn_undrawable(name_script(character))
    return "".join(character if find_family(character) is not None else UNDRAWABLE for character in shown)


def choose_families(words: Iterable[str]) -> list[str]:
    """The fewest font families, matplotlib's own first, in which all characters of legible `words` can be drawn."""
    found = {find_family(character) for word in words for character in word} - {None, DEFAULT_FAMILY}
    return [DEFAULT_FAMILY, *sorted(family for family in found if family is not None)]


def name_script(character: str) -> str:
    """What people call the script of a letter: Thai, Devanagari; those of East Asia, which fonts draw together, are
    one."""
    words = unicodedata.name(character, "").split()
    if not words or any(word in EAST_ASIAN for word in words[:2]):
        return "Chinese, Japanese or Korean" if words else "unnamed"
    before = words[: next((place for place, word in enumerate(words) if word in KINDS), 1)]
    return " ".join(before or words[:1]).capitalize()


@lru_cache
def warn_undrawable(name: str) -> None:
    """Log, once for each script, that its letters are drawn as squares, and which package of fonts has them."""
    from matplotlib import get_cachedir

    package = "fonts-noto-cjk" if name.startswith("Chinese") else "fonts-noto-core"
    logger.warning(
        "no font of this computer has letters of this script: %s. They are drawn as %s in figures; pages in a browser "
        "are not affected. On Debian and Ubuntu `apt-get install %s` has them, elsewhere the Noto fonts "
        "(https://fonts.google.com/noto). Then remove %s/fontlist-*.json, matplotlib's list of fonts.",
        name,
        UNDRAWABLE,
        package,
        get_cachedir(),
    )


@lru_cache(maxsize=65536)
def find_family(character: str) -> str | None:
    """A font family that can draw `character`; None for a control character or where no font of this computer can."""
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return None
    return next((family for family in list_installed() if ord(character) in list_characters(family)), None)


@lru_cache
def list_installed() -> dict[str, str]:
    """Font family -> file of its regular face: the default first; Noto, which draws most scripts, before the others."""
    from matplotlib.font_manager import fontManager

    # The last resort has a box for every character, which is no glyph to rely on.
    faces = {
        font.name: font.fname
        for font in fontManager.ttflist
        if font.style == "normal" and font.weight in (400, "normal", "regular") and "Last" not in font.name
    }
    order = sorted(faces, key=lambda name: (name != DEFAULT_FAMILY, not name.startswith("Noto Sans"), name))
    return {name: faces[name] for name in order}


@lru_cache(maxsize=1024)
def list_characters(family: str) -> frozenset[int]:
    """The code points that the regular face of `family` has glyphs for; none if its file cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        return frozenset(get_font(list_installed()[family]).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()
