"""What a German grammar book says, written down without the product: declension tables and forms of verbs."""

from itertools import product

from nmt.data.synthetic.adjectives import COLOURS_BY_KIND, QUALITIES_BY_KIND
from nmt.data.synthetic.nouns import NOUNS

CASES, GENDERS = ("nom", "acc", "dat"), ("m", "f", "n", "p")


def rows(text: str) -> dict[tuple[str, str], str]:
    return dict(zip(product(CASES, GENDERS), text.split(), strict=True))


#                    m     f     n     p      m     f     n     p      m     f     n     p
WEAK = rows("        e     e     e     en     en    e     e     en     en    en    en    en")
MIXED = rows("       er    e     es    en     en    e     es    en     en    en    en    en")
STRONG = rows("      er    e     es    e      en    e     es    e      em    er    em    en")
DER = rows("         der   die   das   die    den   die   das   die    dem   der   dem   den")
DIESER = rows("      er    e     es    e      en    e     es    e      em    er    em    en")
MEIN = rows("        -     e     -     e      en    e     -     e      em    er    em    en")
DIESE_WORDS, MEIN_WORDS = ("dies", "jed", "welch", "all"), ("ein", "kein", "mein", "dein", "sein", "ihr", "unser")

Cell = tuple[str, str]


def determiners() -> dict[str, list[tuple[dict[Cell, str], set[Cell]]]]:
    """For every determiner: the adjective endings behind it, and the cells (case, gender) it may stand in."""
    table: dict[str, list[tuple[dict[Cell, str], set[Cell]]]] = {}

    def add(form: str, endings: dict[Cell, str], cell: Cell) -> None:
        for known, cells in table.setdefault(form, []):
            if known is endings:
                cells.add(cell)
                return
        table[form].append((endings, {cell}))

    for cell in product(CASES, GENDERS):
        add(DER[cell], WEAK, cell)
        for stem in DIESE_WORDS:
            add(stem + DIESER[cell], WEAK, cell)
        for stem in MEIN_WORDS:
            if stem != "ein" or cell[1] != "p":
                add(stem + MEIN[cell].strip("-"), MIXED, cell)
        if cell[1] == "p":
            for stem in ("viel", "einig"):
                add(stem + STRONG[cell], STRONG, cell)
    for contraction, article in {
        "im": "dem",
        "am": "dem",
        "zum": "dem",
        "vom": "dem",
        "zur": "der",
        "ins": "das",
    }.items():
        for cell in product(("dat", "acc"), "mfn"):
            if DER[cell] == article and (contraction == "ins") == (cell[0] == "acc"):
                add(contraction, WEAK, cell)
    return table


DETERMINERS = determiners()


def noun_cells() -> dict[str, set[Cell]]:
    """Every form of a noun and the cells it may stand in."""
    table: dict[str, set[Cell]] = {}
    for noun in (noun for nouns in NOUNS.values() for noun in nouns):
        for case in CASES:
            singular = noun.singular if case == "nom" else noun.oblique
            table.setdefault(singular, set()).add((case, noun.gender))
            if noun.plural is not None:
                needs_n = case == "dat" and noun.plural[-1] not in "ns"
                table.setdefault(noun.plural + "n" * needs_n, set()).add((case, "p"))
    return table


NOUN_CELLS = noun_cells()
STEMS = {a.stem for table in (QUALITIES_BY_KIND, COLOURS_BY_KIND) for choices in table.values() for a in choices}


def legal(determiner: str, adjectives: list[str], noun: str) -> bool:
    """Whether one case and number makes determiner, adjective endings and noun agree."""
    cells = NOUN_CELLS[noun]
    readings = DETERMINERS.get(determiner, [(STRONG, set(product(CASES, GENDERS)))])
    return any(
        all(word.removesuffix(endings[cell]) in STEMS and word.endswith(endings[cell]) for word in adjectives)
        for endings, allowed in readings
        for cell in cells & allowed
    )


