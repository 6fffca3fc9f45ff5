"""Nouns, names and the kinds that keep sentences sensible.

A line reads `english[/plural] article German[/Plural][*]`; `_` joins the words of an English compound, a star marks the
weak declension (all forms but the nominative singular are the plural form), and a noun without plural is a mass noun.
No noun here has the same singular and plural in English, so that an English sentence has one German translation.
"""

from typing import NamedTuple

GENDERS = {"der": "m", "die": "f", "das": "n"}

TABLE = {
    "person": """
        man/men der Mann/Männer; woman/women die Frau/Frauen; child/children das Kind/Kinder; boy der Junge/Jungen*
        girl das Mädchen/Mädchen; teacher der Lehrer/Lehrer; doctor der Arzt/Ärzte; friend der Freund/Freunde
        neighbour der Nachbar/Nachbarn*; student der Student/Studenten*; brother der Bruder/Brüder
        sister die Schwester/Schwestern; mother die Mutter/Mütter; father der Vater/Väter; uncle der Onkel/Onkel
        aunt die Tante/Tanten; grandmother die Großmutter/Großmütter; grandfather der Großvater/Großväter
        son der Sohn/Söhne; daughter die Tochter/Töchter; baker der Bäcker/Bäcker; farmer der Bauer/Bauern*
        tourist der Tourist/Touristen*; colleague der Kollege/Kollegen*; policeman/policemen der Polizist/Polizisten*
        nurse die Krankenschwester/Krankenschwestern; queen die Königin/Königinnen; king der König/Könige
        guest der Gast/Gäste; singer die Sängerin/Sängerinnen; gardener der Gärtner/Gärtner; cook der Koch/Köche
        waiter der Kellner/Kellner; painter der Maler/Maler; lawyer der Anwalt/Anwälte; customer der Kunde/Kunden*
        bus_driver der Busfahrer/Busfahrer; football_player der Fußballspieler/Fußballspieler
    """,
    "animal": """
        dog der Hund/Hunde; cat die Katze/Katzen; horse das Pferd/Pferde; bird der Vogel/Vögel; cow die Kuh/Kühe
        bear der Bär/Bären*; elephant der Elefant/Elefanten*; mouse/mice die Maus/Mäuse; pig das Schwein/Schweine
        duck die Ente/Enten; rabbit das Kaninchen/Kaninchen; donkey der Esel/Esel; goat die Ziege/Ziegen
    """,
    "food": """
        apple der Apfel/Äpfel; egg das Ei/Eier; cake der Kuchen/Kuchen; potato/potatoes die Kartoffel/Kartoffeln
        tomato/tomatoes die Tomate/Tomaten; pear die Birne/Birnen; carrot die Karotte/Karotten
        roll das Brötchen/Brötchen; strawberry/strawberries die Erdbeere/Erdbeeren; sausage die Wurst/Würste
        soup die Suppe/Suppen; apple_cake der Apfelkuchen/Apfelkuchen; potato_soup die Kartoffelsuppe/Kartoffelsuppen
        tomato_salad der Tomatensalat/Tomatensalate; bread das Brot; cheese der Käse; meat das Fleisch; rice der Reis
        honey der Honig; butter die Butter; chocolate die Schokolade
    """,
    "drink": """
        water das Wasser; milk die Milch; coffee der Kaffee; tea der Tee; wine der Wein; beer das Bier; juice der Saft
        apple_juice der Apfelsaft; orange_juice der Orangensaft
    """,
    "text": """
        book das Buch/Bücher; letter der Brief/Briefe; newspaper die Zeitung/Zeitungen; poem das Gedicht/Gedichte
        story/stories die Geschichte/Geschichten; novel der Roman/Romane; message die Nachricht/Nachrichten
        report der Bericht/Berichte; love_letter der Liebesbrief/Liebesbriefe
        history_book das Geschichtsbuch/Geschichtsbücher; newspaper_article der Zeitungsartikel/Zeitungsartikel
    """,
    "clothing": """
        coat der Mantel/Mäntel; shirt das Hemd/Hemden; hat der Hut/Hüte; dress/dresses das Kleid/Kleider
        jacket die Jacke/Jacken; skirt der Rock/Röcke; blouse die Bluse/Blusen; tie die Krawatte/Krawatten
        scarf/scarves der Schal/Schals; winter_coat der Wintermantel/Wintermäntel
        summer_dress/summer_dresses das Sommerkleid/Sommerkleider; rain_jacket die Regenjacke/Regenjacken
    """,
    "thing": """
        cup die Tasse/Tassen; glass/glasses das Glas/Gläser; plate der Teller/Teller; knife/knives das Messer/Messer
        fork die Gabel/Gabeln; spoon der Löffel/Löffel; bottle die Flasche/Flaschen; bag die Tasche/Taschen
        key der Schlüssel/Schlüssel; picture das Bild/Bilder; ball der Ball/Bälle
        umbrella der Regenschirm/Regenschirme; suitcase der Koffer/Koffer; flower die Blume/Blumen
        candle die Kerze/Kerzen; present das Geschenk/Geschenke; basket der Korb/Körbe; clock die Uhr/Uhren
        mirror der Spiegel/Spiegel; pencil der Bleistift/Bleistifte; coffee_cup die Kaffeetasse/Kaffeetassen
        wine_glass/wine_glasses das Weinglas/Weingläser; water_bottle die Wasserflasche/Wasserflaschen
        house_key der Hausschlüssel/Hausschlüssel; school_bag die Schultasche/Schultaschen
        kitchen_knife/kitchen_knives das Küchenmesser/Küchenmesser
        birthday_present das Geburtstagsgeschenk/Geburtstagsgeschenke
    """,
    "furniture": """
        table der Tisch/Tische; chair der Stuhl/Stühle; bed das Bett/Betten; cupboard der Schrank/Schränke
        sofa das Sofa/Sofas; shelf/shelves das Regal/Regale; carpet der Teppich/Teppiche
        kitchen_table der Küchentisch/Küchentische; garden_chair der Gartenstuhl/Gartenstühle
    """,
    "vehicle": """
        car das Auto/Autos; bicycle das Fahrrad/Fahrräder; bus/buses der Bus/Busse; train der Zug/Züge
        ship das Schiff/Schiffe; boat das Boot/Boote; truck der Lastwagen/Lastwagen
        police_car das Polizeiauto/Polizeiautos; school_bus/school_buses der Schulbus/Schulbusse
    """,
    "opening": """
        door die Tür/Türen; window das Fenster/Fenster; gate das Tor/Tore; drawer die Schublade/Schubladen
        kitchen_window das Küchenfenster/Küchenfenster; garden_gate das Gartentor/Gartentore; box/boxes die Kiste/Kisten
    """,
    "device": """
        lamp die Lampe/Lampen; radio das Radio/Radios; television der Fernseher/Fernseher
        computer der Computer/Computer; printer der Drucker/Drucker
        washing_machine die Waschmaschine/Waschmaschinen; coffee_machine die Kaffeemaschine/Kaffeemaschinen
    """,
    "landmark": """
        tree der Baum/Bäume; tower der Turm/Türme; bridge die Brücke/Brücken; wall die Mauer/Mauern
        castle das Schloss/Schlösser; apple_tree der Apfelbaum/Apfelbäume
    """,
    "inside": """
        garden der Garten/Gärten; kitchen die Küche/Küchen; house das Haus/Häuser; room das Zimmer/Zimmer
        city/cities die Stadt/Städte; school die Schule/Schulen; park der Park/Parks
        library/libraries die Bibliothek/Bibliotheken; hospital das Krankenhaus/Krankenhäuser; hotel das Hotel/Hotels
        forest der Wald/Wälder; church/churches die Kirche/Kirchen; office das Büro/Büros
        restaurant das Restaurant/Restaurants; museum das Museum/Museen; village das Dorf/Dörfer
        theatre das Theater/Theater; cellar der Keller/Keller; factory/factories die Fabrik/Fabriken
        supermarket der Supermarkt/Supermärkte; living_room das Wohnzimmer/Wohnzimmer
        swimming_pool das Schwimmbad/Schwimmbäder; university/universities die Universität/Universitäten
    """,
    "beside": """
        station der Bahnhof/Bahnhöfe; river der Fluss/Flüsse; lake der See/Seen; airport der Flughafen/Flughäfen
        beach/beaches der Strand/Strände; bus_stop die Bushaltestelle/Bushaltestellen; harbour der Hafen/Häfen
    """,
}
NAMES = ("Anna", "Peter", "Maria", "Paul", "Clara", "Thomas", "Emma", "Felix", "Julia", "Max", "Lena", "David")
CITIES = (
    *(("Berlin", "Berlin"), ("Hamburg", "Hamburg"), ("Vienna", "Wien"), ("Munich", "München"), ("Cologne", "Köln")),
    *(("Zurich", "Zürich"), ("Paris", "Paris"), ("London", "London"), ("Rome", "Rom")),
)
GAMES = (("football", "Fußball"), ("chess", "Schach"), ("tennis", "Tennis"), ("cards", "Karten"))


class Noun(NamedTuple):
    """A noun; `plural` is None for a mass noun, `oblique` is the accusative and dative singular."""

    english: tuple[str, ...]
    english_plural: tuple[str, ...] | None
    singular: str
    oblique: str
    plural: str | None
    dative_plural: str | None
    gender: str
    kind: str


def parse(line: str, kind: str) -> Noun:
    english, article, german = line.split()
    singular, _, english_plural = english.partition("/")
    german, _, plural = german.rstrip("*").partition("/")
    return Noun(
        english=tuple(singular.split("_")),
        english_plural=tuple((english_plural or singular + "s").split("_")) if plural else None,
        singular=german,
        oblique=plural if line.endswith("*") else german,
        plural=plural or None,
        dative_plural=(plural if plural[-1] in "ns" else plural + "n") if plural else None,
        gender=GENDERS[article],
        kind=kind,
    )


NOUNS: dict[str, tuple[Noun, ...]] = {
    kind: tuple(parse(entry.strip(), kind) for line in table.strip().splitlines() for entry in line.split(";"))
    for kind, table in TABLE.items()
}
