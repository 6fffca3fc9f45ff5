"""Random clauses: a verb, its complements, tense, negation and adverbials that go together."""

from dataclasses import replace
from typing import NamedTuple

from nmt.data.synthetic import adverbials
from nmt.data.synthetic.adjectives import COMPARABLE, DESCRIBING
from nmt.data.synthetic.clauses import Clause, english_statement, german_subordinate
from nmt.data.synthetic.declension import ALL, EVERY, NONE, RELATIVE, A, Case, number
from nmt.data.synthetic.nouns import GAMES
from nmt.data.synthetic.pair import Chunk, Word
from nmt.data.synthetic.phrases import Coordination, Gap, Modified, NounPhrase, Phrase, prepositional
from nmt.data.synthetic.sample import Sampler
from nmt.data.synthetic.verbs import MODALS, VERBS, Verb

PREPOSITIONAL = tuple(frame for frame in VERBS if frame.endswith((" acc", " dat")))
FRAMES = (
    *("acc",) * 14,
    *("dat",) * 4,
    *("both",) * 4,
    *("none",) * 5,
    *("direction",) * 4,
    *("place",) * 2,
    *("adjective",) * 4,
    *PREPOSITIONAL,
    "game",
)
TENSES = (*("present",) * 8, *("perfect",) * 4, *("past",) * 4, *("future",) * 2, *("modal",) * 4)
CASES: dict[str, Case] = {"acc": "acc", "dat": "dat", "both": "acc"}
STATES = ("sein", "gehören", "gefallen", "wissen", "kennen", "passen", "brauchen")
SUBJECT_FRAMES = ("acc", "acc", "dat", "none", "direction", "place")


def by_kind(frame: str, *, subject: bool) -> dict[str, tuple[Verb, ...]]:
    kinds = {kind for verb in VERBS[frame] for kind in (verb.subjects if subject else verb.objects)}
    return {
        kind: tuple(verb for verb in VERBS[frame] if kind in (verb.subjects if subject else verb.objects))
        for kind in sorted(kinds)
    }


TAKING_SUBJECT = {frame: by_kind(frame, subject=True) for frame in SUBJECT_FRAMES}
TAKING_OBJECT = {frame: by_kind(frame, subject=False) for frame in ("acc", "dat")}


class Mood(NamedTuple):
    """What the surrounding sentence allows in a clause."""

    tenses: tuple[str, ...] = TENSES
    relative: bool = False
    question: bool = False
    time: bool = True
    place: bool = True


PLAIN = Mood()


def deniable(phrase: Phrase) -> bool:
    """Whether `not` has one reading: no quantity and no `every` in reach."""
    if isinstance(phrase, Modified):
        phrase = phrase.head
    if isinstance(phrase, NounPhrase):
        return (phrase.determiner.definite and phrase.determiner not in (EVERY, ALL)) or phrase.determiner in (A, NONE)
    return not isinstance(phrase, Coordination)


