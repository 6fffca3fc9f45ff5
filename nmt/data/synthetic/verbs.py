"""Verbs by the complements they take, and their forms.

A line reads `english[/past/participle][_rest] ; infinitive[/changed stem] ; participle ; subjects ; objects`. `|` parts
a separable prefix; the changed stem is that of `du` and `er`; a participle behind `ist` takes sein in the perfect.
English verbs without past forms are regular. An English verb of several words is one unit with the German verb.
"""

from functools import cache
from typing import NamedTuple

GOODS = "thing clothing text food"
TABLE = {
    "none": """
        sleep/slept/slept ; schlafen/schläf ; geschlafen ; person animal
        work ; arbeiten ; gearbeitet ; person
        laugh ; lachen ; gelacht ; person
        cry ; weinen ; geweint ; person
        sing/sang/sung ; singen ; gesungen ; person
        dance ; tanzen ; getanzt ; person
        swim/swam/swum ; schwimmen ; ist geschwommen ; person animal
        smile ; lächeln ; gelächelt ; person
        learn ; lernen ; gelernt ; person
        get/got/got_up ; auf|stehen ; ist aufgestanden ; person
        wake/woke/woken_up ; auf|wachen ; ist aufgewacht ; person animal
        fall/fell/fallen_asleep ; ein|schlafen/schläf ; ist eingeschlafen ; person animal
        come/came/come_back ; zurück|kommen ; ist zurückgekommen ; person
        arrive ; an|kommen ; ist angekommen ; person vehicle
        depart ; ab|fahren/fähr ; ist abgefahren ; vehicle
    """,
    "acc": f"""
        buy/bought/bought ; kaufen ; gekauft ; person ; {GOODS} drink furniture vehicle device
        sell/sold/sold ; verkaufen ; verkauft ; person ; {GOODS} drink furniture vehicle device
        eat/ate/eaten ; essen/iss ; gegessen ; person ; food
        drink/drank/drunk ; trinken ; getrunken ; person ; drink
        read/read/read ; lesen/lies ; gelesen ; person ; text
        write/wrote/written ; schreiben ; geschrieben ; person ; text
        see/saw/seen ; sehen/sieh ; gesehen ; person ; person animal vehicle landmark
        find/found/found ; finden ; gefunden ; person ; thing clothing text
        look_for ; suchen ; gesucht ; person ; thing clothing text person
        love ; lieben ; geliebt ; person ; person animal
        know/knew/known ; kennen ; gekannt ; person ; person
        visit ; besuchen ; besucht ; person ; person inside
        invite ; ein|laden/läd ; eingeladen ; person ; person
        call ; an|rufen ; angerufen ; person ; person
        collect ; ab|holen ; abgeholt ; person ; person
        look_at ; an|sehen/sieh ; angesehen ; person ; landmark thing vehicle
        open ; auf|machen ; aufgemacht ; person ; opening
        close ; zu|machen ; zugemacht ; person ; opening
        turn_on ; ein|schalten ; eingeschaltet ; person ; device
        turn_off ; aus|schalten ; ausgeschaltet ; person ; device
        put/put/put_on ; an|ziehen ; angezogen ; person ; clothing
        take/took/taken_off ; aus|ziehen ; ausgezogen ; person ; clothing
        bring/brought/brought_along ; mit|bringen ; mitgebracht ; person ; {GOODS} drink
        throw/threw/thrown_away ; weg|werfen/wirf ; weggeworfen ; person ; {GOODS}
        pack ; ein|packen ; eingepackt ; person ; {GOODS}
        prepare ; vor|bereiten ; vorbereitet ; person ; food
        copy/copied/copied ; ab|schreiben ; abgeschrieben ; person ; text
        clean ; putzen ; geputzt ; person ; furniture opening inside
        repair ; reparieren ; repariert ; person ; vehicle device
        paint ; malen ; gemalt ; person ; landmark person animal
        carry ; tragen/träg ; getragen ; person ; thing furniture
        wash ; waschen/wäsch ; gewaschen ; person ; clothing vehicle
        forget/forgot/forgotten ; vergessen/vergiss ; vergessen ; person ; thing clothing text
        lose/lost/lost ; verlieren ; verloren ; person ; thing clothing text
        hide/hid/hidden ; verstecken ; versteckt ; person ; {GOODS}
        order ; bestellen ; bestellt ; person ; food drink
        feed/fed/fed ; füttern ; gefüttert ; person ; animal
        stroke ; streicheln ; gestreichelt ; person ; animal
        chase ; jagen ; gejagt ; animal ; animal
        bite/bit/bitten ; beißen ; gebissen ; animal ; person animal
        build/built/built ; bauen ; gebaut ; person ; furniture landmark vehicle
        steal/stole/stolen ; stehlen/stiehl ; gestohlen ; person ; thing vehicle
        wake/woke/woken ; wecken ; geweckt ; person ; person
        meet/met/met ; treffen/triff ; getroffen ; person ; person
        greet ; begrüßen ; begrüßt ; person ; person
        understand/understood/understood ; verstehen ; verstanden ; person ; person text
        photograph ; fotografieren ; fotografiert ; person ; landmark animal person
        admire ; bewundern ; bewundert ; person ; landmark person
        translate ; übersetzen ; übersetzt ; person ; text
        hear/heard/heard ; hören ; gehört ; person ; person animal vehicle
        need ; brauchen ; gebraucht ; person ; {GOODS} furniture vehicle device
        watch ; beobachten ; beobachtet ; person animal ; person animal
    """,
    "dat": """
        help ; helfen/hilf ; geholfen ; person ; person animal
        thank ; danken ; gedankt ; person ; person
        follow ; folgen ; ist gefolgt ; person animal ; person vehicle
        answer ; antworten ; geantwortet ; person ; person
        trust ; vertrauen ; vertraut ; person ; person
        congratulate ; gratulieren ; gratuliert ; person ; person
        listen_to ; zu|hören ; zugehört ; person ; person
        forgive/forgave/forgiven ; verzeihen ; verziehen ; person ; person
        belong_to ; gehören ; gehört ; thing clothing text vehicle ; person
        please ; gefallen/gefäll ; gefallen ; thing clothing text ; person
        fit/fitted/fitted ; passen ; gepasst ; clothing ; person
    """,
    "both": f"""
        give/gave/given ; geben/gib ; gegeben ; person ; {GOODS}
        show/showed/shown ; zeigen ; gezeigt ; person ; thing clothing text landmark
        send/sent/sent ; schicken ; geschickt ; person ; thing clothing text
        bring/brought/brought ; bringen ; gebracht ; person ; {GOODS}
        lend/lent/lent ; leihen ; geliehen ; person ; thing text vehicle
        offer ; an|bieten ; angeboten ; person ; food drink furniture
    """,
    "direction": """
        go/went/gone ; gehen ; ist gegangen ; person
        come/came/come ; kommen ; ist gekommen ; person
        drive/drove/driven ; fahren/fähr ; ist gefahren ; person
        run/ran/run ; laufen/läuf ; ist gelaufen ; person animal
        travel/travelled/travelled ; reisen ; ist gereist ; person
        hurry/hurried/hurried ; eilen ; ist geeilt ; person
    """,
    "place": """
        live ; wohnen ; gewohnt ; person
        stay ; bleiben ; ist geblieben ; person
        sit/sat/sat ; sitzen ; gesessen ; person animal
        stand/stood/stood ; stehen ; gestanden ; person animal vehicle
    """,
    "auf acc": "wait_for ; warten ; gewartet ; person ; person vehicle",
    "an acc": "think/thought/thought_of ; denken ; gedacht ; person ; person animal text",
    "über acc": "speak/spoke/spoken_about ; sprechen/sprich ; gesprochen ; person ; person text inside",
    "von dat": "dream_of ; träumen ; geträumt ; person ; person animal vehicle",
    "mit dat": "play_with ; spielen ; gespielt ; person animal ; person animal",
    "game": "play ; spielen ; gespielt ; person",
    "adjective": "be/was/been ; sein ; ist gewesen ; person",
    "that": """
        know/knew/known ; wissen ; gewusst ; person
        think/thought/thought ; denken ; gedacht ; person
        believe ; glauben ; geglaubt ; person
        say/said/said ; sagen ; gesagt ; person
        hope ; hoffen ; gehofft ; person
    """,
    "whether": "ask ; fragen ; gefragt ; person",
    "to": """
        try/tried/tried ; versuchen ; versucht ; person
        forget/forgot/forgotten ; vergessen/vergiss ; vergessen ; person
        plan/planned/planned ; planen ; geplant ; person
        promise ; versprechen/versprich ; versprochen ; person
        decide ; beschließen ; beschlossen ; person
    """,
}
# ich, du, er, and the plural (wir and sie); sollten and waren are past forms
IRREGULAR = {
    "sein": ("bin", "bist", "ist", "sind"),
    "haben": ("habe", "hast", "hat", "haben"),
    "werden": ("werde", "wirst", "wird", "werden"),
    "wissen": ("weiß", "weißt", "weiß", "wissen"),
    "können": ("kann", "kannst", "kann", "können"),
    "müssen": ("muss", "musst", "muss", "müssen"),
    "wollen": ("will", "willst", "will", "wollen"),
    "dürfen": ("darf", "darfst", "darf", "dürfen"),
    "sollten": ("sollte", "solltest", "sollte", "sollten"),
    "waren": ("war", "warst", "war", "waren"),
}


