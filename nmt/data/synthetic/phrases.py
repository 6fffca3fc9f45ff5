"""Noun phrases that can be said in English and, in any case, in German.

Every phrase owns a block of ten meaning keys that starts at `key`: determiner, noun, two adjectives with their degree
words, and the first word of a determiner of two words.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from nmt.data.synthetic.adjectives import Adjective
from nmt.data.synthetic.declension import CONTRACTIONS, KEIN, Case, Determiner
from nmt.data.synthetic.nouns import Noun
from nmt.data.synthetic.pair import COMMA, Chunk, Word, Words, make_words

KEYS_PER_BLOCK = 10
CONSONANTAL = ("uni", "use", "one")
SILENT_H = ("honest", "hour")


class DescribingAdjective(NamedTuple):
    adjective: Adjective
    very: bool


def choose_article(following: str) -> str:
    vowel = following.startswith(tuple("aeiou")) and not following.startswith(CONSONANTAL)
    return "an" if vowel or following.startswith(SILENT_H) else "a"


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """Determiner, adjectives and noun; `negation_key` is the meaning key of the negation when `kein` carries it."""

    noun: Noun
    plural: bool
    determiner: Determiner
    adjectives: tuple[DescribingAdjective, ...]
    key: int
    negation_key: int | None = None

    @property
    def person(self) -> int:
        return 3

    @property
    def gender(self) -> str:
        return "p" if self.plural else self.noun.gender

    @property
    def slot(self) -> str:
        return "definite" if self.determiner.definite else "indefinite"

    def is_marked(self) -> bool:
        """Whether nominative and accusative differ."""
        return self.gender == "m"

    def to_english(self, *, subject: bool) -> Words:
        noun = self.noun.english_plural if self.plural else self.noun.english
        assert noun is not None
        described: list[Word] = []
        for place, (adjective, very) in enumerate(self.adjectives):
            if very:
                described.append(Word("very", (self.key + 3 + 2 * place,)))
            described.append(Word(adjective.english, (self.key + 2 + 2 * place,)))
        determiner = self.determiner.english_plural if self.plural else self.determiner.english
        if determiner == ("a",):
            determiner = (choose_article(described[0].text if described else noun[0]),)
        return (
            *self._link_determiner(determiner, self.determiner.inflect("nom", self.gender)),
            *described,
            *make_words(noun, (self.key + 1,)),
        )

    def _link_determiner(self, texts: tuple[str, ...], other: str) -> Words:
        """One key for all words, unless both languages have two words: `how many` and `wie viele`."""
        if len(texts) == 2 and " " in other:
            return (Word(texts[0], (self.key + 6,)), Word(texts[1], (self.key,)))
        return make_words(texts, (self.key,))

    def to_german(self, case: Case) -> Words:
        determiner = self.determiner
        if self.negation_key is not None:
            determiner = KEIN
        form, ending = determiner.inflect(case, self.gender), determiner.get_adjective_ending(case, self.gender)
        side: list[Word] = []
        if " " in form:
            first, form = form.split(" ")
            side.append(Word(first, (self.key + 6,)))
        if form:
            side.append(Word(form, (self.key,) if self.negation_key is None else (self.key, self.negation_key)))
        for place, (adjective, very) in enumerate(self.adjectives):
            if very:
                side.append(Word("sehr", (self.key + 3 + 2 * place,)))
            side.append(Word(adjective.stem + ending, (self.key + 2 + 2 * place,)))
        side.append(Word(self._inflect_noun(case), (self.key + 1,)))
        return tuple(side)

    def _inflect_noun(self, case: Case) -> str:
        noun = self.noun
        if not self.plural:
            return noun.singular if case == "nom" else noun.oblique
        form = noun.dative_plural if case == "dat" else noun.plural
        assert form is not None
        return form

    def deny(self, key: int) -> "NounPhrase":
        """The phrase as `kein ...` says it; English says `not` elsewhere in the sentence."""
        return replace(self, negation_key=key)


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name, the same in both languages and in all cases."""

    text: str
    key: int
    person: int = 3
    plural: bool = False
    slot: str = "definite"

    def is_marked(self) -> bool:
        return False

    def to_english(self, *, subject: bool) -> Words:
        return (Word(self.text, (self.key,)),)

    def to_german(self, case: Case) -> Words:
        return (Word(self.text, (self.key,)),)


