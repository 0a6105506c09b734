"""Articles and a wire for the tests of duplicates."""

import random
from datetime import UTC, datetime
from typing import Any

from newswire.pipeline.duplicates import DeduplicateStep
from newswire.pipeline.settings import Settings
from newswire.pipeline.step import Result, Source
from newswire.schemas import DeadLetter, Duplicate, Feed, Language, Outcome, PreparedArticle, UniqueArticle
from tests.unit.text.memory import MemoryState

NOON = int(datetime(2026, 1, 10, 12, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000

_SYLLABLES = [
    "ba",
    "de",
    "fi",
    "go",
    "lu",
    "ma",
    "ne",
    "pi",
    "ro",
    "su",
    "ta",
    "ve",
    "wi",
    "zo",
    "ka",
    "le",
    "mi",
    "no",
    "pa",
    "ri",
]


def text_of(seed: int, words: int = 120) -> str:
    """A text like no other: small words, a name now and then, sentences of twelve words."""
    chance = random.Random(seed)
    made = []
    for place in range(words):
        word = "".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4)))
        made.append(word.capitalize() if chance.random() < 0.1 else word)
        if place % 12 == 11:
            made[-1] += "."
    return " ".join(made)


def article(number: int, text: str, **fields: Any) -> PreparedArticle:
    """A prepared article with id and position `number`."""
    moment = fields.pop("observed_ms", NOON)
    values = {
        "position": number,
        "id": f"{number:032x}",
        "revision": 1,
        "feed": Feed(url=f"https://feed{number % 3}.example/rss"),
        "url": f"https://site.example/{number}",
        "title": f"Title {number}",
        "text": text,
        "language": Language(code="en", confidence=0.9),
        "observed_at": datetime.fromtimestamp(moment / 1000, UTC),
        "content_hash": "0" * 32,
    }
    return PreparedArticle.model_validate(values | fields)


class Wire:
    """A step with its state, fed one article after another."""

    def __init__(self, **sections: Any) -> None:
        self.settings = Settings(**sections)
        self.state = MemoryState()
        self.offset = 0
        self.rebuild()

    def rebuild(self) -> None:
        """As after a restart: the step knows only the state."""
        self.step = DeduplicateStep(self.settings, self.state)

    def send(self, record: PreparedArticle | bytes | None, attempts: int = 0, commit: bool = True) -> Result:
        """Process one record."""
        value = record.encode() if isinstance(record, PreparedArticle) else record
        source = Source("prepared", 0, self.offset, None, value, NOON, attempts)
        self.offset += 1
        result = self.step.process(source, self.state)
        if commit:
            self.state.commit()
        return result

    def verdict(self, record: PreparedArticle) -> Duplicate:
        """Process one article and return what it repeats or updates."""
        result = self.send(record)
        (sent,) = result.emissions
        assert result.feed == record.feed.url
        if sent.topic == "unique":
            assert result.counts == {"in": 1, "out": 1}
            return UniqueArticle.decode(sent.value).duplicate
        assert result.counts == {"in": 1, "duplicate": 1}
        ended = Outcome.decode(sent.value)
        assert (ended.outcome, ended.stage) == ("duplicate", "deduplicate")
        assert (ended.id, ended.position, ended.feed_url) == (record.id, record.position, record.feed.url)
        assert ended.duplicate is not None
        return ended.duplicate


def unique(result: Result) -> UniqueArticle:
    """The article that a result passes on."""
    (sent,) = result.emissions
    assert sent.topic == "unique"
    return UniqueArticle.decode(sent.value)


def letter(result: Result) -> DeadLetter:
    """The dead letter of a result."""
    (sent,) = (e for e in result.emissions if e.topic == "dead")
    return DeadLetter.decode(sent.value)
