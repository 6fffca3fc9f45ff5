"""Kinds of sentences, each drawn as a pair.

Sure links: articles with articles, nouns with nouns (all words of a compound with its one German word), auxiliaries
with auxiliaries, participles with participles, `not` with `nicht` or `kein`, `to` with `zu` or with the verb that holds
it (`aufzumachen`). A verb of several words (`turns on`, `schaltet ... ein`) is one unit, all words linked with all. A
contraction (`im`) and a number (`dreiundzwanzig`) link with each of the English words they stand for.

Possible links: do-support with the German finite verb, `to` behind a modal with the infinitive, and a simple past with
the auxiliary of the German perfect. Commas and the closing mark are part of the word before them.
"""

from collections.abc import Callable
from random import Random

from nmt.data.synthetic.clauses import (
    Clause,
    english_question,
    english_statement,
    german_question,
    german_statement,
    german_subordinate,
    infinitive,
)
from nmt.data.synthetic.declension import HOW_MANY, THIS, WHICH, A
from nmt.data.synthetic.nouns import NOUNS
from nmt.data.synthetic.pair import COMMA, Chunk, Pair, Word, Words, pair, words
from nmt.data.synthetic.phrases import Gap, NounPhrase, prepositional
from nmt.data.synthetic.propositions import Mood, Speaker, deniable
from nmt.data.synthetic.verbs import VERBS

LONGEST, SHORTEST = 20, 3
ASKED = Mood(question=True)
TOLD = Mood(tenses=("present", "present", "perfect", "past", "future", "modal"))
NOW = Mood(tenses=("present",), time=False)


def sentence(random: Random) -> Pair:
    """A pair of 3 to 20 words a side."""
    while True:
        speaker = Speaker(random)
        english, german, mark = speaker.pick(KINDS)(speaker)
        drawn = pair(english, german, mark)
        if all(SHORTEST <= side.count(" ") + 1 <= LONGEST for side in drawn[:2]):
            return drawn


Draft = tuple[Words, Words, str]


def statement(speaker: Speaker) -> Draft:
    clause = speaker.clause(Mood(relative=True))
    return english_statement(clause), german_statement(clause), "."


def fronted_adverbial(speaker: Speaker) -> Draft:
    """`Yesterday the man slept.` - `Gestern hat der Mann geschlafen.`"""
    clause = speaker.clause()
    front = clause.time or clause.place
    if front is None:
        return english_statement(clause), german_statement(clause), "."
    rest = clause.without(front)
    return (*front.english, *english_statement(rest)), german_statement(rest, front.german), "."


def fronted_object(speaker: Speaker) -> Draft:
    """`This apple the man has eaten.` - `Diesen Apfel hat der Mann gegessen.` where no other reading is possible."""
    verb = speaker.pick(VERBS["acc"])
    noun = speaker.pick(NOUNS[speaker.pick(verb.objects)])
    plural = noun.plural is not None and speaker.chance(0.3)
    thing = NounPhrase(noun, plural, THIS, speaker.adjectives(noun), speaker.key())
    clause = speaker.clause(verb=verb, missing=noun.kind)
    known = deniable(clause.subject) and clause.subject.slot != "indefinite"
    if not known or not (thing.marked() or clause.subject.marked()):
        return fronted_object(speaker)
    return (
        (*thing.english(subject=False), *english_statement(clause)),
        german_statement(clause, thing.german("acc")),
        ".",
    )


def yes_no_question(speaker: Speaker) -> Draft:
    clause = speaker.clause(ASKED)
    return english_question(clause), german_question(clause), "?"


def adverb_question(speaker: Speaker) -> Draft:
    english, german = speaker.pick((("where", "wo"), ("when", "wann"), ("why", "warum")))
    verb = None
    if english == "where":
        mood = Mood(place=False, question=True)
        verb = speaker.pick(VERBS[speaker.pick(("place", "direction", "acc", "acc", "none"))])
        while verb.base in ("come", "hurry"):
            verb = speaker.pick(VERBS["direction"])
        german = "wohin" if verb.frame == "direction" else german
    elif english == "when":
        mood = Mood(tenses=("past", "future"), time=False, question=True)
    else:
        mood = ASKED
    missing = english if verb is not None and verb.frame == "direction" else ""
    clause = speaker.clause(mood, verb=verb, missing=missing)
    return asked(speaker, english, german, clause)


def asked(speaker: Speaker, english: str, german: str, clause: Clause) -> Draft:
    key = speaker.key()
    return (Word(english, (key,)), *english_question(clause)), (Word(german, (key,)), *german_question(clause)), "?"


def who_question(speaker: Speaker) -> Draft:
    verb = speaker.pick(VERBS[speaker.pick(("acc", "acc", "dat", "both", "none", "direction"))])
    while "person" not in verb.subjects:
        verb = speaker.pick(VERBS["acc"])
    clause = speaker.clause(ASKED, verb=verb, subject=Gap(plural=False))
    key = speaker.key()
    return (Word("who", (key,)), *english_statement(clause)), (Word("wer", (key,)), *german_question(clause)), "?"