# ich, du, er, wir, and the perfect of er
CONJUGATIONS = """
    schlafen: schlafe schläfst schläft schlafen hat geschlafen
    lesen: lese liest liest lesen hat gelesen
    essen: esse isst isst essen hat gegessen
    sehen: sehe siehst sieht sehen hat gesehen
    helfen: helfe hilfst hilft helfen hat geholfen
    geben: gebe gibst gibt geben hat gegeben
    werfen: werfe wirfst wirft werfen hat weggeworfen
    laden: lade lädst lädt laden hat eingeladen
    arbeiten: arbeite arbeitest arbeitet arbeiten hat gearbeitet
    finden: finde findest findet finden hat gefunden
    sitzen: sitze sitzt sitzt sitzen hat gesessen
    reisen: reise reist reist reisen ist gereist
    lächeln: lächle lächelst lächelt lächeln hat gelächelt
    streicheln: streichle streichelst streichelt streicheln hat gestreichelt
    füttern: füttere fütterst füttert füttern hat gefüttert
    spielen: spiele spielst spielt spielen hat gespielt
    stehlen: stehle stiehlst stiehlt stehlen hat gestohlen
    waschen: wasche wäschst wäscht waschen hat gewaschen
    tragen: trage trägst trägt tragen hat getragen
    laufen: laufe läufst läuft laufen ist gelaufen
    vergessen: vergesse vergisst vergisst vergessen hat vergessen
    treffen: treffe triffst trifft treffen hat getroffen
    wissen: weiß weißt weiß wissen hat gewusst
    sein: bin bist ist sind ist gewesen
    machen: mache machst macht machen hat aufgemacht
    bleiben: bleibe bleibst bleibt bleiben ist geblieben
    bieten: biete bietest bietet bieten hat angeboten
"""
# golden: read and checked by hand; English, German and their links on three lines a pair
GOLDEN_TEXT = """
Many poor children want to dance every evening.
Viele arme Kinder wollen jeden Abend tanzen.
0-0 1-1 2-2 3-3 4p6 5-6 6-4 7-5

How many bears did a dog bite last summer?
Wie viele Bären hat ein Hund letzten Sommer gebissen?
0-0 1-1 2-2 3p3 4-4 5-5 6-8 7-6 8-7

The colleague and the father visited this dark supermarket last week.
Der Kollege und der Vater haben letzte Woche diesen dunklen Supermarkt besucht.
0-0 1-1 2-2 3-3 4-4 5p5 5-11 6-8 7-9 8-10 9-6 10-7

The sick boy drinks water although he washed the coat on Monday.
Der kranke Junge trinkt Wasser, obwohl er am Montag den Mantel gewaschen hat.
0-0 1-1 2-2 3-3 4-4 5-5 6-6 7-11 7p12 8-9 9-10 10-7 11-8

Who has run into your school quickly?
Wer ist schnell in deine Schule gelaufen?
0-0 1-1 2-6 3-3 4-4 5-5 6-2

Where does the grandfather forget the mirror?
Wo vergisst der Großvater den Spiegel?
0-0 1p1 2-2 3-3 4-1 5-4 6-5

Max listens to four sisters.
Max hört vier Schwestern zu.
0-0 1-1 1-4 2-1 2-4 3-2 4-3

The hungry painter is strong.
Der hungrige Maler ist stark.
0-0 1-1 2-2 3-3 4-4

Thomas has stolen school bags.
Thomas hat Schultaschen gestohlen.
0-0 1-1 2-3 3-2 4-2

The nurse forgets in our village to give you her novel.
Die Krankenschwester vergisst in unserem Dorf, dir ihren Roman zu geben.
0-0 1-1 2-2 3-3 4-4 5-5 6-9 7-10 8-6 9-7 10-8

If she does not lend us the police car, the friendly grandfather and our hungry child call the tourist.
Wenn sie uns das Polizeiauto nicht leiht, rufen der freundliche Großvater und unser hungriges Kind den Touristen an.
0-0 1-1 2p6 3-5 4-6 5-2 6-3 7-4 8-4 9-8 10-9 11-10 12-11 13-12 14-13 15-14 16-7 16-17 17-15 18-16

This uncle did not turn off the printer last summer.
Dieser Onkel hat letzten Sommer den Drucker nicht ausgeschaltet.
0-0 1-1 2p2 3-7 4-8 5-8 6-5 7-6 8-3 9-4

If the student dreams of the green truck, many nervous doctors want to read the message quickly every week.
Wenn der Student vom grünen Lastwagen träumt, wollen viele nervöse Ärzte jede Woche die Nachricht schnell lesen.
0-0 1-1 2-2 3-6 4-3 5-3 6-4 7-5 8-8 9-9 10-10 11-7 12p16 13-16 14-13 15-14 16-15 17-11 18-12

Because we may hurry out of the beautiful theatre, the uncle invites the aunt.
Weil wir aus dem schönen Theater eilen dürfen, lädt der Onkel die Tante ein.
0-0 1-1 2-7 3-6 4-2 5-2 6-3 7-4 8-5 9-9 10-10 11-8 11-13 12-11 13-12

The brothers drive to the teacher.
Die Brüder fahren zum Lehrer.
0-0 1-1 2-2 3-3 4-3 5-4

Julia may lend twelve neighbours spoons although I should bring along this expensive jacket.
Julia darf zwölf Nachbarn Löffel leihen, obwohl ich diese teure Jacke mitbringen sollte.
0-0 1-1 2-5 3-2 4-3 5-4 6-6 7-7 8-12 9-11 10-11 11-8 12-9 13-10

Do they have to collect your uncle?
Müssen sie deinen Onkel abholen?
0p0 1-1 2-0 3p4 4-4 5-2 6-3

Your bakers do not know whether the girl came into the quiet forest on Tuesday.
Deine Bäcker wissen nicht, ob das Mädchen am Dienstag in den ruhigen Wald gekommen ist.
0-0 1-1 2p2 3-3 4-2 5-4 6-5 7-6 8-13 8p14 9-9 10-10 11-11 12-12 13-7 14-8

Five flowers never please you.
Fünf Blumen gefallen dir nie.
0-0 1-1 2-4 3-2 4-3

Julia knows that the farmers put on the summer dress.
Julia weiß, dass die Bauern das Sommerkleid anziehen.
0-0 1-1 2-2 3-3 4-4 5-7 6-7 7-5 8-6 9-6

This man is seventy one years old.
Dieser Mann ist einundsiebzig Jahre alt.
0-0 1-1 2-2 3-3 4-3 5-4 6-5

Why does the hungry woman want to think of a letter?
Warum will die hungrige Frau an einen Brief denken?
0-0 1p1 2-2 3-3 4-4 5-1 6p8 7-8 8-5 9-6 10-7

The old guest and this doctor have been famous.
Der alte Gast und dieser Arzt sind berühmt gewesen.
0-0 1-1 2-2 3-3 4-4 5-5 6-6 7-8 8-7

Emma thought of Max at six o'clock.
Emma hat um sechs Uhr an Max gedacht.
0-0 1p1 1-7 2-5 3-6 4-2 5-3 6-4
"""
GOLDEN = [tuple(block.splitlines()) for block in GOLDEN_TEXT.strip().split("\n\n")]
