"""A dead letter sent round again goes through the real steps, keeps its id, and the ledger counts one article."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from newswire.pipeline.analysis.step import AnalyzeStep
from newswire.pipeline.duplicates.step import DeduplicateStep
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.ledger.balance import OUTCOMES, STAGES, Books, Ledger, StageBook, balance
from newswire.pipeline.ledger.counters import read_counters
from newswire.pipeline.quarantine.letters import value_of
from newswire.pipeline.quarantine.retry import RetryError, discard_of, key_of, retry_of
from newswire.pipeline.settings import Settings
from newswire.pipeline.step import Result, Source, count_result
from newswire.pipeline.stories.step import ClusterStep
from newswire.pipeline.text.prepare import PrepareStep
from newswire.schemas import DeadLetter, EnrichedArticle, Outcome, RawArticle, RawDiscard, RawRetry

RAW = RawArticle(
    feed_url="https://feed.example/rss",
    entry_id="entry-1",
    url="https://feed.example/1",
    title="Earthquake destroys villages near Vorkuta",
    content="<p>Rescuers searched the rubble of several villages overnight.</p>",
    observed_at=datetime(2026, 3, 1, tzinfo=UTC),
)


EARLIER = datetime(2026, 2, 27, tzinfo=UTC)


class Broken:
    """An encoder that fails."""

    name = taxonomy = "test"

    async def run(self, title: str, text: str) -> Any:
        raise RuntimeError("the encoder failed")


class Service:
    """The real steps over states in memory; `fail` names the stage that three processes die in."""

    def __init__(self) -> None:
        settings = Settings()
        self.states = {stage: MemoryState() for stage in STAGES}
        self.records = dict.fromkeys(STAGES, 0)
        self.prepare = PrepareStep(settings)
        self.deduplicate = DeduplicateStep(settings, self.states["deduplicate"])
        self.analyze = AnalyzeStep(Broken())
        self.cluster = ClusterStep(settings, self.states["cluster"])
        self.letters: list[DeadLetter] = []
        self.enriched: list[EnrichedArticle] = []
        self.outcomes: list[Outcome] = []

    async def take(self, value: bytes, *, fail: str | None = None, topic: str = "raw") -> None:
        stage = dict(zip(("raw", "prepared", "unique", "analyzed"), STAGES, strict=True))[topic]
        offset = self.records[stage]
        self.records[stage] += 1
        source = Source(topic, 0, offset, None, value, 2_000_000_000_000, attempts=3 if fail == stage else 0)
        results: tuple[Result, ...]
        if stage == "analyze":
            results = (await self.analyze.process(source),)
        elif stage == "cluster":
            results = self.cluster.process(source, self.states[stage])
        else:
            process: Callable[..., Result] = getattr(self, stage).process
            results = (process(source, self.states[stage]),)
        for result in results:
            count_result(self.states[stage], result)
            for sent in result.emissions:
                if sent.topic == "dead":
                    self.letters.append(DeadLetter.decode(sent.value))
                elif sent.topic == "enriched":
                    self.enriched.append(EnrichedArticle.decode(sent.value))
                elif sent.topic == "outcomes":
                    self.outcomes.append(Outcome.decode(sent.value))
                elif sent.topic != "stories":
                    await self.take(sent.value, fail=fail, topic=sent.topic)

    def ledger(self) -> Ledger:
        stages = {}
        for stage, state in self.states.items():
            found = read_counters(state.scan(b"#"))
            stages[stage] = StageBook(found.feeds, self.records[stage], hours=found.hours, newest=found.newest)
        ledger = balance(Books(stages, {}))
        assert ledger.hours_complete
        assert sum(entry.collected for entry in ledger.hours) == ledger.total.collected
        assert all(number >= 0 for entry in ledger.hours for number in (entry.collected, *entry.outcomes.values()))
        return ledger


@pytest.mark.parametrize(
    ("stage", "before", "after"),
    [
        ("prepare", "dead", "emitted"),
        ("deduplicate", "dead", "emitted or updated"),
        ("analyze", "emitted", "updated"),
        ("cluster", "emitted", "updated"),
    ],
)
async def test_a_retried_article_has_one_outcome_in_the_end(stage: str, before: str, after: str) -> None:
    service = Service()
    await service.take(RAW.encode(), fail=stage)
    ledger = service.ledger()
    assert (ledger.faults, dict(ledger.total.outcomes)) == ((), dict.fromkeys(OUTCOMES, 0) | {before: 1})
    letter = next(letter for letter in service.letters if letter.stage == stage)
    retry = retry_of(letter, value_of(letter))
    assert (retry.position, retry.supersedes, retry.letter) == (0, before, letter.letter)
    await service.take(retry.encode())
    ledger = service.ledger()
    assert ledger.faults == ()
    assert (ledger.total.collected, sum(ledger.total.outcomes.values())) == (1, 1)
    assert next(name for name, number in ledger.total.outcomes.items() if number) in after.split(" or ")
    assert (service.outcomes[-1].supersedes, service.outcomes[-1].position) == (0, 1)
    assert {enriched.id for enriched in service.enriched} == {key_of(retry)}
    assert service.enriched[-1].title == RAW.title
    assert sorted({enriched.revision for enriched in service.enriched}) == sorted(e.revision for e in service.enriched)


@pytest.mark.parametrize("stage", ["prepare", "deduplicate"])
async def test_a_dead_article_that_is_discarded_is_rejected_and_balances(stage: str) -> None:
    service = Service()
    await service.take(RAW.model_copy(update={"entry_id": "earlier", "observed_at": EARLIER}).encode())
    await service.take(RAW.encode(), fail=stage)
    assert service.ledger().total.outcomes["dead"] == 1
    letter = next(letter for letter in service.letters if letter.stage == stage)
    discard = discard_of(letter, "of no use")
    assert discard is not None
    await service.take(discard.encode())
    ledger = service.ledger()
    assert ledger.faults == ()
    assert (ledger.total.collected, ledger.total.outcomes["rejected"], ledger.total.outcomes["dead"]) == (2, 1, 0)
    (entry,) = [entry for entry in ledger.hours if entry.outcomes["rejected"]]
    assert entry.hour == letter.observed_at
    outcome = service.outcomes[-1]
    assert (outcome.outcome, outcome.reason) == ("rejected", "discarded by hand: of no use")
    assert (outcome.supersedes, outcome.position, outcome.id) == (1, 2, letter.id)
    assert key_of(discard) == (letter.id or letter.letter)
    assert RawDiscard.decode(discard.encode()) == discard


async def test_a_discard_that_fails_is_dead_and_can_be_discarded_again() -> None:
    service = Service()
    await service.take(b"{poison")
    for number in (0, 1):
        discard = discard_of(service.letters[number], None)
        assert discard is not None
        await service.take(discard.encode(), fail="prepare" if number == 0 else None)
    ledger = service.ledger()
    assert (ledger.faults, ledger.total.collected, ledger.total.outcomes["rejected"]) == ((), 1, 1)
    assert [outcome.supersedes for outcome in service.outcomes] == [None, 0, 1]
    with pytest.raises(RetryError, match="discard it again"):
        retry_of(service.letters[1], value_of(service.letters[1]))


async def test_a_retried_article_counts_in_the_hour_of_its_own_time() -> None:
    service = Service()
    await service.take(RAW.model_copy(update={"entry_id": "earlier", "observed_at": EARLIER}).encode())
    await service.take(RAW.encode(), fail="prepare")
    assert [entry.outcomes["dead"] for entry in service.ledger().hours] == [1], "it has no time: where the wire stands"
    await service.take(retry_of(service.letters[-1], value_of(service.letters[-1])).encode())
    ledger = service.ledger()
    assert ledger.faults == ()
    assert [(entry.hour, entry.collected) for entry in ledger.hours] == [(EARLIER, 1), (RAW.observed_at, 1)]


@pytest.mark.parametrize("stage", ["analyze", "cluster"])
def test_a_degraded_article_stays_emitted_when_its_letter_is_discarded(stage: str) -> None:
    assert discard_of(dead(stage).model_copy(update={"supersedes": "emitted"}), None) is None
    assert discard_of(dead(stage, position=None), None) is None


async def test_a_degraded_article_that_moved_on_is_not_emitted_again() -> None:
    service = Service()
    await service.take(RAW.encode())
    await service.take(RAW.model_copy(update={"content": "<p>Another text, with more known by now.</p>"}).encode())
    first = service.letters[0]
    await service.take(retry_of(first, value_of(first)).encode())
    assert service.outcomes[-1].outcome == "seen"
    ledger = service.ledger()
    assert ledger.faults == ()
    assert ledger.total.outcomes["seen"] == ledger.total.outcomes["updated"] == 1
    assert ledger.total.outcomes["emitted"] == 0, "it is superseded"


async def test_a_retry_that_fails_again_can_be_retried() -> None:
    service = Service()
    await service.take(RAW.encode(), fail="prepare")
    first = retry_of(service.letters[0], value_of(service.letters[0]))
    await service.take(first.encode(), fail="prepare")
    second = retry_of(service.letters[1], value_of(service.letters[1]))
    assert (second.position, second.article, second.letter) == (1, RAW, "prepare-0-1")
    await service.take(second.encode())
    ledger = service.ledger()
    assert (ledger.faults, ledger.total.collected, ledger.total.outcomes["emitted"]) == ((), 1, 1)
    assert [outcome.supersedes for outcome in service.outcomes] == [None, 0, 1]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("value", [None, b"{not json", b"\xff", b"{}", b'{"schema":"newswire.raw.v9"}'], ids=range(5))
def test_what_cannot_be_read_stays_dead(stage: str, value: bytes | None) -> None:
    with pytest.raises(RetryError, match="cannot be read"):
        retry_of(dead(stage), value)


def test_strays_and_unknown_stages_have_no_retry() -> None:
    with pytest.raises(RetryError, match="stray"):
        retry_of(dead("cluster", position=None), RAW.encode())
    with pytest.raises(RetryError, match="'collect'"):
        retry_of(dead("collect"), RAW.encode())


def test_the_key_is_the_articles_id() -> None:
    retry = retry_of(dead("prepare"), RAW.encode())
    again = RawRetry.decode(retry.encode())
    assert again == retry
    assert len(key_of(again)) == 32


def dead(stage: str, position: int | None = 3) -> DeadLetter:
    return DeadLetter(
        letter=f"{stage}-0-0",
        stage=stage,
        topic="t",
        partition=0,
        offset=0,
        error="e",
        software="s",
        position=position,
    )
