"""Random phrases and clauses: which words, with which meanings; their order is the business of `clauses`."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from nmt.data.synthetic import adverbials, declension
from nmt.data.synthetic.adjectives import COLOURS_BY_KIND, QUALITIES_BY_KIND
from nmt.data.synthetic.declension import EVERY, NONE, POSSESSIVES, THE, THIS, A, Case, Determiner
from nmt.data.synthetic.nouns import CITIES, NAMES, NOUNS, Noun
from nmt.data.synthetic.pair import Chunk, Word
from nmt.data.synthetic.phrases import (
    KEYS_PER_BLOCK,
    PRONOUNS,
    Coordination,
    DescribingAdjective,
    ModifiedPhrase,
    Name,
    NounPhrase,
    Phrase,
    Pronoun,
    build_prepositional,
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


class PhraseSampler:
    """Draws phrases from `random`; the draws use `Random.random` only, whose sequence Python guarantees."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.next_key = 0

    def allocate_key(self) -> int:
        """A fresh block of meaning keys."""
        self.next_key += KEYS_PER_BLOCK
        return self.next_key

    def flip_coin(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.random.random() * len(choices))]

    def draw_count(self, small: float = 0.5) -> int:
        """2 to 12 with probability `small`, otherwise 20 to 99."""
        return 2 + int(self.random.random() * 11) if self.flip_coin(small) else 20 + int(self.random.random() * 80)

    def draw_determiner(self, choices: Sequence[Determiner | str], small: float = 0.5) -> Determiner:
        choice = self.pick(choices)
        if isinstance(choice, Determiner):
            return choice
        return self.pick(POSSESSIVES) if choice == "possessive" else declension.make_numeral(self.draw_count(small))

    def draw_adjectives(self, noun: Noun) -> tuple[DescribingAdjective, ...]:
        chosen = []
        if noun.kind in QUALITIES_BY_KIND and self.flip_coin(0.3):
            chosen.append(DescribingAdjective(self.pick(QUALITIES_BY_KIND[noun.kind]), self.flip_coin(0.12)))
        if COLOURS_BY_KIND.get(noun.kind) and self.flip_coin(0.12):
            chosen.append(DescribingAdjective(self.pick(COLOURS_BY_KIND[noun.kind]), False))
        return tuple(chosen)

    def draw_noun_phrase(self, kind: str, *, other: Noun | None = None, bare: bool = False) -> NounPhrase:
        """A noun of a kind that is not `other`; `bare` allows a plural without determiner."""
        noun = self.pick(NOUNS[kind])
        while noun is other:
            noun = self.pick(NOUNS[kind])
        plural = noun.plural is not None and self.flip_coin(0.3)
        if plural:
            determiner = (
                NONE
                if bare and self.flip_coin(0.25)
                else self.draw_determiner(PLURAL, 0.9 if kind == "person" else 0.5)
            )
        else:
            determiner = self.draw_determiner(SINGULAR if noun.plural is not None else MASS)
        if determiner in POSSESSIVES and noun.singular in SPOUSES:
            determiner = THE
        return NounPhrase(noun, plural, determiner, self.draw_adjectives(noun), self.allocate_key())

    def draw_singular(self, kind: str) -> NounPhrase:
        """A definite phrase for places and companions."""
        noun = self.pick(NOUNS[kind])
        determiner = self.pick((THE, THE, THE, THIS, THIS if noun.singular in SPOUSES else self.pick(POSSESSIVES)))
        return NounPhrase(noun, False, determiner, self.draw_adjectives(noun), self.allocate_key())

    def draw_subject(self, kind: str) -> Phrase:
        if kind != "person":
            return self.draw_noun_phrase(kind)
        draw = self.random.random()
        if draw < 0.3:
            return Pronoun(self.pick(PRONOUNS), self.allocate_key())
        if draw < 0.42:
            return Name(self.pick(NAMES), self.allocate_key())
        if draw < 0.48:
            left, right = self.draw_singular("person"), self.draw_singular("person")
            if left.noun is not right.noun:
                return Coordination(left, right, self.allocate_key())
        return self.dress(self.draw_noun_phrase("person"))

    def dress(self, phrase: NounPhrase) -> NounPhrase | ModifiedPhrase:
        """Perhaps with `with a red hat` behind it."""
        if phrase.noun.kind != "person" or phrase.plural or not self.flip_coin(0.05):
            return phrase
        noun = self.pick(NOUNS["clothing"])
        worn = NounPhrase(noun, False, self.pick((THE, A)), self.draw_adjectives(noun), self.allocate_key())
        return ModifiedPhrase(
            phrase, build_prepositional("with", "mit", "dat", worn, self.allocate_key()), clause=False
        )

    def draw_object(self, kind: str, case: Case, subject: Phrase) -> Phrase:
        if kind == "person":
            draw = self.random.random()
            if draw < 0.2:
                return self.draw_pronoun_object(case, subject)
            if draw < 0.3:
                name = Name(self.pick(NAMES), self.allocate_key())
                if not (isinstance(subject, Name) and subject.text == name.text):
                    return name
        phrase = self.draw_noun_phrase(kind, other=getattr(subject, "noun", None), bare=kind != "person")
        return self.dress(phrase)

    def draw_pronoun_object(self, case: Case, subject: Phrase) -> Pronoun:
        """Not the subject's own person, and no accusative sie, which is her and them."""
        choices = [
            forms
            for forms in PRONOUNS
            if (forms.person != subject.person or (forms.person == 3 and not isinstance(subject, Pronoun)))
            and not (case == "acc" and forms.acc == "sie")
        ]
        return Pronoun(self.pick(choices), self.allocate_key())

    def draw_place(self) -> Chunk:
        """Where something happens, in the dative."""
        draw = self.random.random()
        if draw < 0.15:
            return self.draw_city("in", "in")
        if draw < 0.3:
            return build_prepositional("at", "an", "dat", self.draw_singular("beside"), self.allocate_key())
        if draw < 0.4:
            english, german = self.pick(LOCATIONS)
            return build_prepositional(english, german, "dat", self.draw_singular("landmark"), self.allocate_key())
        return build_prepositional("in", "in", "dat", self.draw_singular("inside"), self.allocate_key())

    def draw_direction(self) -> Chunk:
        """Where someone goes: into takes the accusative, to and out of the dative."""
        draw = self.random.random()
        if draw < 0.2:
            return self.draw_city("to", "nach")
        if draw < 0.4:
            return build_prepositional(
                "to", "zu", "dat", self.draw_singular(self.pick(("beside", "person"))), self.allocate_key()
            )
        if draw < 0.55:
            return build_prepositional("out of", "aus", "dat", self.draw_singular("inside"), self.allocate_key())
        return build_prepositional("into", "in", "acc", self.draw_singular("inside"), self.allocate_key())

    def draw_city(self, english: str, german: str) -> Chunk:
        key = self.allocate_key()
        name, german_name = self.pick(CITIES)
        return Chunk(
            (Word(english, (key,)), Word(name, (key + 1,))), (Word(german, (key,)), Word(german_name, (key + 1,)))
        )

    def draw_companion(self) -> Chunk:
        if self.flip_coin(0.7):
            return build_prepositional("with", "mit", "dat", self.draw_singular("person"), self.allocate_key())
        return build_prepositional("without", "ohne", "acc", self.draw_singular("person"), self.allocate_key())

    def draw_time(self, tense: str) -> Chunk:
        """A time that fits the tense; only the past may be years ago, only the future in two days."""
        draw, key = self.random.random(), self.allocate_key()
        if draw < 0.15:
            hour = declension.spell_number(1 + int(self.random.random() * 12))
            return adverbials.build_counted("at/1 * o'clock/2", "um/1 * Uhr/2", hour, key)
        if draw < 0.35 and tense in ("past", "future"):
            unit, einheit = self.pick(adverbials.UNITS)
            if tense == "past":
                english, german = f"* {unit}/2 ago/1", f"vor/1 * {einheit}/2"
            else:
                english, german = f"in/1 * {unit}/2", f"in/1 * {einheit}/2"
            return adverbials.build_counted(english, german, declension.spell_number(self.draw_count()), key)
        return adverbials.build_fixed(self.pick(adverbials.TIMES[tense]), key)
