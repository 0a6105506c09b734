"""Made-up war reports: sentences from templates, because no set here tags army units and few name state organs.

Every sentence is ours. Units, organs and towns are drawn at random, and their spans are known by construction.
"""

import random

from training.tagging_data import TaggedDocument

_QUALITY = ("Separate", "Guards", "Volunteer", "Independent", "Territorial", "Presidential", "Reserve", "")
_BRANCH = (
    "Mechanized",
    "Tank",
    "Motor Rifle",
    "Motorised Rifle",
    "Air Assault",
    "Airborne",
    "Marine",
    "Naval Infantry",
    "Infantry",
    "Artillery",
    "Mountain Assault",
    "Assault",
    "Armored",
    "Jaeger",
    "Rocket",
    "Engineer",
    "Defense",
)
_SIZE = ("Brigade", "Regiment", "Division", "Battalion", "Army", "Corps", "Company")
_ORGANS = (
    "State Duma",
    "Federation Council",
    "Verkhovna Rada",
    "Ministry of Defence",
    "Defense Ministry",
    "Ministry of Internal Affairs",
    "General Staff",
    "Defense Forces",
    "Armed Forces of Ukraine",
    "Air Force",
    "Black Sea Fleet",
    "National Guard",
    "Security Service",
    "Security Council",
    "European Commission",
    "House of Lords",
    "UK Ministry of Defence",
    "US Department of Defense",
    "French Ministry of Foreign Affairs",
    "Institute for the Study of War",
)
_COUNTRIES = (
    "Ukraine",
    "Russia",
    "Poland",
    "Belarus",
    "Moldova",
    "Georgia",
    "Iran",
    "Syria",
    "Egypt",
    "RF",
    "UK",
    "US",
)
_ABBREVIATED = ("RF", "UK", "US", "DPRK", "UAE", "Russia", "Belarus", "Ukraine")
# Towns of the region, and villages with made-up names of its kind; a hyphen stands for a space.
_TOWNS = (
    "Kupiansk Avdiivka Bakhmut Robotyne Krynky Chasiv-Yar Toretsk Pokrovsk Sudzha Belgorod Kursk Lyman Kreminna "
    "Vuhledar Orikhiv Huliaipole Marinka Svatove Izium Kherson Nikopol Energodar Tokmak Melitopol Berdiansk "
    "Staromaiorske Novodonetske Bilohorivka Dvorichna Synkivka Kozacha-Lopan Starytsia Zelene Lukiantsi Borova "
    "Novoselivka Rabotino Veseloye Krasnoye Sosnovka Ilyinka Petrovka Malaya-Dolina Verkhniy-Yar Staraya-Sloboda "
    "Novaya-Tavolzhanka Velykyi-Burluk Mala-Tokmachka Krasnaya-Polyana Grafskoye Zhuravlyovka"
)
_PEOPLE = (
    "Russian",
    "Ukrainian",
    "British",
    "Belarusian",
    "Egyptian",
    "Polish",
    "Russians",
    "Ukrainians",
    "Central Asians",
)
_TEMPLATES = (
    "The sector of the {unit} passed to a company of the {unit} of the {unit}.",
    "Two battalions of the {unit} of the {unit} arrived in {town} by rail.",
    "The {unit} relieved the {unit} at {town}, the {organ} said.",
    "Soldiers of the {unit} stormed {town} on Tuesday and lost three vehicles.",
    "A depot burned down near the village of {town} ({short}).",
    "Shells fell on {town} and on positions of the {organ} west of it.",
    "{people} troops reached {town} after a week of fighting.",
    "Fighters from {country} were seen in {town}, a spokesman of the {organ} told reporters.",
    "Observers in {town} reported that the {unit} had left.",
    "In May, the {organ} of {country} passed a bill on reservists.",
    "Source: {organ}",
    "The Kremlin's spokesman denied what the {organ} had said about {people} officers.",
    "The {organ}'s map shows the {unit} in {town}.",
    "Drones of the {unit} struck the headquarters of the {unit} in {town} and {town}.",
    "The {organ} said that men from {country} serve in the {unit}.",
    "The commander of the {unit} was dismissed after the defeat at {town}.",
)
_TYPES = {"unit": "ORG", "organ": "ORG", "town": "LOC", "short": "LOC", "country": "LOC", "people": "MISC"}


def _ordinal(number: int) -> str:
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _fill(kind: str, choose: random.Random) -> str:
    if kind == "unit":
        words = [
            _ordinal(choose.randint(1, 240)),
            choose.choice(_QUALITY),
            choose.choice(_BRANCH),
            choose.choice(_SIZE),
        ]
        return " ".join(word for word in words if word)
    if kind == "town":
        return choose.choice(_TOWNS.split()).replace("-", " ")
    return choose.choice({"organ": _ORGANS, "short": _ABBREVIATED, "country": _COUNTRIES, "people": _PEOPLE}[kind])


def _sentence(text: str, template: str, choose: random.Random, spans: list[tuple[int, int, str]]) -> str:
    """`text` with one more sentence; its spans are added to `spans`."""
    for number, part in enumerate(template.replace("}", "{").split("{")):
        start = len(text)
        if number % 2 == 0:
            text += part
            if "Kremlin" in part:
                at = start + part.index("Kremlin")
                spans.append((at, at + len("Kremlin"), "LOC"))
        else:
            text += _fill(part, choose)
            spans.append((start, len(text), _TYPES[part]))
    return text


def war_reports(count: int, seed: int) -> list[TaggedDocument]:
    """`count` reports of six sentences each; the same for the same seed."""
    choose = random.Random(seed)
    documents = []
    for number in range(count):
        text, spans = "", list[tuple[int, int, str]]()
        for template in choose.sample(_TEMPLATES, 6):
            text = _sentence(text, template, choose, spans) + choose.choice((" ", "\n"))
        documents.append(TaggedDocument(f"synthetic-{number}", "en", text.rstrip(), tuple(spans)))
    return documents
