"""A fault of the machine is not the record's: no step makes a dead letter of it, or a degraded article."""

import json
from collections.abc import Callable

import pytest

from newswire.pipeline.analysis import Analysis
from newswire.pipeline.analysis.step import AnalyzeStep
from newswire.pipeline.duplicates import DeduplicateStep
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.settings import Settings
from newswire.pipeline.state import StateUnavailable
from newswire.pipeline.step import Source
from newswire.pipeline.stories.step import ClusterStep
from newswire.pipeline.text import PrepareStep
from newswire.schemas import UniqueArticle
from tests.unit.duplicates import articles as prepared
from tests.unit.stories import articles as analyzed

SETTINGS = Settings()
READS_MOST = 100


class Unreadable(MemoryState):
    """A state of which one read fails, that after `sound` others; the next one is sound again."""

    sound = READS_MOST

    def get(self, key: bytes) -> bytes | None:
        self.sound -= 1
        if self.sound == -1:
            raise StateUnavailable("too many open files")
        return super().get(key)


def source(value: bytes, offset: int) -> Source:
    return Source("topic", 0, offset, b"key", value, prepared.NOON)


def raw(number: int) -> bytes:
    fields = {"feed_url": "https://site.example/rss", "entry_id": "1", "title": "T", "content": f"Text {number}"}
    return json.dumps(fields | {"observed_at": "2026-01-10T12:00:00Z"}).encode()


def prepare(state: MemoryState, number: int) -> object:
    return PrepareStep(SETTINGS).process(source(raw(number), number), state)


def deduplicate(state: MemoryState, number: int) -> object:
    record = prepared.article(number, prepared.text_of(3))
    return DeduplicateStep(SETTINGS, state).process(source(record.encode(), number), state)


def cluster(state: MemoryState, number: int) -> object:
    record = analyzed.article(number + 1, hours=number)
    return ClusterStep(SETTINGS, state).process(source(record.encode(), number), state)


@pytest.mark.parametrize("step", [prepare, deduplicate, cluster])
def test_a_state_that_cannot_be_read_ends_the_work_and_not_the_record(
    step: Callable[[MemoryState, int], object],
) -> None:
    failed = 0
    for sound in range(READS_MOST):
        state = Unreadable()
        step(state, 0)
        state.sound = sound
        try:
            step(state, 1)
        except StateUnavailable:
            failed += 1
        else:
            assert state.sound >= 0, f"read {sound} failed and was hidden"
            break
    assert 0 < failed == sound < READS_MOST - 1


class Exhausted:
    """A runner that gets no memory."""

    name = taxonomy = "test"

    async def run(self, title: str, text: str) -> Analysis:
        raise MemoryError


async def test_an_analysis_that_gets_no_memory_degrades_no_article() -> None:
    found = analyzed.article(1)
    kept = {name: getattr(found, name) for name in UniqueArticle.model_fields if name != "schema_"}
    with pytest.raises(MemoryError):
        await AnalyzeStep(Exhausted()).process(source(UniqueArticle(**kept).encode(), 0))
