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
    build_english_question,
    build_english_statement,
    build_german_question,
    build_german_statement,
    build_german_subordinate,
    build_infinitive,
)
from nmt.data.synthetic.declension import HOW_MANY, THIS, WHICH, A
from nmt.data.synthetic.nouns import NOUNS
from nmt.data.synthetic.pair import COMMA, Chunk, SentencePair, Word, Words, link_pair, make_words
from nmt.data.synthetic.phrases import Gap, NounPhrase, build_prepositional
from nmt.data.synthetic.propositions import ClauseSampler, Mood, is_deniable
from nmt.data.synthetic.verbs import VERBS

MAX_WORDS, MIN_WORDS = 20, 3
QUESTION_MOOD = Mood(question=True)
SUBORDINATE_MOOD = Mood(tenses=("present", "present", "perfect", "past", "future", "modal"))
PRESENT_MOOD = Mood(tenses=("present",), time=False)


def draw_sentence(random: Random) -> SentencePair:
    """A pair of 3 to 20 words a side."""
    while True:
        speaker = ClauseSampler(random)
        english, german, mark = speaker.pick(KINDS)(speaker)
        drawn = link_pair(english, german, mark)
        if all(MIN_WORDS <= side.count(" ") + 1 <= MAX_WORDS for side in drawn[:2]):
            return drawn


Draft = tuple[Words, Words, str]


def draw_statement(speaker: ClauseSampler) -> Draft:
    clause = speaker.draw_clause(Mood(relative=True))
    return build_english_statement(clause), build_german_statement(clause), "."


def draw_fronted_adverbial(speaker: ClauseSampler) -> Draft:
    """`Yesterday the man slept.` - `Gestern hat der Mann geschlafen.`"""
    clause = speaker.draw_clause()
    front = clause.time or clause.place
    if front is None:
        return build_english_statement(clause), build_german_statement(clause), "."
    rest = clause.remove(front)
    return (*front.english, *build_english_statement(rest)), build_german_statement(rest, front.german), "."


def draw_fronted_object(speaker: ClauseSampler) -> Draft:
    """`This apple the man has eaten.` - `Diesen Apfel hat der Mann gegessen.` where no other reading is possible."""
    verb = speaker.pick(VERBS["acc"])
    noun = speaker.pick(NOUNS[speaker.pick(verb.objects)])
    plural = noun.plural is not None and speaker.flip_coin(0.3)
    thing = NounPhrase(noun, plural, THIS, speaker.draw_adjectives(noun), speaker.allocate_key())
    clause = speaker.draw_clause(verb=verb, missing=noun.kind)
    known = is_deniable(clause.subject) and clause.subject.slot != "indefinite"
    if not known or not (thing.is_marked() or clause.subject.is_marked()):
        return draw_fronted_object(speaker)
    return (
        (*thing.to_english(subject=False), *build_english_statement(clause)),
        build_german_statement(clause, thing.to_german("acc")),
        ".",
    )


def draw_yes_no_question(speaker: ClauseSampler) -> Draft:
    clause = speaker.draw_clause(QUESTION_MOOD)
    return build_english_question(clause), build_german_question(clause), "?"


def draw_adverb_question(speaker: ClauseSampler) -> Draft:
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
        mood = QUESTION_MOOD
    missing = english if verb is not None and verb.frame == "direction" else ""
    clause = speaker.draw_clause(mood, verb=verb, missing=missing)
    return build_question(speaker, english, german, clause)


def build_question(speaker: ClauseSampler, english: str, german: str, clause: Clause) -> Draft:
    key = speaker.allocate_key()
    return (
        (Word(english, (key,)), *build_english_question(clause)),
        (Word(german, (key,)), *build_german_question(clause)),
        "?",
    )


def draw_who_question(speaker: ClauseSampler) -> Draft:
    verb = speaker.pick(VERBS[speaker.pick(("acc", "acc", "dat", "both", "none", "direction"))])
    while "person" not in verb.subjects:
        verb = speaker.pick(VERBS["acc"])
    clause = speaker.draw_clause(QUESTION_MOOD, verb=verb, subject=Gap(plural=False))
    key = speaker.allocate_key()
    return (
        (Word("who", (key,)), *build_english_statement(clause)),
        (Word("wer", (key,)), *build_german_question(clause)),
        "?",
    )


def draw_object_question(speaker: ClauseSampler) -> Draft:
    """What, whom, which book, how many books."""
    frame = speaker.pick(("acc", "acc", "acc", "dat"))
    verb = speaker.pick(VERBS[frame])
    kind = speaker.pick(verb.objects)
    clause = speaker.draw_clause(QUESTION_MOOD, verb=verb, missing=kind)
    if frame == "dat":
        return build_question(speaker, "whom", "wem", clause) if kind == "person" else draw_object_question(speaker)
    draw = speaker.random.random()
    if draw < 0.4:
        return (
            build_question(speaker, "whom", "wen", clause)
            if kind == "person"
            else build_question(speaker, "what", "was", clause)
        )
    noun = speaker.pick(NOUNS[kind])
    plural = noun.plural is not None and draw > 0.7
    phrase = NounPhrase(
        noun, plural, HOW_MANY if plural else WHICH, speaker.draw_adjectives(noun), speaker.allocate_key()
    )
    german = (*phrase.to_german("acc"), *build_german_question(clause))
    return (*phrase.to_english(subject=False), *build_english_question(clause)), german, "?"