class Forms(NamedTuple):
    subject: str
    object: str
    nom: str
    acc: str
    dat: str
    person: int
    plural: bool


# `you` is one friend; accusative `sie` would be her and them, so neither is offered as an accusative object
PRONOUNS = (
    *(Forms("I", "me", "ich", "mich", "mir", 1, False), Forms("you", "you", "du", "dich", "dir", 2, False)),
    *(Forms("he", "him", "er", "ihn", "ihm", 3, False), Forms("she", "her", "sie", "sie", "ihr", 3, False)),
    *(Forms("we", "us", "wir", "uns", "uns", 1, True), Forms("they", "them", "sie", "sie", "ihnen", 3, True)),
)


@dataclass(frozen=True, slots=True)
class Pronoun:
    forms: Forms
    key: int
    slot: str = "pronoun"

    @property
    def person(self) -> int:
        return self.forms.person

    @property
    def plural(self) -> bool:
        return self.forms.plural

    def is_marked(self) -> bool:
        return self.forms.nom != "sie"

    def to_english(self, *, subject: bool) -> Words:
        return (Word(self.forms.subject if subject else self.forms.object, (self.key,)),)

    def to_german(self, case: Case) -> Words:
        return (Word(getattr(self.forms, case), (self.key,)),)


@dataclass(frozen=True, slots=True)
class Coordination:
    """`the man and his dog`."""

    left: NounPhrase | Name
    right: NounPhrase | Name
    key: int
    person: int = 3
    plural: bool = True

    @property
    def slot(self) -> str:
        return "definite"

    def is_marked(self) -> bool:
        return self.left.is_marked() or self.right.is_marked()

    def to_english(self, *, subject: bool) -> Words:
        left, right = self.left.to_english(subject=subject), self.right.to_english(subject=subject)
        return (*left, Word("and", (self.key,)), *right)

    def to_german(self, case: Case) -> Words:
        return (*self.left.to_german(case), Word("und", (self.key,)), *self.right.to_german(case))


@dataclass(frozen=True, slots=True)
class ModifiedPhrase:
    """A noun phrase and what follows it: a relative clause between commas, or `with a red hat`."""

    head: NounPhrase
    after: Chunk
    clause: bool
    person: int = 3

    @property
    def plural(self) -> bool:
        return self.head.plural

    @property
    def slot(self) -> str:
        return self.head.slot

    def is_marked(self) -> bool:
        return self.head.is_marked()

    def to_english(self, *, subject: bool) -> Words:
        return (*self.head.to_english(subject=subject), *self.after.english)

    def to_german(self, case: Case) -> Words:
        around = (COMMA,) if self.clause else ()
        return (*self.head.to_german(case), *around, *self.after.german, *around)


@dataclass(frozen=True, slots=True)
class Gap:
    """Says nothing and agrees: the subject of a relative clause or of `who sleeps?`, whose word stands in front."""

    plural: bool
    person: int = 3
    slot: str = "pronoun"

    def is_marked(self) -> bool:
        return True

    def to_english(self, *, subject: bool) -> Words:
        return ()

    def to_german(self, case: Case) -> Words:
        return ()


# what can be a subject or an object: it agrees by `person` and `plural` and has a `slot` in the German middle field;
# `is_marked` says whether its nominative and accusative differ
Phrase = NounPhrase | Name | Pronoun | Coordination | ModifiedPhrase | Gap


def build_prepositional(english: str, german: str, case: Case, phrase: Phrase, key: int) -> Chunk:
    """A preposition and its phrase; a German contraction carries the meanings of preposition and article.

    A multi-word English preposition (`in front of`) is one unit with the German one.
    """
    first, *others = phrase.to_german(case)
    contracted = CONTRACTIONS.get((german, first.text))
    definite = phrase.slot == "definite"
    if contracted and definite:
        lead: Words = (Word(contracted, (key, *first.sure)),)
    else:
        lead = (Word(german, (key,)), first)
    return Chunk((*make_words(english.split(), (key,)), *phrase.to_english(subject=False)), (*lead, *others))
