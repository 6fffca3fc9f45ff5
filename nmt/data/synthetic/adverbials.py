"""Adverbials of time, frequency and manner. `english = german` entries of equal length link word by word."""

from nmt.data.synthetic.pair import Chunk, Word, Words, make_words

REPEATED_TIMES = (
    "every day = jeden Tag; every morning = jeden Morgen; every evening = jeden Abend; every week = jede Woche"
)
SEASONS = "in summer = im Sommer; in winter = im Winter; in spring = im Frühling"
PAST = "yesterday = gestern; last week = letzte Woche; last year = letztes Jahr; last summer = letzten Sommer"
FUTURE = "tomorrow = morgen; next week = nächste Woche; next year = nächstes Jahr; tonight = heute Abend; today = heute"
DAYS = "on Monday = am Montag; on Tuesday = am Dienstag; on Friday = am Freitag; on Sunday = am Sonntag"
OFTEN = "often = oft; always = immer; usually = meistens; sometimes = manchmal"
RARELY = "never = nie; rarely = selten"
EVER = "often = oft; already = schon; never = nie"

Entry = tuple[tuple[str, ...], tuple[str, ...]]


def parse_entries(table: str) -> tuple[Entry, ...]:
    sides = (entry.split("=") for entry in table.split(";"))
    return tuple((tuple(english.split()), tuple(german.split())) for english, german in sides)


TIMES = {
    "present": parse_entries(f"{REPEATED_TIMES};{SEASONS}"),
    "past": parse_entries(f"{PAST};{DAYS}"),
    "future": parse_entries(f"{FUTURE};{DAYS}"),
    "modal": parse_entries(f"{FUTURE};{REPEATED_TIMES}"),
}
FREQUENCIES = {"present": parse_entries(f"{OFTEN};{RARELY}"), "perfect": parse_entries(EVER)}
QUESTION_FREQUENCIES = {"present": parse_entries(OFTEN), "perfect": parse_entries("already = schon")}
UNITS = (("days", "Tagen"), ("weeks", "Wochen"), ("months", "Monaten"), ("years", "Jahren"), ("hours", "Stunden"))

PACE = (("quickly",), ("schnell",)), (("slowly",), ("langsam",))
CARE = (("carefully",), ("vorsichtig",))
VOICE = (("loudly",), ("laut",)), (("quietly",), ("leise",))
MANNERS: dict[str, tuple[Entry, ...]] = {
    **dict.fromkeys(("swim", "learn", "eat", "drink", "read", "write", "run", "prepare"), PACE),
    **dict.fromkeys(("open", "close", "wash", "clean", "repair", "pack", "carry", "work"), (*PACE, CARE)),
    **dict.fromkeys(("sing", "laugh", "cry"), VOICE),
}
ACTIVITIES = """
    sleep work laugh cry sing dance smile learn buy sell eat drink read write see find look meet wait hide steal lose
    photograph hear help thank listen play forget order paint watch build clean repair wash
"""
VERBS_WITH_PLACE = frozenset(ACTIVITIES.split())
VERBS_WITH_BENEFICIARY = frozenset(("buy", "prepare", "pack", "write", "build", "order", "paint", "repair"))
VERBS_WITH_COMPANION = frozenset(
    ("sing", "dance", "work", "swim", "learn", "laugh", "come", "go", "travel", "arrive", "live", "eat")
)


def build_fixed(entry: Entry, key: int) -> Chunk:
    """Word by word where both sides have as many words, otherwise all with all."""
    english, german = entry
    if len(english) != len(german):
        return Chunk(make_words(english, (key,)), make_words(german, (key,)))
    return Chunk(
        tuple(Word(text, (key + place,)) for place, text in enumerate(english)),
        tuple(Word(text, (key + place,)) for place, text in enumerate(german)),
    )


def build_counted(english: str, german: str, number: tuple[tuple[str, ...], str], key: int) -> Chunk:
    """`* days ago` and `vor * Tagen`: the star is the number; `word/n` links to the word with the same n."""
    count, counting = number
    sides: list[Words] = []
    for pattern, numeral in ((english, count), (german, (counting,))):
        side: list[Word] = []
        for token in pattern.split():
            text, _, place = token.partition("/")
            side.extend(make_words(numeral, (key,)) if text == "*" else [Word(text, (key + int(place),))])
        sides.append(tuple(side))
    return Chunk(sides[0], sides[1])