def build_subordinate(speaker: ClauseSampler, english: str, german: str, clause: Clause) -> Chunk:
    """A conjunction and its clause, verb last in German."""
    key = speaker.allocate_key()
    return Chunk(
        (Word(english, (key,)), *build_english_statement(clause)),
        (Word(german, (key,)), *build_german_subordinate(clause)),
    )


def draw_that_clause(speaker: ClauseSampler) -> Draft:
    matrix = speaker.draw_clause(PRESENT_MOOD, verb=speaker.pick(VERBS["that"]))
    told = build_subordinate(speaker, "that", "dass", speaker.draw_clause(SUBORDINATE_MOOD))
    return (
        (*build_english_statement(matrix), *told.english),
        (*build_german_statement(matrix), COMMA, *told.german),
        ".",
    )


def draw_whether_clause(speaker: ClauseSampler) -> Draft:
    """`asks whether`, `does not know whether`."""
    mood, verb = PRESENT_MOOD, speaker.pick((VERBS["whether"][0], VERBS["that"][0]))
    matrix = speaker.draw_clause(mood, verb=verb, subject=speaker.draw_subject("person"))
    if verb.base == "know":
        matrix = matrix.deny()
    told = build_subordinate(speaker, "whether", "ob", speaker.draw_clause(SUBORDINATE_MOOD))
    return (
        (*build_english_statement(matrix), *told.english),
        (*build_german_statement(matrix), COMMA, *told.german),
        ".",
    )


def draw_reason(speaker: ClauseSampler) -> Draft:
    """`..., because ...` and `Although ..., ...`."""
    english, german = speaker.pick((("because", "weil"), ("although", "obwohl")))
    main = speaker.draw_clause()
    told = build_subordinate(speaker, english, german, speaker.draw_clause(SUBORDINATE_MOOD))
    if speaker.flip_coin(0.6):
        return (
            (*build_english_statement(main), *told.english),
            (*build_german_statement(main), COMMA, *told.german),
            ".",
        )
    front = (*told.german, COMMA)
    return (*told.english, COMMA, *build_english_statement(main)), build_german_statement(main, front), "."


def draw_condition(speaker: ClauseSampler) -> Draft:
    told = build_subordinate(speaker, "if", "wenn", speaker.draw_clause(PRESENT_MOOD))
    main = speaker.draw_clause(Mood(tenses=("present", "future", "modal")))
    front = (*told.german, COMMA)
    return (*told.english, COMMA, *build_english_statement(main)), build_german_statement(main, front), "."


def draw_coordination(speaker: ClauseSampler) -> Draft:
    english, german = speaker.pick((("but", "aber"), ("and", "und")))
    key = speaker.allocate_key()
    left, right = speaker.draw_clause(), speaker.draw_clause()
    comma = (COMMA,) if english == "but" else ()
    return (
        (*build_english_statement(left), *comma, Word(english, (key,)), *build_english_statement(right)),
        (*build_german_statement(left), *comma, Word(german, (key,)), *build_german_statement(right)),
        ".",
    )


def draw_to_infinitive(speaker: ClauseSampler) -> Draft:
    matrix = speaker.draw_clause(Mood(tenses=("present", "perfect", "past")), verb=speaker.pick(VERBS["to"]))
    verb = speaker.pick(VERBS[speaker.pick(("acc", "acc", "acc", "dat", "both", "none", "direction"))])
    while "person" not in verb.subjects:
        verb = speaker.pick(VERBS["acc"])
    action = speaker.draw_clause(
        Mood(tenses=("present",), time=False, question=True), verb=verb, subject=matrix.subject
    )
    said = build_infinitive(action.remove(action.frequency), speaker.allocate_key())
    return (
        (*build_english_statement(matrix), *said.english),
        (*build_german_statement(matrix), COMMA, *said.german),
        ".",
    )


def draw_existence(speaker: ClauseSampler) -> Draft:
    """`In the park there is an old tree.` - `Im Park gibt es einen alten Baum.`"""
    noun = speaker.pick(NOUNS[speaker.pick(("landmark", "animal", "furniture", "thing", "device"))])
    plural = speaker.flip_coin(0.6)
    determiner = speaker.draw_determiner(("number",)) if plural else A
    phrase = NounPhrase(noun, plural, determiner, speaker.draw_adjectives(noun), speaker.allocate_key())
    place = build_prepositional("in", "in", "dat", speaker.draw_singular("inside"), speaker.allocate_key())
    key = speaker.allocate_key()
    there = (Word("there", (key,)), Word("are" if plural else "is", (key + 1,)))
    es, gibt = make_words(("es",), (key,)), make_words(("gibt",), (key + 1,))
    english, german = phrase.to_english(subject=True), phrase.to_german("acc")
    if speaker.flip_coin(0.5):
        return (*place.english, *there, *english), (*place.german, *gibt, *es, *german), "."
    return (*there, *english, *place.english), (*es, *gibt, *german, *place.german), "."


WEIGHTS: dict[Callable[[ClauseSampler], Draft], int] = {
    draw_statement: 34,
    draw_fronted_adverbial: 14,
    draw_fronted_object: 3,
    draw_yes_no_question: 8,
    draw_adverb_question: 5,
    draw_who_question: 3,
    draw_object_question: 6,
    draw_that_clause: 6,
    draw_whether_clause: 4,
    draw_reason: 9,
    draw_condition: 5,
    draw_coordination: 3,
    draw_to_infinitive: 5,
    draw_existence: 3,
}
KINDS = tuple(kind for kind, weight in WEIGHTS.items() for _ in range(weight))