def object_question(speaker: Speaker) -> Draft:
    """What, whom, which book, how many books."""
    frame = speaker.pick(("acc", "acc", "acc", "dat"))
    verb = speaker.pick(VERBS[frame])
    kind = speaker.pick(verb.objects)
    clause = speaker.clause(ASKED, verb=verb, missing=kind)
    if frame == "dat":
        return asked(speaker, "whom", "wem", clause) if kind == "person" else object_question(speaker)
    draw = speaker.random.random()
    if draw < 0.4:
        return asked(speaker, "whom", "wen", clause) if kind == "person" else asked(speaker, "what", "was", clause)
    noun = speaker.pick(NOUNS[kind])
    plural = noun.plural is not None and draw > 0.7
    phrase = NounPhrase(noun, plural, HOW_MANY if plural else WHICH, speaker.adjectives(noun), speaker.key())
    german = (*phrase.german("acc"), *german_question(clause))
    return (*phrase.english(subject=False), *english_question(clause)), german, "?"


def subordinate(speaker: Speaker, english: str, german: str, clause: Clause) -> Chunk:
    """A conjunction and its clause, verb last in German."""
    key = speaker.key()
    return Chunk(
        (Word(english, (key,)), *english_statement(clause)), (Word(german, (key,)), *german_subordinate(clause))
    )


def that_clause(speaker: Speaker) -> Draft:
    matrix = speaker.clause(NOW, verb=speaker.pick(VERBS["that"]))
    told = subordinate(speaker, "that", "dass", speaker.clause(TOLD))
    return (*english_statement(matrix), *told.english), (*german_statement(matrix), COMMA, *told.german), "."


def whether_clause(speaker: Speaker) -> Draft:
    """`asks whether`, `does not know whether`."""
    mood, verb = NOW, speaker.pick((VERBS["whether"][0], VERBS["that"][0]))
    matrix = speaker.clause(mood, verb=verb, subject=speaker.subject("person"))
    if verb.base == "know":
        matrix = matrix.deny()
    told = subordinate(speaker, "whether", "ob", speaker.clause(TOLD))
    return (*english_statement(matrix), *told.english), (*german_statement(matrix), COMMA, *told.german), "."


def reason(speaker: Speaker) -> Draft:
    """`..., because ...` and `Although ..., ...`."""
    english, german = speaker.pick((("because", "weil"), ("although", "obwohl")))
    main = speaker.clause()
    told = subordinate(speaker, english, german, speaker.clause(TOLD))
    if speaker.chance(0.6):
        return (*english_statement(main), *told.english), (*german_statement(main), COMMA, *told.german), "."
    front = (*told.german, COMMA)
    return (*told.english, COMMA, *english_statement(main)), german_statement(main, front), "."


def condition(speaker: Speaker) -> Draft:
    told = subordinate(speaker, "if", "wenn", speaker.clause(NOW))
    main = speaker.clause(Mood(tenses=("present", "future", "modal")))
    front = (*told.german, COMMA)
    return (*told.english, COMMA, *english_statement(main)), german_statement(main, front), "."


def coordination(speaker: Speaker) -> Draft:
    english, german = speaker.pick((("but", "aber"), ("and", "und")))
    key = speaker.key()
    left, right = speaker.clause(), speaker.clause()
    comma = (COMMA,) if english == "but" else ()
    return (
        (*english_statement(left), *comma, Word(english, (key,)), *english_statement(right)),
        (*german_statement(left), *comma, Word(german, (key,)), *german_statement(right)),
        ".",
    )


def to_infinitive(speaker: Speaker) -> Draft:
    matrix = speaker.clause(Mood(tenses=("present", "perfect", "past")), verb=speaker.pick(VERBS["to"]))
    verb = speaker.pick(VERBS[speaker.pick(("acc", "acc", "acc", "dat", "both", "none", "direction"))])
    while "person" not in verb.subjects:
        verb = speaker.pick(VERBS["acc"])
    action = speaker.clause(Mood(tenses=("present",), time=False, question=True), verb=verb, subject=matrix.subject)
    said = infinitive(action.without(action.frequency), speaker.key())
    return (*english_statement(matrix), *said.english), (*german_statement(matrix), COMMA, *said.german), "."


def existence(speaker: Speaker) -> Draft:
    """`In the park there is an old tree.` - `Im Park gibt es einen alten Baum.`"""
    noun = speaker.pick(NOUNS[speaker.pick(("landmark", "animal", "furniture", "thing", "device"))])
    plural = speaker.chance(0.6)
    determiner = speaker.determiner(("number",)) if plural else A
    phrase = NounPhrase(noun, plural, determiner, speaker.adjectives(noun), speaker.key())
    place = prepositional("in", "in", "dat", speaker.singular("inside"), speaker.key())
    key = speaker.key()
    there = (Word("there", (key,)), Word("are" if plural else "is", (key + 1,)))
    es, gibt = words(("es",), (key,)), words(("gibt",), (key + 1,))
    english, german = phrase.english(subject=True), phrase.german("acc")
    if speaker.chance(0.5):
        return (*place.english, *there, *english), (*place.german, *gibt, *es, *german), "."
    return (*there, *english, *place.english), (*es, *gibt, *german, *place.german), "."


WEIGHTS: dict[Callable[[Speaker], Draft], int] = {
    statement: 34,
    fronted_adverbial: 14,
    fronted_object: 3,
    yes_no_question: 8,
    adverb_question: 5,
    who_question: 3,
    object_question: 6,
    that_clause: 6,
    whether_clause: 4,
    reason: 9,
    condition: 5,
    coordination: 3,
    to_infinitive: 5,
    existence: 3,
}
KINDS = tuple(kind for kind, weight in WEIGHTS.items() for _ in range(weight))
