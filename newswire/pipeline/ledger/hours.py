"""The ledger by hours of event time: the same identities for each hour, from counters of their own.

`analyze` counts no hours: it has a row a partition, and an article comes out of it as it went in. On its way from
deduplicate to cluster an article is `in analysis`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from newswire.pipeline.ledger.account import Account
from newswire.pipeline.ledger.counters import HOUR_MS, HOURS_KEPT
from newswire.pipeline.text.dates import from_ms

STAGES = ("prepare", "deduplicate", "cluster")
HOPS = ("raw", "prepared", "analysis", "held")

StageHours = Mapping[int | None, Mapping[str, int]]
"""A stage's counters by hour (hours since 1970; None: earlier than all that are kept)."""


@dataclass(frozen=True, slots=True)
class HourEntry(Account):
    """The ledger of one hour, which begins at `hour` (UTC; None: all that is earlier)."""

    hour: datetime | None
    collected: int
    outcomes: Mapping[str, int]
    in_flight: Mapping[str, int]

    @property
    def holds_any(self) -> bool:
        """Whether it has an article: an hour whose only article was retried into another one has none left."""
        return bool(self.collected or any(self.outcomes.values()) or self.under_way)


def hour_entries(
    stages: Mapping[str, StageHours], newest: int | None, backlog: Mapping[int, int], outcomes: Iterable[str]
) -> tuple[HourEntry, ...]:
    """An entry for each hour that has articles, what is earlier first, then in order. Pure.

    `newest`: the newest hour that any stage has seen. `backlog`: articles that wait in `raw`, by hour.
    """
    # the stages fold what is old at different moments: all of them are read as the one that is farthest
    floor = None if newest is None else newest - HOURS_KEPT + 1
    rows = {stage: _folded(stages.get(stage, {}), floor) for stage in STAGES}
    waiting: Counter[int | None] = Counter()
    for hour, number in backlog.items():
        waiting[_fold(hour, floor)] += number
    hours = {hour for row in rows.values() for hour in row} | set(waiting)
    kinds = tuple(outcomes)
    entries = (
        hour_entry(hour, {stage: row.get(hour, Counter()) for stage, row in rows.items()}, waiting[hour], kinds)
        for hour in sorted(hours, key=lambda hour: (hour is not None, hour or 0))
    )
    return tuple(entry for entry in entries if entry.holds_any)


def hour_faults(entries: Iterable[HourEntry]) -> Iterable[str]:
    """Every identity of an hour that does not hold."""
    for entry in entries:
        yield from faults_of(entry)


def faults_of(entry: HourEntry) -> Iterable[str]:
    """Every identity of one hour that does not hold."""
    name = name_of(entry.hour)
    for hop, number in entry.in_flight.items():
        if number < 0:
            yield f"hour {name}: {-number} more articles were taken from {hop} than were put there"
    if entry.difference:
        yield f"hour {name}: {entry.difference} collected articles have no outcome and are not in flight"


def name_of(hour: datetime | None) -> str:
    """An hour as it is printed."""
    return "earlier" if hour is None else hour.strftime("%Y-%m-%dT%H:%MZ")


def hour_entry(
    hour: int | None, rows: Mapping[str, Counter[str]], waiting: int, outcomes: tuple[str, ...]
) -> HourEntry:
    """The entry of one hour from its counters in each of STAGES and the articles of it that wait in `raw`. Pure."""
    prepare, deduplicate, cluster = (rows[stage] for stage in STAGES)
    retried = {outcome: prepare[f"retried_{outcome}"] for outcome in outcomes}
    in_flight = {
        "raw": waiting,
        "prepared": prepare["out"] - deduplicate["in"],
        "analysis": deduplicate["out"] - cluster["in"],
        "held": cluster["held"],
    }
    return HourEntry(
        None if hour is None else from_ms(hour * HOUR_MS),
        prepare["in"] - sum(retried.values()) + waiting,
        {name: sum(row[name] for row in rows.values()) - retried[name] for name in outcomes},
        in_flight,
    )


def _folded(rows: StageHours, floor: int | None) -> dict[int | None, Counter[str]]:
    sums: dict[int | None, Counter[str]] = {}
    for hour, row in rows.items():
        sums.setdefault(_fold(hour, floor), Counter()).update(row)
    return sums


def _fold(hour: int | None, floor: int | None) -> int | None:
    return None if hour is None or (floor is not None and hour < floor) else hour