class Verb(NamedTuple):
    """A verb of both languages; `rest` are the English words that follow the inflected one and belong to the verb,
    `preposition` is the English preposition of a verb whose object is prepositional in both languages."""

    base: str
    past: str
    participle: str
    rest: tuple[str, ...]
    infinitive: str
    changed: str
    prefix: str
    german_participle: str
    auxiliary: str
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    frame: str
    preposition: str


class Modal(NamedTuple):
    """A modal verb; `to` marks those that English conjugates and follows by `to`."""

    english: str
    german: str
    to: bool


MODALS = (
    *(Modal("can", "können", False), Modal("may", "dürfen", False), Modal("should", "sollten", False)),
    *(Modal("want", "wollen", True), Modal("have", "müssen", True)),
)


def parse(line: str, frame: str) -> Verb:
    english, infinitive, participle, *kinds = (part.strip() for part in line.split(";"))
    english, _, rest = english.partition("_")
    base, *forms = english.split("/")
    regular = base + ("d" if base.endswith("e") else "ed")
    if base.endswith("y") and base[-2] not in "aeou":
        regular = base[:-1] + "ied"
    past, english_participle = forms or (regular, regular)
    infinitive, _, changed = infinitive.partition("/")
    prefix, _, plain = infinitive.rpartition("|")
    prepositional = frame.endswith((" acc", " dat"))
    return Verb(
        base=base,
        past=past,
        participle=english_participle,
        rest=(rest,) if rest and not prepositional else (),
        infinitive=plain,
        changed=changed,
        prefix=prefix,
        german_participle=participle.removeprefix("ist "),
        auxiliary="sein" if participle.startswith("ist ") else "haben",
        subjects=tuple(kinds[0].split()),
        objects=tuple(kinds[1].split()) if len(kinds) > 1 else (),
        frame=frame,
        preposition=rest if prepositional else "",
    )


