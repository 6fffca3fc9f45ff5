"""Adjectives by the kinds of noun they describe, with their comparatives.

A line reads `english[/comparative] german[/stem][>comparative] kinds`; a stem is given where endings are not added to
the predicative form (teuer, teur-). A comparative `+` stands for `more ...`. Colours come last in a noun phrase.
"""

from typing import NamedTuple

ALL_KINDS = "animal food drink text clothing thing furniture vehicle opening device landmark inside beside"
COUNTABLE_KINDS = "animal clothing thing furniture vehicle opening device landmark inside"
COLOURED_KINDS = "clothing thing furniture vehicle opening"
QUALITIES = f"""
    young/younger jung>jünger person animal
    old/older alt>älter person text {COUNTABLE_KINDS} beside
    friendly/friendlier freundlich>freundlicher person
    tired müde person animal
    rich/richer reich>reicher person
    poor/poorer arm>ärmer person
    sick krank person animal
    happy/happier glücklich>glücklicher person
    sad/sadder traurig>trauriger person
    clever klug person animal
    famous/+ berühmt>berühmter person text landmark
    hungry hungrig person animal
    lazy/lazier faul>fauler person animal
    polite höflich person
    strong/stronger stark>stärker person animal
    curious neugierig person animal
    brave mutig person
    honest ehrlich person
    nervous nervös person animal
    strict/stricter streng>strenger person
    patient geduldig person
    big/bigger groß>größer {COUNTABLE_KINDS} beside
    small/smaller klein>kleiner {COUNTABLE_KINDS} beside
    dangerous/+ gefährlich>gefährlicher animal
    wild wild animal
    fresh frisch food drink
    sweet/sweeter süß>süßer food drink
    warm/warmer warm>wärmer drink clothing
    cold/colder kalt>kälter drink food
    hot heiß drink
    good gut food drink text person
    expensive/+ teuer/teur>teurer food drink clothing furniture vehicle device thing
    cheap/cheaper billig>billiger food drink clothing furniture vehicle device thing
    long/longer lang>länger text clothing
    short/shorter kurz>kürzer text clothing
    interesting/+ interessant>interessanter text inside
    boring langweilig text
    important/+ wichtig>wichtiger text
    secret geheim text
    difficult schwierig text
    new neu text clothing thing furniture vehicle device opening
    beautiful/+ schön>schöner clothing thing landmark inside beside
    dirty schmutzig clothing thing opening
    clean/cleaner sauber>sauberer clothing thing
    heavy/heavier schwer>schwerer thing furniture opening
    broken kaputt device vehicle thing opening
    comfortable/+ bequem>bequemer furniture
    modern/+ modern>moderner furniture vehicle device
    fast/faster schnell>schneller vehicle
    slow/slower langsam>langsamer vehicle
    narrow schmal opening
    quiet/quieter ruhig>ruhiger inside beside
    dark/darker dunkel/dunkl>dunkler inside
    high/higher hoch/hoh>höher landmark
"""
COLOURS = f"""
    red rot {COLOURED_KINDS}
    green grün {COLOURED_KINDS}
    blue blau {COLOURED_KINDS}
    yellow gelb {COLOURED_KINDS}
    black schwarz {COLOURED_KINDS} animal
    white weiß {COLOURED_KINDS} animal
    brown braun {COLOURED_KINDS} animal
    grey grau {COLOURED_KINDS} animal
"""


class Adjective(NamedTuple):
    """`stem` takes the endings; the comparatives are None where they are not used."""

    english: str
    german: str
    stem: str
    english_comparative: tuple[str, ...] | None
    comparative: str | None
    kinds: frozenset[str]


def parse(line: str) -> Adjective:
    english, german, *kinds = line.split()
    english, _, more = english.partition("/")
    german, _, comparative = german.partition(">")
    german, _, stem = german.partition("/")
    return Adjective(
        english=english,
        german=german,
        stem=stem or german.removesuffix("e"),
        english_comparative=(("more", english) if more == "+" else (more,)) if more else None,
        comparative=comparative or None,
        kinds=frozenset(kinds),
    )


def group_by_kind(table: str) -> dict[str, tuple[Adjective, ...]]:
    adjectives = [parse(line) for line in table.strip().splitlines()]
    return {kind: tuple(a for a in adjectives if kind in a.kinds) for kind in ("person", *ALL_KINDS.split())}


QUALITIES_BY_KIND = group_by_kind(QUALITIES)
COLOURS_BY_KIND = group_by_kind(COLOURS)
COMPARABLE_BY_KIND = {kind: tuple(a for a in choices if a.comparative) for kind, choices in QUALITIES_BY_KIND.items()}