class Speaker(Sampler):
    """Draws whole clauses."""

    def clause(
        self, mood: Mood = PLAIN, *, subject: Phrase | None = None, verb: Verb | None = None, missing: str = ""
    ) -> Clause:
        """A clause; the `missing` object (a kind of noun, or any text) is left to a relative or question word."""
        verb = verb or self.pick(VERBS[self.pick(FRAMES)])
        subject = subject or self.main_subject(self.pick(verb.subjects), mood)
        tense = self.pick(mood.tenses)
        while tense == "modal" and verb.infinitive in STATES:
            tense = self.pick(mood.tenses)
        objects = self.objects(verb, subject, missing, mood)
        negated = self.negatable(subject, objects, mood)
        key = self.key()
        complements: list[Chunk] = []
        kein = False
        for phrase, case in objects:
            if negated and isinstance(phrase, NounPhrase) and not phrase.determiner.definite:
                phrase, kein = phrase.deny(key + 2), True
            complements.append(Chunk(phrase.english(subject=False), phrase.german(case), phrase.slot))
        if not missing:
            complements.extend(self.other_complement(verb, subject, tense, mood))
        clause = Clause(
            subject=subject,
            verb=verb,
            tense=tense,
            key=key,
            complements=tuple(complements),
            modal=self.pick(MODALS) if tense == "modal" else None,
            negated=negated,
            nicht=negated and not kein,
        )
        return self.adorn(clause, mood)

    def main_subject(self, kind: str, mood: Mood) -> Phrase:
        subject = self.subject(kind)
        return self.perhaps_relative(subject, 0.07) if mood.relative else subject

    def objects(self, verb: Verb, subject: Phrase, missing: str, mood: Mood) -> list[tuple[Phrase, Case]]:
        if verb.frame not in CASES:
            return []
        objects: list[tuple[Phrase, Case]] = []
        if verb.frame == "both":
            recipient = self.object("person", "dat", subject)
            objects.append((recipient, "dat"))
        if not missing:
            case = CASES[verb.frame]
            thing = self.object(self.pick(verb.objects), case, subject)
            objects.append((self.perhaps_relative(thing, 0.09) if mood.relative else thing, case))
        return objects

    def negatable(self, subject: Phrase, objects: list[tuple[Phrase, Case]], mood: Mood) -> bool:
        if mood.question or not self.chance(0.16):
            return False
        if not deniable(subject) or (subject.slot == "indefinite"):
            return False
        if not all(deniable(phrase) for phrase, _ in objects):
            return False
        indefinite = [phrase for phrase, _ in objects if phrase.slot == "indefinite"]
        return not indefinite or (indefinite == [objects[-1][0]] and isinstance(indefinite[0], NounPhrase))

    def other_complement(self, verb: Verb, subject: Phrase, tense: str, mood: Mood) -> list[Chunk]:
        """What is not a plain object: a direction, a place, a prepositional object, a game, a predicate."""
        if verb.frame == "direction":
            return [self.city("to", "nach") if verb.base == "travel" else self.direction()]
        if verb.frame == "place":
            return [self.place()] if mood.place else []
        if verb.frame == "adjective":
            return [self.predicate(subject, timeless=tense == "present")]
        if verb.frame == "game":
            key = self.key()
            english, german = self.pick(GAMES)
            return [Chunk((Word(english, (key,)),), (Word(german, (key,)),))]
        if verb.frame not in PREPOSITIONAL:
            return []
        preposition, case = verb.frame.split()
        required: Case = "acc" if case == "acc" else "dat"
        phrase = self.object(self.pick(verb.objects), required, subject)
        return [prepositional(verb.preposition, preposition, required, phrase, self.key())]

    def predicate(self, subject: Phrase, *, timeless: bool) -> Chunk:
        """An age or a comparison, if the clause is `timeless`; otherwise how someone is."""
        draw, key = self.random.random(), self.key()
        if timeless and draw < 0.2:
            age = number(self.count())
            return adverbials.counted("* years/1 old/2", "* Jahre/1 alt/2", age, key)
        if timeless and draw < 0.4 and not isinstance(subject, Gap):
            adjective = self.pick(COMPARABLE["person"])
            other = self.singular("person")
            assert adjective.english_comparative is not None
            assert adjective.comparative is not None
            english = tuple(Word(text, (key,)) for text in adjective.english_comparative)
            return Chunk(
                (*english, Word("than", (key + 1,)), *other.english(subject=False)),
                (Word(adjective.comparative, (key,)), Word("als", (key + 1,)), *other.german("nom")),
            )
        adjective = self.pick(DESCRIBING["person"])
        very = self.chance(0.2)
        return Chunk(
            (*([Word("very", (key + 1,))] if very else []), Word(adjective.english, (key,))),
            (*([Word("sehr", (key + 1,))] if very else []), Word(adjective.german, (key,))),
        )

    def adorn(self, clause: Clause, mood: Mood) -> Clause:
        """Time, frequency, manner and place, where they fit."""
        verb, tense = clause.verb, clause.tense
        stative = verb.infinitive in STATES
        time = frequency = manner = place = None
        if tense == "past" and mood.time:
            time = self.time("past")
        elif mood.time and tense in ("present", "future", "modal") and not stative and not clause.negated:
            time = self.time(tense) if self.chance(0.25) else None
        elif mood.time and tense == "future" and self.chance(0.5):
            time = self.time("future")
        frequencies = adverbials.ASKED_FREQUENCIES if mood.question else adverbials.FREQUENCIES
        if tense in frequencies and time is None and not clause.negated and self.chance(0.25):
            frequency = adverbials.fixed(self.pick(frequencies[tense]), self.key())
        if verb.base in adverbials.MANNERS and self.chance(0.15):
            manner = adverbials.fixed(self.pick(adverbials.MANNERS[verb.base]), self.key())
        elif verb.base in adverbials.TOGETHER and self.chance(0.12):
            manner = self.companion()
        elif verb.base in adverbials.FOR_SOMEONE and not mood.question and self.chance(0.12):
            manner = prepositional("for", "für", "acc", self.singular("person"), self.key())
        if mood.place and verb.base in adverbials.PLACED and verb.frame != "place" and self.chance(0.22):
            place = self.place()
        return replace(clause, time=time, frequency=frequency, manner=manner, place=place)

    def perhaps_relative(self, phrase: Phrase, probability: float) -> Phrase:
        """Perhaps a relative clause, where the German one has one reading: die Frau, die das Kind sieht, has two."""
        if not isinstance(phrase, NounPhrase) or phrase.determiner is NONE or not self.chance(probability):
            return phrase
        kind, gender = phrase.noun.kind, phrase.gender
        frame = self.pick(SUBJECT_FRAMES)
        as_object = self.chance(0.5) and frame in TAKING_OBJECT
        verbs = (TAKING_OBJECT if as_object else TAKING_SUBJECT)[frame].get(kind, ())
        if not verbs:
            return phrase
        verb = self.pick(verbs)
        if as_object:
            clause = self.clause(RELATIVE_MOOD, verb=verb, missing=kind)
            case, pronoun = CASES[frame], "whom" if kind == "person" else "that"
            clear = case == "dat" or clause.subject.marked() or phrase.marked()
        else:
            clause = self.clause(RELATIVE_MOOD, verb=verb, subject=Gap(phrase.plural))
            case, pronoun = "nom", "who" if kind == "person" else "that"
            clear = frame != "acc" or phrase.marked()
        if not clear or getattr(clause.subject, "noun", None) is phrase.noun:
            return phrase
        key = self.key()
        after = Chunk(
            (Word(pronoun, (key,)), *english_statement(clause)),
            (Word(RELATIVE[case, gender], (key,)), *german_subordinate(clause)),
        )
        return Modified(phrase, after, clause=True)


RELATIVE_MOOD = Mood(tenses=("present", "present", "perfect"), time=False)
