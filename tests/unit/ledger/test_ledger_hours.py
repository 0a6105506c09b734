"""The ledger by hours: it balances as the one by feeds does, whatever the stages have folded."""

import random
from collections import Counter
from datetime import UTC, datetime

from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.ledger.balance import OUTCOMES, Books, StageBook, balance
from newswire.pipeline.ledger.counters import HOURS_KEPT, count, count_hour, read_counters
from newswire.pipeline.ledger.hours import name_of

STAGES = ("prepare", "deduplicate", "cluster")


class Wire:
    """Three stages that count what a test says."""

    def __init__(self) -> None:
        self.states = {stage: MemoryState() for stage in STAGES}

    def count(self, stage: str, hour: int, **counts: int) -> None:
        count(self.states[stage], "f", counts)
        count_hour(self.states[stage], hour, counts)

    def books(self, backlog: dict[int, int] | None = None) -> Books:
        stages = {}
        for stage, state in self.states.items():
            counters = read_counters(state.scan(b""))
            taken = sum(row.get("in", 0) for row in counters.feeds.values())
            stages[stage] = StageBook(counters.feeds, taken, hours=counters.hours, newest=counters.newest)
        analyze = {"f": {"in": self._sum("deduplicate", "out"), "out": self._sum("cluster", "in")}}
        stages["analyze"] = StageBook({"f": dict.fromkeys(("in", "out"), analyze["f"]["out"])}, analyze["f"]["out"])
        waiting = backlog or {}
        return Books(stages, {"f": sum(waiting.values())}, backlog_hours=waiting)

    def _sum(self, stage: str, name: str) -> int:
        return sum(row.get(name, 0) for row in read_counters(self.states[stage].scan(b"")).feeds.values())


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
    ledger = balance(wire.books({3: 7, 50: 1}))
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
