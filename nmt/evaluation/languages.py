"""Which languages have a name here: the codes of ISO 639, with a script or region behind them, and English names."""

import re

from nmt.config import format_value, suggest
from nmt.errors import ConfigError
from nmt.printable import shorten

TWO_LETTER_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
    es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik in io is it iu iw ja ji
    jp jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd
    ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss
    st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
"""ISO 639-1, and codes that it had or that people write."""

MOSES_LANGUAGES = {
    "as": "asm assamese",
    "bn": "ben bengali",
    "ca": "cat catalan",
    "cs": "ces cze czech",
    "de": "deu ger german",
    "el": "ell gre greek",
    "en": "eng english",
    "es": "spa spanish",
    "et": "est ekk estonian",
    "fi": "fin finnish",
    "fr": "fra fre french",
    "ga": "gle irish",
    "gu": "guj gujarati",
    "hi": "hin hindi",
    "hu": "hun hungarian",
    "is": "isl ice icelandic",
    "it": "ita italian",
    "kn": "kan kannada",
    "lt": "lit lithuanian",
    "lv": "lav lvs latvian",
    "ml": "mal malayalam",
    "mni": "manipuri",
    "mr": "mar marathi",
    "nl": "nld dut dutch",
    "or": "ori ory oriya",
    "pa": "pan punjabi",
    "pl": "pol polish",
    "pt": "por portuguese",
    "ro": "ron rum romanian",
    "ru": "rus russian",
    "sk": "slk slo slovak",
    "sl": "slv slovenian",
    "sv": "swe swedish",
    "ta": "tam tamil",
    "te": "tel telugu",
    "tdt": "tetum",
}
"""The codes for which Moses has rules -> what else the language is called. Those without spaces are left out."""

OTHER_NAMES = "arabic chinese mandarin cantonese japanese korean thai lao khmer burmese turkish ukrainian vietnamese"


def find_code(language: str) -> str:
    """The code or name alone, in lower case, of a language such as de_DE, zh-Hant or DE."""
    return re.split(r"[-_.@\s]+", language.strip().casefold())[0]


def find_moses_language(language: str) -> str | None:
    """The code by which Moses has rules for a language; None where it has none."""
    code = find_code(language)
    return next((ours for ours, others in MOSES_LANGUAGES.items() if code == ours or code in others.split()), None)


def check_language(language: str) -> None:
    """Raises ConfigError for what is no language: a code of two letters that is none, or an unknown word.

    All codes of three letters are taken, of which there are thousands.
    """
    code = find_code(language)
    names = {name for others in MOSES_LANGUAGES.values() for name in others.split() if len(name) > 3} | {
        *OTHER_NAMES.split()
    }
    is_tag = re.fullmatch(r"\w+([-_.@\s]+\w+)*", language.strip()) is not None
    if is_tag and (code in TWO_LETTER_CODES.split() or code in names or re.fullmatch("[a-z]{3}", code)):
        return
    hint = suggest(code, names) if len(code) > 3 else ""
    hint = "" if hint.startswith("Choose from") else f"{hint} "
    raise ConfigError(
        f"language={format_value(shorten(language, 60))} is no language. {hint}Give its code of two or three letters, "
        "such as de, zh_Hant or deu."
    )