VERBS: dict[str, tuple[Verb, ...]] = {
    frame: tuple(parse(line, frame) for line in table.strip().splitlines()) for frame, table in TABLE.items()
}


def inflect_english(verb: str, past: str, *, person: int, plural: bool, is_past: bool) -> str:
    """The finite form of an English verb; `I` and `you` agree as one would hope."""
    third = person == 3 and not plural
    if verb == "be":
        if is_past:
            return "was" if person != 2 and not plural else "were"
        return "is" if third else "am" if person == 1 and not plural else "are"
    if is_past:
        return past
    if not third:
        return verb
    if verb == "have":
        return "has"
    if verb.endswith("y") and verb[-2] not in "aeou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "sh", "ch", "o", "x")) else "s")


@cache
def inflect_german(infinitive: str, changed: str, person: int, plural: bool) -> str:
    """The present of a German verb without its prefix; `changed` is the stem of du and er, or empty."""
    if infinitive in IRREGULAR:
        return IRREGULAR[infinitive][3 if plural else person - 1]
    if plural:
        return infinitive
    stem = infinitive[:-1] if infinitive.endswith(("eln", "ern")) else infinitive[:-2]
    if person == 1:
        return stem[:-2] + "le" if infinitive.endswith("eln") else stem + "e"
    link = "" if changed or not stem.endswith(("t", "d", "gn", "chn", "ffn", "tm")) else "e"
    stem = changed or stem
    if person == 2:
        return stem + link + ("t" if stem.endswith(("s", "ß", "z", "x")) else "st")
    return stem + link + "t"


def form_german_infinitive(verb: Verb, *, zu: bool) -> str:
    """`aufmachen`, with zu `aufzumachen`; a verb without prefix is the same either way, for zu stands before it."""
    return verb.prefix + ("zu" if zu and verb.prefix else "") + verb.infinitive
