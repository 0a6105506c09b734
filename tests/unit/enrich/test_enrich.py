"""Enrich: one line out for each line in, through the service's own steps."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from newswire.pipeline.analysis.results import EMPTY_EMBEDDING, Analysis
from newswire.pipeline.analysis.step import AnalyzeStep
from newswire.pipeline.enrich import Enricher, EnrichError, MemoryState, Steps, open_steps
from newswire.pipeline.settings import PrepareSettings, Settings
from newswire.pipeline.state import State
from newswire.pipeline.step import Result, Source
from newswire.schemas import EnrichedArticle, Outcome

RECEIVED_MS = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
TEXT = "The harbour of {0} was closed for {0} hours after a crane fell on pier {0}, the port authority of {0} said."


class Runner:
    """Finds nothing; fails on the word `fails`."""

    name = "fake"
    taxonomy = "none"

    async def run(self, title: str, text: str) -> Analysis:
        if "fails" in text:
            raise RuntimeError("no analysis")
        return Analysis((), (), EMPTY_EMBEDDING)


def raw(number: int | str, **fields: Any) -> bytes:
    """A raw article that is like no other number's."""
    article = {
        "feed_url": "https://example.org/feed",
        "entry_id": f"e{number}",
        "title": f"Crane falls in {number}",
        "content": TEXT.format(f"town{number}"),
        "content_type": "text/plain",
        "observed_at": "2026-02-01T00:00:00Z",
        **fields,
    }
    return json.dumps(article).encode()


def enricher(settings: Settings | None = None) -> Enricher:
    settings = settings or Settings()
    steps = open_steps(settings, AnalyzeStep(Runner()).process)
    return Enricher(settings, steps, received_ms=RECEIVED_MS)


async def enrich(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    one = enricher()
    return [json.loads(await one.enrich_line(line)) for line in lines]


async def test_each_line_gives_one_line_in_order() -> None:
    lines = [raw(1), b"", b"\xff\xfe not text", b"[1]", raw(2), raw(1), raw(1, content="Nothing fell, it turned out.")]
    out = await enrich(lines)
    kinds = [record.get("outcome", "enriched") for record in out]
    assert kinds == ["enriched", "dead", "dead", "dead", "enriched", "seen", "enriched"]
    assert [record["sequence"] for record in out if "sequence" in record] == [1, 2, 3]
    assert out[6]["revision"] == 2
    assert out[1]["stage"] == "prepare"
    assert "JSON" in out[1]["reason"]


async def test_a_copy_names_the_emitted_article() -> None:
    copy = raw(1, entry_id="other", feed_url="https://example.com/other")
    first, second = await enrich([raw(1), copy])
    assert second["outcome"] == "duplicate"
    assert second["duplicate"]["of"] == first["id"]


async def test_a_failed_analysis_is_emitted_degraded() -> None:
    (record,) = await enrich([raw(1, content="this one fails " + TEXT.format("x"))])
    assert "no analysis" in record["degraded"]


async def test_lines_are_the_records_bytes() -> None:
    one = enricher()
    enriched = await one.enrich_line(raw(1))
    assert EnrichedArticle.decode(enriched).encode() == enriched
    outcome = await one.enrich_line(b"{}")
    assert Outcome.decode(outcome).encode() == outcome


async def test_the_ledger_balances() -> None:
    one = enricher()
    copy = raw(3, entry_id="copy", content=TEXT.format("town2"), title="Crane falls in 2")
    for line in [raw(1), raw(2), raw(1), b"x", copy]:
        await one.enrich_line(line)
    ledger = one.ledger()
    assert ledger["collected"] == 5 == sum(number for name, number in ledger.items() if name != "collected")
    assert (ledger["emitted"], ledger["duplicate"], ledger["seen"], ledger["dead"]) == (2, 1, 1, 1)


async def test_two_runs_give_the_same_bytes() -> None:
    lines = [raw(number % 40, observed_at=f"2026-02-{1 + number // 10:02}T00:00:00Z") for number in range(80)]
    first, second = enricher(), enricher()
    assert [await first.enrich_line(line) for line in lines] == [await second.enrich_line(line) for line in lines]


async def test_without_any_time_the_clock_changes_nothing() -> None:
    none = {"observed_at": None, "published_at": None}
    lines = [raw(1, **none), raw(2), raw(3, **none), raw(1, **none)]

    async def run(received_ms: int) -> list[bytes]:
        settings = Settings()
        one = Enricher(settings, open_steps(settings, AnalyzeStep(Runner()).process), received_ms=received_ms)
        return [await one.enrich_line(line) for line in lines]

    assert await run(RECEIVED_MS) == await run(RECEIVED_MS + 5 * 365 * 86_400_000)


async def test_states_follow_the_window_not_the_file() -> None:
    settings = Settings(prepare=PrepareSettings(window_seconds=7 * 86_400))
    steps = open_steps(settings, AnalyzeStep(Runner()).process)
    one = Enricher(settings, steps, received_ms=RECEIVED_MS)
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    sizes = []
    for day in range(28):
        at = (begin + timedelta(days=day)).isoformat()
        for number in range(20):
            await one.enrich_line(raw(f"{day}x{number}", observed_at=at))
        states = (steps.prepare, steps.deduplicate, steps.analyze, steps.cluster)
        sizes.append(sum(1 for _, state in states for _ in state.scan(b"")))
    # without expiry the second half would add as much as the first
    assert sizes[-1] < 1.3 * sizes[13]


class Lossy:
    """A step that forgets the record."""

    def process(self, source: Source, state: State) -> Result:
        return Result(())


async def test_a_lost_record_is_a_failure_of_ours() -> None:
    steps = open_steps(Settings(), AnalyzeStep(Runner()).process)
    broken = Steps((Lossy(), MemoryState()), steps.deduplicate, steps.analyze, steps.cluster)
    with pytest.raises(EnrichError, match="0 outcomes"):
        await Enricher(Settings(), broken, received_ms=RECEIVED_MS).enrich_line(raw(1))


def test_sweep_goes_round_all_rows_while_they_change() -> None:
    state = MemoryState()
    for number in range(10):
        state.put(b"k%d" % number, b"v")
    swept: set[bytes] = set()
    for turn in range(12):
        swept.update(key for key, _ in state.sweep(3))
        state.put(b"new%d" % turn, b"v")
        state.delete(b"k3")
    assert {b"k%d" % number for number in range(10) if number != 3} <= swept
    assert sorted(key for key, _ in state.scan(b"k")) == [b"k%d" % number for number in range(10) if number != 3]
