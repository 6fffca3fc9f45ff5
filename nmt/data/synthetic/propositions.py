"""Random clauses: a verb, its complements, tense, negation and adverbials that go together."""

from dataclasses import replace
from typing import NamedTuple

from nmt.data.synthetic import adverbials
from nmt.data.synthetic.adjectives import COMPARABLE_BY_KIND, QUALITIES_BY_KIND
from nmt.data.synthetic.clauses import Clause, build_english_statement, build_german_subordinate
from nmt.data.synthetic.declension import ALL, EVERY, NONE, RELATIVE, A, Case, spell_number
from nmt.data.synthetic.nouns import GAMES
from nmt.data.synthetic.pair import Chunk, Word
from nmt.data.synthetic.phrases import Coordination, Gap, ModifiedPhrase, NounPhrase, Phrase, build_prepositional
from nmt.data.synthetic.sample import PhraseSampler
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


def group_by_kind(frame: str, *, subject: bool) -> dict[str, tuple[Verb, ...]]:
    kinds = {kind for verb in VERBS[frame] for kind in (verb.subjects if subject else verb.objects)}
    return {
        kind: tuple(verb for verb in VERBS[frame] if kind in (verb.subjects if subject else verb.objects))
        for kind in sorted(kinds)
    }


VERBS_BY_SUBJECT = {frame: group_by_kind(frame, subject=True) for frame in SUBJECT_FRAMES}
VERBS_BY_OBJECT = {frame: group_by_kind(frame, subject=False) for frame in ("acc", "dat")}


class Mood(NamedTuple):
    """What the surrounding sentence allows in a clause."""

    tenses: tuple[str, ...] = TENSES
    relative: bool = False
    question: bool = False
    time: bool = True
    place: bool = True


PLAIN_MOOD = Mood()


def is_deniable(phrase: Phrase) -> bool:
    """Whether `not` has one reading: no quantity and no `every` in reach."""
    if isinstance(phrase, ModifiedPhrase):
        phrase = phrase.head
    if isinstance(phrase, NounPhrase):
        return (phrase.determiner.definite and phrase.determiner not in (EVERY, ALL)) or phrase.determiner in (A, NONE)
    return not isinstance(phrase, Coordination)


