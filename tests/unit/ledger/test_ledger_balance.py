"""The ledger balances whatever a right service does, and names what is missing."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.ledger.balance import HOPS, OUTCOMES, STAGES, Books, StageBook, balance
from newswire.pipeline.ledger.counters import PREFIX, count, read_counts

FEEDS = ("a", "b", "")


@dataclass
class Simulation:
    """A service in small: each step moves one article on, ends it, or sends a dead one round again."""

    draw: random.Random
    counts: dict[str, dict[str, Counter[str]]] = field(default_factory=lambda: {s: {} for s in (*STAGES, "collect")})
    records: Counter[str] = field(default_factory=Counter)
    topics: dict[str, list[tuple[str, str | None]]] = field(default_factory=lambda: {hop: [] for hop in HOPS})
    ended: list[tuple[str, str]] = field(default_factory=list)

    def count(self, stage: str, feed: str, **counts: int) -> None:
        self.counts[stage].setdefault(feed, Counter()).update(counts)

    def step(self) -> None:
        match self.draw.randrange(8):
            case 0 | 1:
                feed = self.draw.choice(FEEDS)
                self.topics["raw"].append((feed, None))
                if self.draw.random() < 0.8:  # others write into raw too
                    self.count("collect", feed, out=1)
            case 2 if self.ended:
                feed, outcome = self.ended.pop(self.draw.randrange(len(self.ended)))
                self.topics["raw"].append((feed, outcome))
            case 3 if self.topics["held"]:
                feed, _ = self.topics["held"].pop()
                self.end("cluster", feed, self.draw.choice(["emitted", "updated"]), held=-1)
            case number:
                stage = STAGES[number % 4]
                if self.draw.random() < 0.05 and stage != "prepare":
                    self.records[stage] += 1
                    self.count(stage, "", stray=1)
                elif self.topics[HOPS[STAGES.index(stage)]]:
                    self.take(stage)

    def take(self, stage: str) -> None:
        hop = STAGES.index(stage)
        feed, retried = self.topics[HOPS[hop]].pop(0)
        self.records[stage] += 1
        self.count(stage, feed, **{"in": 1})
        if retried is not None:
            self.count(stage, feed, **{f"retried_{retried}": 1})
        ends = {"prepare": ["seen", "rejected", "dead"], "deduplicate": ["duplicate", "dead"], "cluster": ["emitted"]}
        if stage == "cluster" and self.draw.random() < 0.4:
            self.count(stage, feed, held=1)
            self.topics["held"].append((feed, None))
        elif stage in ends and (stage == "cluster" or self.draw.random() < 0.3):
            self.end(stage, feed, self.draw.choice(ends[stage]))
        else:
            self.count(stage, feed, out=1)
            self.topics[HOPS[hop + 1]].append((feed, None))

    def end(self, stage: str, feed: str, outcome: str, **counts: int) -> None:
        self.count(stage, feed, **{outcome: 1}, **counts)
        if outcome in ("dead", "emitted", "updated"):
            self.ended.append((feed, outcome))

    def books(self) -> Books:
        stages = {stage: StageBook(self.counts[stage], self.records[stage]) for stage in STAGES}
        released = self.sum("cluster", "emitted") + self.sum("cluster", "updated")
        stages["cluster"] = replace(stages["cluster"], waiting=len(self.topics["held"]), released=released)
        backlog = Counter((feed, 0) for feed, retried in self.topics["raw"] if retried is None)
        wrote = {feed: row["out"] for feed, row in self.counts["collect"].items()}
        return Books(stages, backlog, {"collect": wrote})

    def sum(self, stage: str, name: str) -> int:
        return sum(row[name] for row in self.counts[stage].values())


def simulate(seed: int, steps: int) -> Simulation:
    simulation = Simulation(random.Random(seed))
    for _ in range(steps):
        simulation.step()
    return simulation


@given(st.integers(), st.integers(0, 400))
@settings(deadline=None)
def test_any_state_of_a_right_service_balances(seed: int, steps: int) -> None:
    simulation = simulate(seed, steps)
    ledger = balance(simulation.books())
    assert ledger.faults == ()
    assert ledger.total.difference == 0
    assert ledger.total.in_flight["held"] == len(simulation.topics["held"])
    assert ledger.total.in_flight["unique"] == len(simulation.topics["unique"])
    assert ledger.total.collected == sum(entry.collected for entry in ledger.feeds)
    assert ledger.strays == sum(simulation.sum(stage, "stray") for stage in STAGES)


COUNTED = [
    (stage, name)
    for stage, names in {
        "prepare": ["in", "out", "seen", "rejected", "dead"],
        "deduplicate": ["in", "out", "duplicate", "dead", "stray"],
        "analyze": ["in", "out", "stray"],
        "cluster": ["in", "emitted", "updated", "held", "stray"],
    }.items()
    for name in names
]


@pytest.mark.parametrize(("stage", "name"), COUNTED)
@pytest.mark.parametrize("change", [-1, 1])
def test_a_count_that_is_off_by_one_is_found_and_its_stage_named(stage: str, name: str, change: int) -> None:
    simulation = simulate(7, 3_000)
    assert balance(simulation.books()).balanced
    feed = next((feed for feed, row in simulation.counts[stage].items() if row[name]), FEEDS[0])
    simulation.counts[stage][feed][name] += change
    assert any(fault.startswith(stage) for fault in balance(simulation.books()).faults)


def test_a_record_lost_on_its_way_is_found() -> None:
    # deduplicate says that it took more than prepare put there
    simulation = Simulation(random.Random(1))
    simulation.records["deduplicate"] += 1
    simulation.count("deduplicate", "a", **{"in": 1, "duplicate": 1})
    ledger = balance(simulation.books())
    assert any("'a': 1 more articles were taken from prepared" in fault for fault in ledger.faults)


def test_a_written_article_that_raw_does_not_hold_is_found_with_its_feed() -> None:
    simulation = Simulation(random.Random(1))
    simulation.topics["raw"] += [("a", None), ("b", None)]
    simulation.count("collect", "a", out=1)
    simulation.count("collect", "b", out=1)
    assert balance(simulation.books()).balanced
    simulation.topics["raw"].pop()
    (fault,) = balance(simulation.books()).faults
    assert fault == "collect wrote 2 articles, raw held 1 fewer: look at 'b'"


def test_more_retries_than_ends_are_found() -> None:
    simulation = Simulation(random.Random(1))
    simulation.records["prepare"] += 1
    simulation.count("prepare", "a", **{"in": 1, "out": 1, "retried_dead": 1})
    ledger = balance(simulation.books())
    assert ledger.faults == ("1 more articles were retried as dead than ended so",)


def test_a_retried_article_is_one_article() -> None:
    simulation = Simulation(random.Random(1))
    simulation.records["prepare"] = 2
    simulation.count("prepare", "a", **{"in": 2, "dead": 1, "seen": 1, "retried_dead": 1})
    total = balance(simulation.books()).total
    assert (total.collected, dict(total.outcomes)) == (1, dict.fromkeys(OUTCOMES, 0) | {"seen": 1})


def test_what_was_wrong_in_reading_is_told() -> None:
    assert balance(Books({}, {}, {}, ("raw was deleted",))).faults == ("raw was deleted",)
    assert balance(Books({}, {})).balanced


@given(st.lists(st.tuples(st.text(max_size=5), st.sampled_from(["in", "out"]), st.integers(-5, 5))))
def test_counters_come_back_from_their_rows(counts: list[tuple[str, str, int]]) -> None:
    state = MemoryState()
    state.put(b"other", b"row")
    expected: dict[str, Counter[str]] = {}
    for feed, name, number in counts:
        count(state, feed, {name: number})
        expected.setdefault(feed, Counter())[name] += number
    assert read_counts(state.scan(PREFIX)) == expected
