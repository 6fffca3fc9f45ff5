"""Words of any script as matplotlib can draw them: no formula, no warning, no missing letter where a font has it."""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

DEFAULT_FAMILY = "DejaVu Sans"  # comes with matplotlib
UNDRAWABLE = "□"
ELLIPSIS = "…"


def legible(word: str, *, longest: int = 22) -> str:
    """`word` with what no font can draw as an open square, cut to `longest` characters that end in an ellipsis."""
    shown = word if len(word) <= longest else word[: longest - 1] + ELLIPSIS
    return "".join(character if family_of(character) is not None else UNDRAWABLE for character in shown)


def families(words: Iterable[str]) -> list[str]:
    """The fewest font families, matplotlib's own first, in which all characters of legible `words` can be drawn."""
    found = {family_of(character) for word in words for character in word} - {None, DEFAULT_FAMILY}
    return [DEFAULT_FAMILY, *sorted(family for family in found if family is not None)]


@lru_cache(maxsize=65536)
def family_of(character: str) -> str | None:
    """A font family that can draw `character`; None for a control character or where no font of this computer can."""
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return None
    return next((family for family in installed() if ord(character) in characters(family)), None)


@lru_cache
def installed() -> dict[str, str]:
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
def characters(family: str) -> frozenset[int]:
    """The code points that the regular face of `family` has glyphs for; none if its file cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        return frozenset(get_font(installed()[family]).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()
