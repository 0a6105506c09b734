"""The ledger by hours: it balances as the one by feeds does, whatever the stages have folded."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.ledger.balance import OUTCOMES, Books, StageBook, balance
from newswire.pipeline.ledger.counters import FEED_HOURS_KEPT, HOUR_MS, HOURS_KEPT, count, count_hour, read_counters
from newswire.pipeline.ledger.hours import name_of
from newswire.pipeline.step import Result, count_result
from newswire.pipeline.text.dates import EPOCH, to_ms

STAGES = ("prepare", "deduplicate", "cluster")


class Wire:
    """Three stages that count what a test says."""

    def __init__(self) -> None:
        self.states = {stage: MemoryState() for stage in STAGES}

    def count(self, stage: str, hour: int, feed: str = "f", /, **counts: int) -> None:
        count_result(self.states[stage], Result((), feed, counts, ((hour, counts),)))

    def books(self, backlog: dict[tuple[str, int], int] | None = None) -> Books:
        stages = {}
        for stage, state in self.states.items():
            counters = read_counters(state.scan(b""))
            taken = sum(row.get("in", 0) for row in counters.feeds.values())
            stages[stage] = StageBook(
                counters.feeds,
                taken,
                hours=counters.hours,
                newest=counters.newest,
                feed_hours=counters.feed_hours,
            )
        through = {feed: row.get("in", 0) for feed, row in stages["cluster"].counts.items()}
        analyzed = {feed: {"in": number, "out": number} for feed, number in through.items()}
        stages["analyze"] = StageBook(analyzed, sum(through.values()))
        return Books(stages, backlog or {})


def test_each_hour_balances_with_what_is_under_way() -> None:
    draw = random.Random(4)
    wire = Wire()
    expected: Counter[int] = Counter()
    for _ in range(3_000):
        hour = draw.randrange(20)
        expected[hour] += 1
        if draw.random() < 0.2:
            wire.count("prepare", hour, **{"in": 1, draw.choice(["seen", "rejected", "dead"]): 1})
            continue
        wire.count("prepare", hour, **{"in": 1, "out": 1})
        if draw.random() < 0.3:
            continue
        wire.count("deduplicate", hour, **{"in": 1, draw.choice(["out", "duplicate"]): 1})
    ledger = balance(wire.books({("f", 3): 7, ("f", 50): 1}))
    assert ledger.faults == ()
    assert ledger.hours_complete
    assert sum(entry.collected for entry in ledger.hours) == ledger.total.collected == 3_008
    by_hour = {entry.hour: entry for entry in ledger.hours}
    assert by_hour[datetime(1970, 1, 1, 3, tzinfo=UTC)].collected == expected[3] + 7
    assert by_hour[datetime(1970, 1, 1, 3, tzinfo=UTC)].in_flight["raw"] == 7
    assert [name_of(entry.hour) for entry in ledger.hours] == sorted(map(name_of, by_hour))
    for name in OUTCOMES:
        assert sum(entry.outcomes[name] for entry in ledger.hours) == ledger.total.outcomes[name]


def test_what_one_stage_has_folded_and_another_not_is_earlier() -> None:
    wire = Wire()
    wire.count("prepare", 5, **{"in": 1, "out": 1})
    wire.count("deduplicate", 5, **{"in": 1, "duplicate": 1})
    wire.count("prepare", HOURS_KEPT + 5, **{"in": 1, "seen": 1})
    ledger = balance(wire.books())
    assert ledger.faults == ()
    assert [(name_of(entry.hour), entry.collected) for entry in ledger.hours] == [
        ("earlier", 1),
        ("1970-04-01T05:00Z", 1),
    ]


def test_an_hour_that_does_not_balance_is_named() -> None:
    wire = Wire()
    wire.count("prepare", 5, **{"in": 2, "out": 2})
    wire.count("deduplicate", 6, **{"in": 2, "duplicate": 2})
    faults = balance(wire.books()).faults
    assert "hour 1970-01-01T06:00Z: 2 more articles were taken from prepared than were put there" in faults


def test_a_retry_moves_an_article_to_its_own_hour() -> None:
    wire = Wire()
    wire.count("prepare", 5, **{"in": 1, "dead": 1})
    wire.count("prepare", 9, **{"in": 1, "rejected": 1})
    wire.count("prepare", 5, retried_dead=1)
    ledger = balance(wire.books())
    assert ledger.faults == ()
    (entry,) = ledger.hours
    assert (name_of(entry.hour), entry.collected, entry.outcomes["rejected"]) == ("1970-01-01T09:00Z", 1, 1)


def test_hours_that_were_not_counted_from_the_beginning_are_no_fault() -> None:
    wire = Wire()
    count(wire.states["prepare"], "f", {"in": 4, "out": 4})
    wire.count("deduplicate", 6, **{"in": 4, "duplicate": 4})
    ledger = balance(wire.books())
    assert (ledger.faults, ledger.hours_complete) == ((), False)


def test_each_feed_balances_by_hour_with_what_is_under_way() -> None:
    draw = random.Random(5)
    wire = Wire()
    expected: Counter[tuple[str, int]] = Counter()
    for _ in range(3_000):
        feed, hour = draw.choice("abc"), draw.randrange(FEED_HOURS_KEPT)
        expected[feed, hour] += 1
        if draw.random() < 0.2:
            wire.count("prepare", hour, feed, **{"in": 1, draw.choice(["seen", "rejected", "dead"]): 1})
            continue
        wire.count("prepare", hour, feed, **{"in": 1, "out": 1})
        if draw.random() < 0.3:
            continue
        wire.count("deduplicate", hour, feed, **{"in": 1, draw.choice(["out", "duplicate"]): 1})
    wire.count("prepare", FEED_HOURS_KEPT - 1, "a", **{"in": 1, "dead": 1})
    expected["a", FEED_HOURS_KEPT - 1] += 1
    ledger = balance(wire.books({("a", 3): 7, ("d", FEED_HOURS_KEPT - 2): 1}))
    assert ledger.faults == ()
    found = ledger.feed_hours
    assert found.since == EPOCH
    assert list(found.entries) == ["a", "b", "c", "d"]
    assert {
        (feed, to_ms(entry.hour) // HOUR_MS): entry.collected
        for feed, entries in found.entries.items()
        for entry in entries
        if entry.hour is not None
    } == expected + Counter({("a", 3): 7, ("d", FEED_HOURS_KEPT - 2): 1})
    for whole in ledger.hours:
        parts = [entry for entries in found.entries.values() for entry in entries if entry.hour == whole.hour]
        assert sum((Counter(entry.outcomes) for entry in parts), Counter()) == +Counter(whole.outcomes)
        assert sum(entry.under_way for entry in parts) == whole.under_way
    assert found.entries["a"][3].in_flight["raw"] == 7


def test_an_hour_that_one_stage_has_no_place_for_any_more_is_none_of_the_newest() -> None:
    wire = Wire()
    wire.count("prepare", 5, **{"in": 1, "out": 1})
    wire.count("prepare", FEED_HOURS_KEPT + 5, **{"in": 1, "out": 1})
    wire.count("deduplicate", 5, **{"in": 1, "duplicate": 1})
    ledger = balance(wire.books())
    assert ledger.faults == ()
    assert ledger.feed_hours.since == EPOCH + timedelta(hours=6)
    (entry,) = ledger.feed_hours.entries["f"]
    assert (entry.collected, entry.in_flight["prepared"]) == (1, 1)


def test_hours_whose_feeds_were_not_counted_are_left_out() -> None:
    wire = Wire()
    wire.count("prepare", 3, **{"in": 1, "seen": 1})
    count_hour(wire.states["prepare"], 4, {"in": 1, "seen": 1})
    count(wire.states["prepare"], "f", {"in": 1, "seen": 1})
    wire.count("prepare", 5, **{"in": 1, "seen": 1})
    ledger = balance(wire.books())
    assert (ledger.faults, ledger.hours_complete) == ((), True)
    assert ledger.feed_hours.since == EPOCH + timedelta(hours=5)
    assert [entry.collected for entry in ledger.feed_hours.entries["f"]] == [1]


def test_a_feeds_hour_that_does_not_balance_is_named_though_feeds_and_hours_do() -> None:
    wire = Wire()
    for feed, hour in (("a", 5), ("b", 6)):
        wire.count("prepare", hour, feed, **{"in": 1, "out": 1})
    for feed, hour in (("a", 6), ("b", 5)):
        wire.count("deduplicate", hour, feed, **{"in": 1, "duplicate": 1})
    faults = balance(wire.books()).faults
    assert "feed 'a', hour 1970-01-01T06:00Z: 1 more articles were taken from prepared than were put there" in faults
    assert not [fault for fault in faults if fault.startswith("hour")]
