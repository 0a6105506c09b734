"""The ledger of each feed by hours of event time, for the newest hours, which the stages count as pairs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from newswire.pipeline.ledger.counters import FEED_HOURS_KEPT, HOUR_MS
from newswire.pipeline.ledger.hours import STAGES, HourEntry, StageHours, faults_of, hour_entry
from newswire.pipeline.text.dates import from_ms

StageFeedHours = Mapping[str, Mapping[int, Mapping[str, int]]]
"""A stage's counters by feed and hour (hours since 1970)."""


@dataclass(frozen=True, slots=True)
class FeedHours:
    """The entries of each feed by hour, in order, from the hour that begins at `since` on (None: there is none yet)."""

    since: datetime | None = None
    entries: Mapping[str, tuple[HourEntry, ...]] = field(default_factory=lambda: MappingProxyType({}))


def feed_hours(
    pairs: Mapping[str, StageFeedHours],
    hours: Mapping[str, StageHours],
    newest: int | None,
    backlog: Mapping[tuple[str, int], int],
    outcomes: Iterable[str],
) -> FeedHours:
    """The ledger by feed and hour, as far back as every article is counted so. Pure.

    `pairs` and `hours`: what the stages counted. `newest`: the newest hour that any of them has seen. `backlog`:
    articles that wait in `raw`.
    """
    newest = max((hour for _, hour in backlog), default=None) if newest is None else newest
    if newest is None:
        return FeedHours()
    first = _complete_from(pairs, hours, newest)
    kinds = tuple(outcomes)
    waits: dict[str, dict[int, int]] = {}
    for (feed, hour), number in backlog.items():
        waits.setdefault(feed, {})[hour] = number
    found: dict[str, tuple[HourEntry, ...]] = {}
    for feed in sorted({feed for stage in pairs.values() for feed in stage} | set(waits)):
        rows = {stage: pairs.get(stage, {}).get(feed, {}) for stage in STAGES}
        waiting = waits.get(feed, {})
        known = sorted(hour for hour in {hour for row in rows.values() for hour in row} | set(waiting) if hour >= first)
        entries = (
            hour_entry(hour, {name: Counter(row.get(hour)) for name, row in rows.items()}, waiting.get(hour, 0), kinds)
            for hour in known
        )
        found[feed] = tuple(entry for entry in entries if entry.holds_any)
    return FeedHours(from_ms(first * HOUR_MS), {feed: entries for feed, entries in found.items() if entries})


def feed_hour_faults(found: FeedHours) -> Iterable[str]:
    """Every identity of a feed's hour that does not hold."""
    for feed, entries in found.entries.items():
        for entry in entries:
            for fault in faults_of(entry):
                yield f"feed {feed!r}, {fault}"


def _complete_from(pairs: Mapping[str, StageFeedHours], hours: Mapping[str, StageHours], newest: int) -> int:
    """The oldest kept hour from which on the feeds sum up to the hours' own counters, in every stage."""
    sums: dict[tuple[str, int], Counter[str]] = {}
    for stage, feeds in pairs.items():
        for rows in feeds.values():
            for hour, row in rows.items():
                sums.setdefault((stage, hour), Counter()).update(row)
    for hour in range(newest, newest - FEED_HOURS_KEPT, -1):
        for stage in STAGES:
            if sums.get((stage, hour), Counter()) != Counter(hours.get(stage, {}).get(hour)):
                return hour + 1
    return newest - FEED_HOURS_KEPT + 1
