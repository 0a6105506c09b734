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
FRAMES = (
    "{person} told reporters in {place} on {day} that {body} would publish its findings within {number} weeks.",
    "According to {body}, the cost of the programme has risen by {number} per cent since the spring.",
    "Residents of {place} said they had been waiting for {number} days without clear answers from {body}.",
    "{person}, who has led {body} since 2019, rejected the criticism and spoke of a difficult season.",
    "The decision affects about {number} thousand people in {place} and the surrounding districts.",
    "A spokesperson for {body} declined to comment on the reports that {person} would step down.",
    "Analysts in {place} expect the talks between {body} and {person} to go on until {day}.",
    "Officials counted {number} damaged buildings in {place}, among them two schools and a clinic.",
    "Earlier this week {person} had called on {body} to explain why the warning came so late.",
    "The report, seen by journalists in {place}, lists {number} measures and names no one who is responsible.",
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
            "title": f"{chance.choice(PEOPLE)} and {chance.choice(BODIES)} in {chance.choice(PLACES)}, part {number}",
            "content": text_of(words, chance),
            "content_type": "text/plain",
            "observed_at": (START + timedelta(seconds=number)).isoformat(),
        }
        for number in range(count)
    ]


def write_articles(file: Path, count: int, words: int = 300, seed: int = 1) -> None:
    """Write them as JSON lines."""
    file.write_text("".join(json.dumps(article) + "\n" for article in articles(count, words, seed)))
