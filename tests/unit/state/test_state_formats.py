"""State of every version that this code says it reads is gone on with, and its own version means what it meant."""

import json
from dataclasses import replace

import pytest

from newswire.pipeline.app.stages import ROLES
from newswire.pipeline.duplicates import DeduplicateStep
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.feeds.feedstate import load
from newswire.pipeline.feeds.step import CollectStep
from newswire.pipeline.state import STATE_FORMATS
from newswire.pipeline.stories.step import ClusterStep
from newswire.pipeline.text.prepare import PrepareStep
from newswire.schemas import AnalyzedArticle, EnrichedArticle, FeedSettings, Outcome, PreparedArticle, RawArticle
from tests.unit.state.rows import (
    SETTINGS,
    STAGES,
    document,
    entry,
    file_of,
    poll,
    released,
    sources,
    written,
)

RAISE = (
    "the rows of this stage are others than its version was released with: raise its version in STATE_FORMATS, then"
    " write the rows of the new one by `python -m tests.unit.state.rows`"
)


def versions(stage: str) -> list[int]:
    version, oldest = STATE_FORMATS[stage]
    return list(range(oldest, version + 1))


def kept(stage: str, version: int) -> MemoryState:
    state = MemoryState()
    for key, value in released(stage, version).items():
        state.put(key, value)
    return state


def test_every_role_has_a_format() -> None:
    assert tuple(STATE_FORMATS) == ROLES == tuple(STAGES)


@pytest.mark.parametrize("stage", ROLES)
def test_the_rows_of_a_version_are_fixed(stage: str) -> None:
    assert written(stage) == released(stage, STATE_FORMATS[stage].version), RAISE


@pytest.mark.parametrize("stage", ROLES)
def test_rows_of_every_version_are_there(stage: str) -> None:
    assert all(file_of(stage, version).exists() for version in range(1, STATE_FORMATS[stage].version + 1))


@pytest.mark.parametrize("version", versions("collect"))
def test_collect_knows_the_entries_of_before(version: int) -> None:
    state = kept("collect", version)
    url = FeedSettings.decode(sources(FeedSettings)[0].value).url
    before = load(state, url)
    assert before is not None
    assert (before.failures, before.title) == (1, "The Harbour Courier")
    found = document(entry("2", "<p>Second</p>"), entry("1", "<p>First, corrected</p>"))
    result = CollectStep(SETTINGS).finished(poll(url, state, found), state)
    assert [RawArticle.decode(sent.value).entry_id for sent in result.emissions] == ["1"]


@pytest.mark.parametrize("version", versions("prepare"))
def test_prepare_knows_the_articles_of_before(version: int) -> None:
    state = kept("prepare", version)
    _, second, *_ = sources(RawArticle)
    (sent,) = PrepareStep(SETTINGS).process(second, state).emissions
    seen = Outcome.decode(sent.value)
    assert (seen.outcome, seen.revision, seen.position) == ("seen", 2, len(sources(RawArticle)))
    changed = RawArticle.decode(second.value).model_copy(update={"content": "<p>All is other now.</p>"})
    (sent,) = PrepareStep(SETTINGS).process(replace(second, value=changed.encode()), state).emissions
    assert PreparedArticle.decode(sent.value).revision == 3


@pytest.mark.parametrize("version", versions("deduplicate"))
def test_deduplicate_knows_the_texts_of_before(version: int) -> None:
    state = kept("deduplicate", version)
    article = PreparedArticle.decode(sources(PreparedArticle)[1].value)
    for text, kind in ((article.text, "exact"), (article.text.rsplit(" ", 4)[0] + ".", "near")):
        copy = article.model_copy(update={"id": "0" * 32, "url": None, "text": text})
        step = DeduplicateStep(SETTINGS, state)
        (sent,) = step.process(replace(sources(PreparedArticle)[0], value=copy.encode()), state).emissions
        ended = Outcome.decode(sent.value)
        assert ended.duplicate is not None
        assert (ended.duplicate.kind, ended.duplicate.of) == (kind, article.id)


@pytest.mark.parametrize("version", versions("cluster"))
def test_cluster_knows_the_stories_of_before_and_what_waits(version: int) -> None:
    state = kept("cluster", version)
    first, second, third = sources(AnalyzedArticle)
    results = ClusterStep(SETTINGS, state).process(second, state)
    enriched = [EnrichedArticle.decode(e.value) for r in results for e in r.emissions if e.topic == "enriched"]
    assert [one.sequence for one in enriched] == [2, 3]
    row = state.get(b"article/" + AnalyzedArticle.decode(first.value).id.encode())
    assert row is not None
    assert row.endswith(enriched[0].story.id.encode())
    assert not enriched[0].story.new
    assert AnalyzedArticle.decode(third.value).title == enriched[1].title


def test_the_counters_of_before_go_on() -> None:
    (row,) = [value for key, value in released("analyze", 1).items() if key == b"#count/"]
    assert json.loads(row) == {"in": 1, "out": 1}
