"""Articles to measure with: English news-like texts of a stated length, all different, the same in every run."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)

PEOPLE = (
    "Anna Kowalska",
    "Mark Ellison",
    "Olena Bondar",
    "Prime Minister Lindqvist",
    "Joseph Adeyemi",
    "Claire Fontaine",
)
PLACES = ("Warsaw", "Leeds", "Kharkiv", "Stockholm", "Lagos", "Lyon", "the Elbe valley", "Oregon", "Vovchansk")
BODIES = (
    "the Ministry of Health",
    "the European Commission",
    "Northwind Energy",
    "the Supreme Court",
    "FC Rovers",
    "the 12th Guards Brigade",
)
NOUNS = (  # noqa: SIM905
    "harbour council minister river market budget railway hospital storm election vaccine orchestra satellite drought "
    "wheat bridge tribunal glacier strike festival reactor turbine library verdict pipeline senate museum chemist "
    "airline tunnel ferry mayor treaty forest copper lithium goalkeeper marathon archive census curfew lawsuit "
    "merger dividend tariff harvest earthquake aftershock evacuation shelter convoy brigade ceasefire hostage refugee "
    "visa passport border customs smuggler prosecutor juror witness appeal sentence parole warden inmate burglary "
    "surgeon nurse clinic outbreak mosquito antibiotic patient insulin telescope asteroid particle enzyme fossil "
    "volcano reef whale wetland heatwave rainfall blizzard reservoir dam canal battery charger grid coal pension union "
    "factory worker apprentice salary landlord tenant mortgage bishop parish pilgrim temple choir novelist painter "
    "sculpture gallery actor premiere stadium striker referee coach sprint regatta bicycle tram motorway airport"
).split()
VERBS = (  # noqa: SIM905
    "approved rejected delayed financed inspected closed reopened expanded abandoned repaired discovered measured "
    "criticised defended sued fined replaced evacuated searched surrounded supplied blocked flooded insured audited "
    "auctioned banned copied declined delivered doubled examined exported finished halted halved imported joined "
    "launched mapped monitored named opposed ordered planned praised prepared promised protected published questioned "
    "recalled recorded recovered reduced reported rescued restored revised sold staffed studied tested translated"
).split()
ADJECTIVES = (  # noqa: SIM905
    "regional northern coastal former independent public private ancient modern damaged costly cheap rural urban "
    "temporary permanent secret official foreign domestic local national wealthy poor early late quiet crowded empty "
    "frozen dry wet steep narrow wide heavy light recent disputed joint central eastern western southern medical legal "
    "military civilian scientific cultural financial industrial electric digital nuclear solar marine alpine"
).split()
FRAMES = (
    "{person} told reporters in {place} on {day} that {body} {verb} the {adjective} {noun} within {number} weeks.",
    "According to {body}, the {adjective} {noun} has {verb} {number} per cent of every {other} since spring.",
    "Residents of {place} said the {noun} near the {adjective} {other} was {verb} {number} days ago.",
    "{person}, who has led {body} since 2019, {verb} a {adjective} {noun} and spoke of the {other}.",
    "The {adjective} {noun} affects about {number} thousand people in {place}, where a {other} was {verb}.",
    "A spokesperson for {body} {verb} the {noun} after the {adjective} {other} of {day}.",
    "Analysts in {place} expect a {noun} to be {verb} before the {adjective} {other} of {body}.",
    "Officials counted {number} {adjective} buildings in {place}; the {noun} and its {other} were {verb}.",
    "Earlier {person} had {verb} the {other}, a {adjective} {noun} that {body} once owned.",
    "The report lists {number} ways in which a {adjective} {noun} can be {verb} without any {other}.",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def text_of(words: int, chance: random.Random) -> str:
    """Running text of at least `words` words in paragraphs of four sentences."""
    sentences: list[str] = []
    count = 0
    while count < words:
        sentence = chance.choice(FRAMES).format(
            person=chance.choice(PEOPLE),
            place=chance.choice(PLACES),
            body=chance.choice(BODIES),
            day=chance.choice(DAYS),
            number=chance.randint(2, 980),
            noun=chance.choice(NOUNS),
            other=chance.choice(NOUNS),
            verb=chance.choice(VERBS),
            adjective=chance.choice(ADJECTIVES),
        )
        sentences.append(sentence)
        count += len(sentence.split())
    return "\n\n".join(" ".join(sentences[at : at + 4]) for at in range(0, len(sentences), 4))


def articles(count: int, words: int = 300, seed: int = 1) -> list[dict[str, str]]:
    """`count` raw articles of about `words` words, as the lines that `newswire enrich` takes."""
    chance = random.Random(seed)
    return [
        {
            "feed_url": f"https://feed-{number % 20}.example/rss",
            "entry_id": f"bench-{seed}-{number}",
            "title": " ".join(map(chance.choice, (PLACES, ADJECTIVES, NOUNS, VERBS))),
            "content": text_of(words, chance),
            "content_type": "text/plain",
            "observed_at": (START + timedelta(seconds=number)).isoformat(),
        }
        for number in range(count)
    ]


def write_articles(file: Path, count: int, words: int = 300, seed: int = 1) -> None:
    """Write them as JSON lines."""
    file.write_text("".join(json.dumps(article) + "\n" for article in articles(count, words, seed)))
