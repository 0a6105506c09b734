"""State expires by event time: over many windows neither rows nor local files nor the indexes in memory grow."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newswire.pipeline.duplicates import DeduplicateStep
from newswire.pipeline.duplicates.rows import TEXT
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage.overlay import Overlay
from newswire.pipeline.stage.rocks import RocksStore
from newswire.pipeline.step import Result, Source, count_result
from newswire.pipeline.stories.step import STORY, ClusterStep
from newswire.pipeline.text.prepare import PrepareStep
from newswire.schemas import AnalyzedArticle, RawArticle, UniqueArticle
from tests.unit.duplicates.articles import text_of
from tests.unit.stories.articles import embedding, entities

WINDOW = 100
"""Seconds, with an article a second."""

BATCH = 25
SETTINGS = Settings.model_validate(
    {name: {"window_seconds": WINDOW} for name in ("prepare", "deduplicate", "cluster")},
)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
RECEIVED_MS = int(BEGIN.timestamp() * 1000) + 10**9


def raw(number: int, chance: random.Random) -> RawArticle:
    """Mostly new articles; revisions, repeats and the same headline again and again among them."""
    own = number - chance.choice([0] * 8 + [1, 30])
    text = "Live: all results" if number % 7 == 0 else text_of(own if chance.random() < 0.9 else number, 40)
    return RawArticle(
        feed_url="https://feed.example/rss",
        entry_id=str(own),
        title=f"Title {number}",
        content=text,
        content_type="text/plain",
        observed_at=BEGIN + timedelta(seconds=number),
    )


def analyzed(value: bytes, number: int) -> bytes:
    """What an analysis would give."""
    unique = UniqueArticle.decode(value)
    kept = {name: getattr(unique, name) for name in UniqueArticle.model_fields if name != "schema_"}
    return AnalyzedArticle(
        **kept,
        entities=entities(f"Name {number % 60}"),
        embedding=embedding(number, size=64),
        model="test",
        taxonomy="test",
    ).encode()


class Wire:
    """The three steps with state, each over a store on disk, committed a batch at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores = {stage: RocksStore(folder / stage) for stage in ("prepare", "deduplicate", "cluster")}
        self.open()

    def open(self) -> None:
        """The steps as they start on what the stores hold."""
        self.states = {stage: Overlay(store, 1_000_000) for stage, store in self.stores.items()}
        self.prepare = PrepareStep(SETTINGS)
        self.deduplicate = DeduplicateStep(SETTINGS, self.states["deduplicate"])
        self.cluster = ClusterStep(SETTINGS, self.states["cluster"])

    def take(self, number: int, article: RawArticle) -> None:
        """An article through all of them."""
        source = Source("raw", 0, number, None, article.encode(), RECEIVED_MS)
        for prepared in self._passed_on("prepare", self.prepare.process(source, self.states["prepare"])):
            result = self.deduplicate.process(prepared, self.states["deduplicate"])
            for unique in self._passed_on("deduplicate", result):
                assert unique.value is not None
                last = Source("analyzed", 0, number, None, analyzed(unique.value, number), RECEIVED_MS)
                for emitted in self.cluster.process(last, self.states["cluster"]):
                    count_result(self.states["cluster"], emitted)

    def commit(self) -> None:
        """What was written becomes rows of the stores."""
        for stage, store in self.stores.items():
            store.apply(dict(self.states[stage].writes), store.position + 1, 1.0)
            self.states[stage] = Overlay(store, 1_000_000)

    def sizes(self) -> Counter[str]:
        """Rows by stage and kind, what the indexes hold, and the bytes of either."""
        kinds = Counter(
            f"{stage}/{key[:6].decode(errors='replace') if stage == 'cluster' else key[:1].decode()}"
            for stage, store in self.stores.items()
            for key, _ in store.scan(b"")
        )
        memory = {
            "texts": len(self.deduplicate._index),
            "bytes of texts": self.deduplicate._index.nbytes,
            "stories": self.cluster.open_stories,
            "keys of stories": len(self.cluster._index._terms),
        }
        return kinds + Counter(memory) + self._bytes_of_rows()

    def _bytes_of_rows(self) -> Counter[str]:
        """By stage: the files with its rows, written out and merged, and what is in the log only."""
        sizes = Counter[str]()
        for stage, store in self.stores.items():
            store._db.flush(True)
            store._db.compact_range(None, None)
            for pattern in ("*.sst", "*.log"):
                sizes[f"{stage}/bytes"] += sum(file.stat().st_size for file in (self.folder / stage).glob(pattern))
        return sizes

    def _passed_on(self, stage: str, result: Result) -> Iterator[Source]:
        count_result(self.states[stage], result)
        for sent in result.emissions:
            if sent.topic in ("prepared", "unique"):
                yield Source(sent.topic, 0, 0, sent.key, sent.value, RECEIVED_MS)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    made = Wire(tmp_path)
    yield made
    for store in made.stores.values():
        store.close()


def test_rows_files_and_indexes_stop_growing_once_the_window_is_full(wire: Wire) -> None:
    chance = random.Random(3)
    measured = []
    for number in range(12 * WINDOW):
        wire.take(number, raw(number, chance))
        if number % BATCH == BATCH - 1:
            wire.commit()
        if number % WINDOW == WINDOW - 1:
            measured.append(wire.sizes())
    full, last = Counter[str](), measured[-1]
    for sizes in measured[3:8]:
        full |= sizes
    print(dict(last))
    assert set(last) == set(full), "a kind of row that there was not before"
    for kind, count in last.items():
        assert count <= 1.15 * full[kind] + 5, f"{kind} grows: {[sizes[kind] for sizes in measured]}"
    assert last["prepare/a"] <= 1.5 * WINDOW
    assert last["deduplicate/t"] <= 1.5 * WINDOW
    assert last["texts"] <= last["deduplicate/t"], "the index holds a text without a row"
    assert all(last[f"{stage}/bytes"] > 0 for stage in wire.stores), "no file was written"
    assert last["stories"] == sum(1 for _ in wire.stores["cluster"].scan(STORY))
    # What a restart makes of the rows is what was there: nothing is kept in memory alone.
    before = wire.sizes()
    wire.open()
    assert wire.sizes()["stories"] == before["stories"]
    assert sum(1 for _ in wire.stores["deduplicate"].scan(TEXT)) == last["deduplicate/t"]
