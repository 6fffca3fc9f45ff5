"""German determiners, endings and contractions; cases are `nom`, `acc`, `dat`, genders `m`, `f`, `n` and `p` (plural).

An adjective after a determiner that shows gender and case with an ending of its own is weak, otherwise it is strong;
the so-called mixed declension (ein guter Mann, einen guten Mann) follows from that rule.
"""

from typing import Literal, NamedTuple

Case = Literal["nom", "acc", "dat"]


def parse_table(nominative: str, accusative: str, dative: str) -> dict[tuple[str, str], str]:
    rows = {"nom": nominative, "acc": accusative, "dat": dative}
    return {
        (case, gender): "" if ending == "-" else ending
        for case, row in rows.items()
        for gender, ending in zip("mfnp", row.split(), strict=True)
    }


#                 m  f  n  p     m  f  n  p     m  f  n  p
ARTICLE = parse_table("der die das die", "den die das die", "dem der dem den")
RELATIVE = parse_table("der die das die", "den die das die", "dem der dem denen")
STRONG = parse_table("er e es e", "en e es e", "em er em en")
EIN = parse_table("- e - e", "en e - e", "em er em en")
WEAK = parse_table("e e e en", "en e e en", "en en en en")

CONTRACTIONS = {
    ("in", "dem"): "im",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
    ("in", "das"): "ins",
    ("an", "das"): "ans",
}


class Determiner(NamedTuple):
    """How a phrase begins; `pattern` names the row of endings, `english` and `english_plural` may be several words."""

    english: tuple[str, ...]
    english_plural: tuple[str, ...]
    german: str
    pattern: Literal["article", "der", "ein", "quantity", "number", "none"]
    definite: bool

    def inflect(self, case: Case, gender: str) -> str:
        """The German determiner as it stands before a noun, empty where there is none."""
        match self.pattern:
            case "article":
                return ARTICLE[case, gender]
            case "der" | "quantity":
                return self.german + STRONG[case, gender]
            case "ein":
                return self.german + EIN[case, gender] if self.german != "ein" or gender != "p" else ""
        return self.german

    def get_adjective_ending(self, case: Case, gender: str) -> str:
        """The ending of an adjective behind this determiner."""
        shown = self.pattern in ("article", "der") or (self.pattern == "ein" and EIN[case, gender] != "")
        if self.german == "ein" and gender == "p":
            shown = False
        return (WEAK if shown else STRONG)[case, gender]


def make_determiner(
    english: str, german: str, pattern: Literal["der", "ein", "quantity"], definite: bool = True
) -> Determiner:
    singular, _, plural = english.partition("/")
    return Determiner((singular,), (plural or singular,), german, pattern, definite)


THE = Determiner(("the",), ("the",), "", "article", True)
A = Determiner(("a",), (), "ein", "ein", False)
NONE = Determiner((), (), "", "none", False)
KEIN = Determiner((), (), "kein", "ein", False)
THIS = make_determiner("this/these", "dies", "der")
WHICH = make_determiner("which", "welch", "der")
EVERY = make_determiner("every", "jed", "der")
ALL = make_determiner("all", "all", "der")
MANY = make_determiner("many", "viel", "quantity", definite=False)
SOME = make_determiner("some", "einig", "quantity", definite=False)
HOW_MANY = Determiner(("how", "many"), ("how", "many"), "wie viel", "quantity", False)
POSSESSIVES = (
    *(
        make_determiner("my", "mein", "ein"),
        make_determiner("your", "dein", "ein"),
        make_determiner("his", "sein", "ein"),
    ),
    *(make_determiner("her", "ihr", "ein"), make_determiner("our", "unser", "ein")),
)
UNITS = (
    *(("one", "ein"), ("two", "zwei"), ("three", "drei"), ("four", "vier"), ("five", "fünf"), ("six", "sechs")),
    *(
        ("seven", "sieben"),
        ("eight", "acht"),
        ("nine", "neun"),
        ("ten", "zehn"),
        ("eleven", "elf"),
        ("twelve", "zwölf"),
    ),
)
TENS = (
    *(("twenty", "zwanzig"), ("thirty", "dreißig"), ("forty", "vierzig"), ("fifty", "fünfzig"), ("sixty", "sechzig")),
    *(("seventy", "siebzig"), ("eighty", "achtzig"), ("ninety", "neunzig")),
)


def spell_number(value: int) -> tuple[tuple[str, ...], str]:
    """The words of 2 to 12 or 20 to 99: 23 is `twenty three` and `dreiundzwanzig`, the unit before the ten."""
    if value <= 12:
        english, german = UNITS[value - 1]
        return (english,), german
    ten, unit = TENS[value // 10 - 2], value % 10
    if unit == 0:
        return (ten[0],), ten[1]
    return (ten[0], UNITS[unit - 1][0]), UNITS[unit - 1][1] + "und" + ten[1]


def make_numeral(value: int) -> Determiner:
    english, german = spell_number(value)
    return Determiner(english, english, german, "number", False)
