"""Clauses, in English order and in German fields.

    statement     fore-field | finite verb | middle field | right bracket
    question                   finite verb | middle field | right bracket
    subordinate   introducer |               middle field | right bracket, finite verb

The right bracket holds a separated prefix, a participle or an infinitive. In a subordinate clause the finite verb
comes last and keeps its prefix. The middle field goes: subject, pronouns, time, definite objects, frequency,
indefinite objects, `nicht`, manner, place, and what belongs most closely to the verb (prepositional objects,
directions, predicates).

Tenses map one to one: present to present, will to werden, present perfect to perfect; a clause that names a time in the
past has the simple past in English and the perfect in German (but was is war). So each side determines the other.
"""

from dataclasses import dataclass, replace

from nmt.data.synthetic.pair import Chunk, Word, Words, make_words
from nmt.data.synthetic.phrases import Phrase
from nmt.data.synthetic.verbs import Modal, Verb, form_german_infinitive, inflect_english, inflect_german


@dataclass(frozen=True, slots=True)
class Clause:
    """What a clause says, before it is put in order.

    `tense` is present, past, perfect, future or modal; `key` starts a block: verb, auxiliary, negation. `negated` asks
    for `not`; `nicht` is False where `kein` in an object already says it.
    """

    subject: Phrase
    verb: Verb
    tense: str
    key: int
    complements: tuple[Chunk, ...] = ()
    modal: Modal | None = None
    negated: bool = False
    nicht: bool = False
    time: Chunk | None = None
    frequency: Chunk | None = None
    manner: Chunk | None = None
    place: Chunk | None = None

    def conjugate_english(self, *, support: bool) -> tuple[Words, Words]:
        """(auxiliary, the rest of the verb); with `support` there is an auxiliary, if need be a form of do."""
        verb, meaning, helper = self.verb, (self.key,), (self.key + 1,)
        person, plural = self.subject.person, self.subject.plural

        def inflect(base: str, past: str = "") -> str:
            return inflect_english(base, past, person=person, plural=plural, is_past=self.tense == "past")

        rest = make_words(verb.rest, meaning)
        if self.tense == "perfect":
            return (Word(inflect("have"), helper),), (Word(verb.participle, meaning), *rest)
        if self.tense == "future":
            return (Word("will", helper),), (Word(verb.base, meaning), *rest)
        base = (Word(verb.base, meaning), *rest)
        if self.tense == "modal" and self.modal is not None:
            if not self.modal.to:
                return (Word(self.modal.english, helper),), base
            base = (Word("to", (), meaning), *base)
            if support:
                return (Word(inflect("do"), (), helper),), (Word(self.modal.english, helper), *base)
            return (), (Word(inflect(self.modal.english), helper), *base)
        if verb.base == "be":
            return (Word(inflect("be"), meaning),), rest
        if support:
            return (Word(inflect("do", "did"), (), helper),), base
        return (), (Word(inflect(verb.base, verb.past), meaning, helper if self.tense == "past" else ()), *rest)

    def conjugate_german(self) -> tuple[Word, Words, Words]:
        """(finite verb, right bracket of a main clause, right bracket of a subordinate clause with its finite verb)."""
        verb, meaning, helper = self.verb, (self.key,), (self.key + 1,)
        person, plural = self.subject.person, self.subject.plural
        infinitive = (Word(form_german_infinitive(verb, zu=False), meaning),)
        if self.tense == "perfect" or (self.tense == "past" and verb.infinitive != "sein"):
            auxiliary = Word(inflect_german(verb.auxiliary, "", person, plural), helper)
            participle = (Word(verb.german_participle, meaning),)
            return auxiliary, participle, (*participle, auxiliary)
        if self.tense in ("future", "modal"):
            helping = self.modal.german if self.modal else "werden"
            auxiliary = Word(inflect_german(helping, "", person, plural), helper)
            return auxiliary, infinitive, (*infinitive, auxiliary)
        stem = "waren" if self.tense == "past" else verb.infinitive
        finite = inflect_german(stem, verb.changed, person, plural)
        prefix = make_words((verb.prefix,) if verb.prefix else (), meaning)
        own = meaning + helper  # the verb is its own auxiliary, which is what do stands for
        return Word(finite, own), prefix, (Word(verb.prefix + finite, own),)

    def remove(self, part: Chunk | None) -> "Clause":
        """The clause without its time, place or frequency, which the caller puts elsewhere."""
        time, place, frequency = (None if kept is part else kept for kept in (self.time, self.place, self.frequency))
        return replace(self, time=time, place=place, frequency=frequency)

    def deny(self) -> "Clause":
        return replace(self, negated=True, nicht=True, frequency=None)

    def build_english_tail(self) -> Words:
        parts = (*self.complements, self.manner, self.place, self.time)
        return tuple(word for part in parts if part for word in part.english)

    def build_german_middle(self, *, subject: bool) -> Words:
        slots: dict[str, list[Word]] = {"pronoun": [], "definite": [], "indefinite": [], "late": []}
        for complement in self.complements:
            slots[complement.slot].extend(complement.german)
        nicht = make_words(("nicht",) if self.nicht else (), (self.key + 2,))
        return (
            *(self.subject.to_german("nom") if subject else ()),
            *slots["pronoun"],
            *(self.time.german if self.time else ()),
            *slots["definite"],
            *(self.frequency.german if self.frequency else ()),
            *slots["indefinite"],
            *nicht,
            *(self.manner.german if self.manner else ()),
            *(self.place.german if self.place else ()),
            *slots["late"],
        )

    def build_english_middle(self) -> Words:
        negation = make_words(("not",) if self.negated else (), (self.key + 2,))
        return (*negation, *(self.frequency.english if self.frequency else ()))


