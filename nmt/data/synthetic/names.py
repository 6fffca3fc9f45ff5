"""Sentences whose names no other sentence has: what a model cannot have learnt, and has to copy."""

import re
import string
from random import Random
from typing import Literal

from nmt.data.synthetic.nouns import NAMES
from nmt.data.synthetic.pair import SentencePair
from nmt.data.synthetic.sentences import draw_sentence

NAMES_VERSION = 1
"""Names the text, beside that of the grammar: choose a new one whenever it changes."""

LETTERS = 6
"""Of a name."""

Script = Literal["latin", "cyrillic"]

ALPHABETS: dict[Script, str] = {
    "latin": string.ascii_lowercase,
    "cyrillic": "".join(map(chr, range(ord("а"), ord("я") + 1))),
}

NAME = re.compile(rf"\b(?:{'|'.join(NAMES)})\b")
"""A name of the grammar, which is the same in both languages and in all cases."""


def draw_named(count: int, seed: int, script: Script) -> list[SentencePair]:
    """The first `count` pairs of a seed that have one name, which is replaced by random letters on both sides. No name
    occurs twice, and so no sentence."""
    random = Random(seed)
    seen: set[str] = set()
    pairs: list[SentencePair] = []
    while len(pairs) < count:
        drawn = draw_sentence(random)
        if len(NAME.findall(drawn.english)) != 1 or len(NAME.findall(drawn.german)) != 1:
            continue
        name = draw_name(random, ALPHABETS[script])
        if name not in seen:
            seen.add(name)
            english, german = (NAME.sub(name, side) for side in (drawn.english, drawn.german))
            pairs.append(drawn._replace(english=english, german=german))
    return pairs


def draw_name(random: Random, alphabet: str) -> str:
    """Random letters, the first of them a capital."""
    return "".join(alphabet[int(random.random() * len(alphabet))] for _ in range(LETTERS)).capitalize()
