"""Random phrases and clauses: which words, with which meanings; their order is the business of `clauses`."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from nmt.data.synthetic import adverbials, declension
from nmt.data.synthetic.adjectives import COLOURING, DESCRIBING
from nmt.data.synthetic.declension import EVERY, NONE, POSSESSIVES, THE, THIS, A, Case, Determiner
from nmt.data.synthetic.nouns import CITIES, NAMES, NOUNS, Noun
from nmt.data.synthetic.pair import Chunk, Word
from nmt.data.synthetic.phrases import (
    BLOCK,
    PRONOUNS,
    Coordination,
    Described,
    Modified,
    Name,
    NounPhrase,
    Phrase,
    Pronoun,
    prepositional,
)

T = TypeVar("T")
SINGULAR: tuple[Determiner | str, ...] = (*[THE] * 8, *[A] * 3, THIS, THIS, *["possessive"] * 4, EVERY)
PLURAL: tuple[Determiner | str, ...] = (
    *[THE] * 6,
    THIS,
    *["possessive"] * 2,
    *["number"] * 4,
    declension.MANY,
    declension.SOME,
    declension.ALL,
)
MASS: tuple[Determiner | str, ...] = (*[THE] * 4, *[NONE] * 4, THIS, "possessive")
SPOUSES = ("Mann", "Frau")  # mein Mann is my husband
LOCATIONS = (("next to", "neben"), ("behind", "hinter"), ("in front of", "vor"))


class Sampler:
    """Draws phrases from `random`; the draws use `Random.random` only, whose sequence Python guarantees."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.next_key = 0

    def key(self) -> int:
        """A fresh block of meaning keys."""
        self.next_key += BLOCK
        return self.next_key

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.random.random() * len(choices))]

    def count(self, small: float = 0.5) -> int:
        """2 to 12 with probability `small`, otherwise 20 to 99."""
        return 2 + int(self.random.random() * 11) if self.chance(small) else 20 + int(self.random.random() * 80)

    def determiner(self, choices: Sequence[Determiner | str], small: float = 0.5) -> Determiner:
        choice = self.pick(choices)
        if isinstance(choice, Determiner):
            return choice
        return self.pick(POSSESSIVES) if choice == "possessive" else declension.numeral(self.count(small))

    def adjectives(self, noun: Noun) -> tuple[Described, ...]:
        chosen = []
        if noun.kind in DESCRIBING and self.chance(0.3):
            chosen.append(Described(self.pick(DESCRIBING[noun.kind]), self.chance(0.12)))
        if COLOURING.get(noun.kind) and self.chance(0.12):
            chosen.append(Described(self.pick(COLOURING[noun.kind]), False))
        return tuple(chosen)

    def noun_phrase(self, kind: str, *, other: Noun | None = None, bare: bool = False) -> NounPhrase:
        """A noun of a kind that is not `other`; `bare` allows a plural without determiner."""
        noun = self.pick(NOUNS[kind])
        while noun is other:
            noun = self.pick(NOUNS[kind])
        plural = noun.plural is not None and self.chance(0.3)
        if plural:
            determiner = (
                NONE if bare and self.chance(0.25) else self.determiner(PLURAL, 0.9 if kind == "person" else 0.5)
            )
        else:
            determiner = self.determiner(SINGULAR if noun.plural is not None else MASS)
        if determiner in POSSESSIVES and noun.singular in SPOUSES:
            determiner = THE
        return NounPhrase(noun, plural, determiner, self.adjectives(noun), self.key())

    def singular(self, kind: str) -> NounPhrase:
        """A definite phrase for places and companions."""
        noun = self.pick(NOUNS[kind])
        determiner = self.pick((THE, THE, THE, THIS, THIS if noun.singular in SPOUSES else self.pick(POSSESSIVES)))
        return NounPhrase(noun, False, determiner, self.adjectives(noun), self.key())

    def subject(self, kind: str) -> Phrase:
        if kind != "person":
            return self.noun_phrase(kind)
        draw = self.random.random()
        if draw < 0.3:
            return Pronoun(self.pick(PRONOUNS), self.key())
        if draw < 0.42:
            return Name(self.pick(NAMES), self.key())
        if draw < 0.48:
            left, right = self.singular("person"), self.singular("person")
            if left.noun is not right.noun:
                return Coordination(left, right, self.key())
        return self.dressed(self.noun_phrase("person"))

    def dressed(self, phrase: NounPhrase) -> NounPhrase | Modified:
        """Perhaps with `with a red hat` behind it."""
        if phrase.noun.kind != "person" or phrase.plural or not self.chance(0.05):
            return phrase
        noun = self.pick(NOUNS["clothing"])
        worn = NounPhrase(noun, False, self.pick((THE, A)), self.adjectives(noun), self.key())
        return Modified(phrase, prepositional("with", "mit", "dat", worn, self.key()), clause=False)

    def object(self, kind: str, case: Case, subject: Phrase) -> Phrase:
        if kind == "person":
            draw = self.random.random()
            if draw < 0.2:
                return self.pronoun_object(case, subject)
            if draw < 0.3:
                name = Name(self.pick(NAMES), self.key())
                if not (isinstance(subject, Name) and subject.text == name.text):
                    return name
        phrase = self.noun_phrase(kind, other=getattr(subject, "noun", None), bare=kind != "person")
        return self.dressed(phrase)

    def pronoun_object(self, case: Case, subject: Phrase) -> Pronoun:
        """Not the subject's own person, and no accusative sie, which is her and them."""
        choices = [
            forms
            for forms in PRONOUNS
            if (forms.person != subject.person or (forms.person == 3 and not isinstance(subject, Pronoun)))
            and not (case == "acc" and forms.acc == "sie")
        ]
        return Pronoun(self.pick(choices), self.key())

    def place(self) -> Chunk:
        """Where something happens, in the dative."""
        draw = self.random.random()
        if draw < 0.15:
            return self.city("in", "in")
        if draw < 0.3:
            return prepositional("at", "an", "dat", self.singular("beside"), self.key())
        if draw < 0.4:
            english, german = self.pick(LOCATIONS)
            return prepositional(english, german, "dat", self.singular("landmark"), self.key())
        return prepositional("in", "in", "dat", self.singular("inside"), self.key())

    def direction(self) -> Chunk:
        """Where someone goes: into takes the accusative, to and out of the dative."""
        draw = self.random.random()
        if draw < 0.2:
            return self.city("to", "nach")
        if draw < 0.4:
            return prepositional("to", "zu", "dat", self.singular(self.pick(("beside", "person"))), self.key())
        if draw < 0.55:
            return prepositional("out of", "aus", "dat", self.singular("inside"), self.key())
        return prepositional("into", "in", "acc", self.singular("inside"), self.key())

    def city(self, english: str, german: str) -> Chunk:
        key = self.key()
        name, german_name = self.pick(CITIES)
        return Chunk(
            (Word(english, (key,)), Word(name, (key + 1,))), (Word(german, (key,)), Word(german_name, (key + 1,)))
        )

    def companion(self) -> Chunk:
        if self.chance(0.7):
            return prepositional("with", "mit", "dat", self.singular("person"), self.key())
        return prepositional("without", "ohne", "acc", self.singular("person"), self.key())

    def time(self, tense: str) -> Chunk:
        """A time that fits the tense; only the past may be years ago, only the future in two days."""
        draw, key = self.random.random(), self.key()
        if draw < 0.15:
            hour = declension.number(1 + int(self.random.random() * 12))
            return adverbials.counted("at/1 * o'clock/2", "um/1 * Uhr/2", hour, key)
        if draw < 0.35 and tense in ("past", "future"):
            unit, einheit = self.pick(adverbials.UNITS)
            if tense == "past":
                english, german = f"* {unit}/2 ago/1", f"vor/1 * {einheit}/2"
            else:
                english, german = f"in/1 * {unit}/2", f"in/1 * {einheit}/2"
            return adverbials.counted(english, german, declension.number(self.count()), key)
        return adverbials.fixed(self.pick(adverbials.TIMES[tense]), key)