class ClauseSampler(PhraseSampler):
    """Draws whole clauses."""

    def draw_clause(
        self, mood: Mood = PLAIN_MOOD, *, subject: Phrase | None = None, verb: Verb | None = None, missing: str = ""
    ) -> Clause:
        """A clause; the `missing` object (a kind of noun, or any text) is left to a relative or question word."""
        verb = verb or self.pick(VERBS[self.pick(FRAMES)])
        subject = subject or self.draw_main_subject(self.pick(verb.subjects), mood)
        tense = self.pick(mood.tenses)
        while tense == "modal" and verb.infinitive in STATES:
            tense = self.pick(mood.tenses)
        objects = self.draw_objects(verb, subject, missing, mood)
        negated = self.decide_negation(subject, objects, mood)
        key = self.allocate_key()
        complements: list[Chunk] = []
        kein = False
        for phrase, case in objects:
            if negated and isinstance(phrase, NounPhrase) and not phrase.determiner.definite:
                phrase, kein = phrase.deny(key + 2), True
            complements.append(Chunk(phrase.to_english(subject=False), phrase.to_german(case), phrase.slot))
        if not missing:
            complements.extend(self.draw_other_complement(verb, subject, tense, mood))
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

    def draw_main_subject(self, kind: str, mood: Mood) -> Phrase:
        subject = self.draw_subject(kind)
        return self.maybe_add_relative(subject, 0.07) if mood.relative else subject

    def draw_objects(self, verb: Verb, subject: Phrase, missing: str, mood: Mood) -> list[tuple[Phrase, Case]]:
        if verb.frame not in CASES:
            return []
        objects: list[tuple[Phrase, Case]] = []
        if verb.frame == "both":
            recipient = self.draw_object("person", "dat", subject)
            objects.append((recipient, "dat"))
        if not missing:
            case = CASES[verb.frame]
            thing = self.draw_object(self.pick(verb.objects), case, subject)
            objects.append((self.maybe_add_relative(thing, 0.09) if mood.relative else thing, case))
        return objects

    def decide_negation(self, subject: Phrase, objects: list[tuple[Phrase, Case]], mood: Mood) -> bool:
        if mood.question or not self.flip_coin(0.16):
            return False
        if not is_deniable(subject) or (subject.slot == "indefinite"):
            return False
        if not all(is_deniable(phrase) for phrase, _ in objects):
            return False
        indefinite = [phrase for phrase, _ in objects if phrase.slot == "indefinite"]
        return not indefinite or (indefinite == [objects[-1][0]] and isinstance(indefinite[0], NounPhrase))

    def draw_other_complement(self, verb: Verb, subject: Phrase, tense: str, mood: Mood) -> list[Chunk]:
        """What is not a plain object: a direction, a place, a prepositional object, a game, a predicate."""
        if verb.frame == "direction":
            return [self.draw_city("to", "nach") if verb.base == "travel" else self.draw_direction()]
        if verb.frame == "place":
            return [self.draw_place()] if mood.place else []
        if verb.frame == "adjective":
            return [self.draw_predicate(subject, timeless=tense == "present")]
        if verb.frame == "game":
            key = self.allocate_key()
            english, german = self.pick(GAMES)
            return [Chunk((Word(english, (key,)),), (Word(german, (key,)),))]
        if verb.frame not in PREPOSITIONAL:
            return []
        preposition, case = verb.frame.split()
        required: Case = "acc" if case == "acc" else "dat"
        phrase = self.draw_object(self.pick(verb.objects), required, subject)
        return [build_prepositional(verb.preposition, preposition, required, phrase, self.allocate_key())]

    def draw_predicate(self, subject: Phrase, *, timeless: bool) -> Chunk:
        """An age or a comparison, if the clause is `timeless`; otherwise how someone is."""
        draw, key = self.random.random(), self.allocate_key()
        if timeless and draw < 0.2:
            age = spell_number(self.draw_count())
            return adverbials.build_counted("* years/1 old/2", "* Jahre/1 alt/2", age, key)
        if timeless and draw < 0.4 and not isinstance(subject, Gap):
            adjective = self.pick(COMPARABLE_BY_KIND["person"])
            other = self.draw_singular("person")
            assert adjective.english_comparative is not None
            assert adjective.comparative is not None
            english = tuple(Word(text, (key,)) for text in adjective.english_comparative)
            return Chunk(
                (*english, Word("than", (key + 1,)), *other.to_english(subject=False)),
                (Word(adjective.comparative, (key,)), Word("als", (key + 1,)), *other.to_german("nom")),
            )
        adjective = self.pick(QUALITIES_BY_KIND["person"])
        very = self.flip_coin(0.2)
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
            time = self.draw_time("past")
        elif mood.time and tense in ("present", "future", "modal") and not stative and not clause.negated:
            time = self.draw_time(tense) if self.flip_coin(0.25) else None
        elif mood.time and tense == "future" and self.flip_coin(0.5):
            time = self.draw_time("future")
        frequencies = adverbials.QUESTION_FREQUENCIES if mood.question else adverbials.FREQUENCIES
        if tense in frequencies and time is None and not clause.negated and self.flip_coin(0.25):
            frequency = adverbials.build_fixed(self.pick(frequencies[tense]), self.allocate_key())
        if verb.base in adverbials.MANNERS and self.flip_coin(0.15):
            manner = adverbials.build_fixed(self.pick(adverbials.MANNERS[verb.base]), self.allocate_key())
        elif verb.base in adverbials.VERBS_WITH_COMPANION and self.flip_coin(0.12):
            manner = self.draw_companion()
        elif verb.base in adverbials.VERBS_WITH_BENEFICIARY and not mood.question and self.flip_coin(0.12):
            manner = build_prepositional("for", "für", "acc", self.draw_singular("person"), self.allocate_key())
        if mood.place and verb.base in adverbials.VERBS_WITH_PLACE and verb.frame != "place" and self.flip_coin(0.22):
            place = self.draw_place()
        return replace(clause, time=time, frequency=frequency, manner=manner, place=place)

    def maybe_add_relative(self, phrase: Phrase, probability: float) -> Phrase:
        """Perhaps a relative clause, where the German one has one reading: die Frau, die das Kind sieht, has two."""
        if not isinstance(phrase, NounPhrase) or phrase.determiner is NONE or not self.flip_coin(probability):
            return phrase
        kind, gender = phrase.noun.kind, phrase.gender
        frame = self.pick(SUBJECT_FRAMES)
        as_object = self.flip_coin(0.5) and frame in VERBS_BY_OBJECT
        verbs = (VERBS_BY_OBJECT if as_object else VERBS_BY_SUBJECT)[frame].get(kind, ())
        if not verbs:
            return phrase
        verb = self.pick(verbs)
        if as_object:
            clause = self.draw_clause(RELATIVE_MOOD, verb=verb, missing=kind)
            case, pronoun = CASES[frame], "whom" if kind == "person" else "that"
            clear = case == "dat" or clause.subject.is_marked() or phrase.is_marked()
        else:
            clause = self.draw_clause(RELATIVE_MOOD, verb=verb, subject=Gap(phrase.plural))
            case, pronoun = "nom", "who" if kind == "person" else "that"
            clear = frame != "acc" or phrase.is_marked()
        if not clear or getattr(clause.subject, "noun", None) is phrase.noun:
            return phrase
        key = self.allocate_key()
        after = Chunk(
            (Word(pronoun, (key,)), *build_english_statement(clause)),
            (Word(RELATIVE[case, gender], (key,)), *build_german_subordinate(clause)),
        )
        return ModifiedPhrase(phrase, after, clause=True)


RELATIVE_MOOD = Mood(tenses=("present", "present", "perfect"), time=False)