def build_english_statement(clause: Clause) -> Words:
    """Subject, verb, complements; also the order of English subordinate clauses."""
    auxiliary, rest = clause.conjugate_english(support=clause.negated)
    said = (*auxiliary, *clause.build_english_middle())
    if [word.text for word in said] == ["can", "not"]:
        said = (Word("cannot", said[0].sure + said[1].sure),)
    return (*clause.subject.to_english(subject=True), *said, *rest, *clause.build_english_tail())


def build_english_question(clause: Clause) -> Words:
    auxiliary, rest = clause.conjugate_english(support=True)
    subject = clause.subject.to_english(subject=True)
    return (*auxiliary, *subject, *clause.build_english_middle(), *rest, *clause.build_english_tail())


def build_german_statement(clause: Clause, front: Words = ()) -> Words:
    """Verb second: behind the subject, or behind `front` with the subject after the verb."""
    finite, bracket, _ = clause.conjugate_german()
    first = front or clause.subject.to_german("nom")
    return (*first, finite, *clause.build_german_middle(subject=bool(front)), *bracket)


def build_german_question(clause: Clause) -> Words:
    finite, bracket, _ = clause.conjugate_german()
    return (finite, *clause.build_german_middle(subject=True), *bracket)


def build_german_subordinate(clause: Clause) -> Words:
    """Verb last; the introducer is the caller's."""
    _, _, bracket = clause.conjugate_german()
    return (*clause.build_german_middle(subject=True), *bracket)


def build_infinitive(clause: Clause, key: int) -> Chunk:
    """`to open the door`, `die Tür aufzumachen`: zu stands before the infinitive or behind the separable prefix."""
    verb = clause.verb
    base = (Word("to", (key,)), *make_words((verb.base, *verb.rest), (clause.key,)))
    if verb.prefix:
        bracket: Words = (Word(form_german_infinitive(verb, zu=True), (clause.key, key)),)
    else:
        bracket = (Word("zu", (key,)), Word(verb.infinitive, (clause.key,)))
    return Chunk((*base, *clause.build_english_tail()), (*clause.build_german_middle(subject=False), *bracket))
