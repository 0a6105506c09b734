"""Analyzed articles for the tests of stories, and a way to play them through the step."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import numpy as np

from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.settings import ClusterSettings, Settings
from newswire.pipeline.state import State
from newswire.pipeline.step import Emission, Result, Source, count_result
from newswire.pipeline.stories.step import ClusterStep
from newswire.schemas import AnalyzedArticle, EnrichedArticle, Entity, Feed, Language, Outcome, Story

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = Settings()

QUAKE = "Earthquake destroys villages near Vorkuta as rescuers search rubble overnight"
BUDGET = "Parliament adopts austerity budget after marathon session over pension reform"
FINAL = "Wanderers lift championship trophy following dramatic penalty shootout victory"


def article(sequence: int, title: str = QUAKE, *, hours: float = 0, **changes: Any) -> AnalyzedArticle:
    """An analyzed article, seen `hours` after START; without text, entities and embedding unless they are given."""
    values: dict[str, Any] = {
        "position": sequence - 1,
        "id": sha256(f"article {sequence}".encode()).hexdigest()[:32],
        "revision": 1,
        "feed": Feed(url=f"https://feed{sequence % 3}.example/rss", title="A feed"),
        "title": title,
        "text": "",
        "language": Language(code="en", confidence=0.9),
        "observed_at": START + timedelta(hours=hours),
        "content_hash": "0" * 32,
        "sequence": sequence,
        "model": "test",
        "taxonomy": "test",
    }
    return AnalyzedArticle(**values | changes)


def entities(*names: str) -> tuple[Entity, ...]:
    """Named things, each an organisation in the text."""
    return tuple(Entity(text=name, type="ORG", field="text", start=0, end=1, score=0.9) for name in names)


def embedding(seed: int, noise: float = 0.0, noise_seed: int = 0, size: int = 384) -> str:
    """A unit vector drawn from `seed`, with noise of this length added, as the encoder writes it."""
    vector = _unit(seed, size) + noise * _unit(1_000_000 + noise_seed, size)
    return b64encode(np.rint(vector / np.linalg.norm(vector) * 127).astype(np.int8).tobytes()).decode()


def settings(**cluster: Any) -> Settings:
    """Settings with these of the stage changed."""
    return SETTINGS.model_copy(update={"cluster": ClusterSettings(**cluster)})


def source(record: AnalyzedArticle | bytes, offset: int = 0, attempts: int = 0) -> Source:
    """A record as the step gets it from its topic."""
    value = record if isinstance(record, bytes) else record.encode()
    return Source("t.analyzed", 0, offset, b"key", value, 0, attempts)


class Wire:
    """A step on a state, and what it emitted so far."""

    def __init__(self, settings: Settings = SETTINGS, state: State | None = None) -> None:
        self.settings = settings
        self.state: State = state if state is not None else MemoryState()
        self.step = ClusterStep(settings, self.state)
        self.results: list[Result] = []
        self.offset = 0

    def restart(self) -> None:
        """Build the step anew from its state."""
        self.step = ClusterStep(self.settings, self.state)

    def take(self, record: AnalyzedArticle | bytes, attempts: int = 0) -> tuple[Result, ...]:
        """One record through the step; counted as the agent does."""
        results = self.step.process(source(record, self.offset, attempts), self.state)
        self.offset += 1
        for result in results:
            count_result(self.state, result)
        self.results += results
        return results

    def play(self, records: Iterable[AnalyzedArticle]) -> "Wire":
        """All of them; returns itself."""
        for record in records:
            self.take(record)
        return self

    def emissions(self, *topics: str) -> list[Emission]:
        """What was emitted to these topics (none: to all), in order."""
        return [e for result in self.results for e in result.emissions if not topics or e.topic in topics]

    @property
    def enriched(self) -> list[EnrichedArticle]:
        return [EnrichedArticle.decode(e.value) for e in self.emissions("enriched")]

    @property
    def outcomes(self) -> list[Outcome]:
        return [Outcome.decode(e.value) for e in self.emissions("outcomes")]

    @property
    def stories(self) -> list[str]:
        """Each enriched article's story, in order."""
        return [enriched.story.id for enriched in self.enriched]

    def story(self, id: str) -> Story:
        """A story as it was published last."""
        return Story.decode([e.value for e in self.emissions("stories") if e.key == id.encode()][-1])


def stories_of(records: Sequence[AnalyzedArticle], settings: Settings = SETTINGS) -> list[str]:
    """The stories that these articles come into."""
    return Wire(settings).play(records).stories


def _unit(seed: int, size: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    vector = np.random.default_rng(seed).normal(size=size)
    unit: np.ndarray[Any, np.dtype[np.float64]] = vector / np.linalg.norm(vector)
    return unit
