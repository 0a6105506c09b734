"""The counters that each stage keeps beside its state, by feed, by hour and by both, so that the ledger reads no log.

`in` counts records taken (retries too), `out` records passed on to the next stage, and each outcome those that
ended here. `retried_dead`, `retried_emitted` and `retried_updated` count records sent round again, by the outcome
that they supersede; `stray` counts records that are none of ours. For every stage in = out + its outcomes (+ what
it holds back, `held`), which the ledger checks.

Feeds and hours are counted apart: 500 feeds over 90 days have 2,700 rows so, and a million as pairs. An hour is one of
event time (UTC). A stage keeps the HOURS_KEPT newest hours that it has seen; what is older is counted as `earlier`.

The pairs of a feed and an hour are counted for the FEED_HOURS_KEPT newest hours: each feed has so many places, and an
hour takes the place of the one so long before it, so that nothing has to be deleted. A feed's newest hour stands in
the feed's own row until the next one comes: an article changes no more rows than it would without pairs. Hours that
were counted before there were pairs are those whose feeds do not sum up (see ledger/feed_hours.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import orjson

from newswire.pipeline.state import State

PREFIX = b"#count/"
HOUR = b"#hour/"
FEED_HOUR = b"#feed-hour/"
COUNTED = (PREFIX, HOUR)
"""What the keys of the counter rows begin with that stand for all time."""
RECENT = (FEED_HOUR,)
"""What the keys of the counter rows begin with that are replaced within FEED_HOURS_KEPT."""

HOURS_KEPT = 90 * 24
FEED_HOURS_KEPT = 48
HOUR_MS = 3_600_000
FEED_MAX = 1_000
"""Bytes of a feed's name in its key: the rows of 500 articles, each of another feed, fit in one batch of records."""

_EARLIER = HOUR + b"earlier"
_NEWEST = HOUR + b"newest"
_HOUR = "hour"
_DIGEST = 16
_SHORT_DIGEST = 8


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of one stage, by feed and by hour (hours since 1970; None is what is earlier than all kept).

    `newest` is the newest hour that the stage has seen, None before the first article. `feed_hours` are the counters of
    a feed by hour; older hours than the kept ones may be among them, but not all of those.
    """

    feeds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours: Mapping[int | None, Mapping[str, int]] = field(default_factory=dict)
    newest: int | None = None
    feed_hours: Mapping[str, Mapping[int, Mapping[str, int]]] = field(default_factory=dict)


def count(state: State, feed: str, counts: Mapping[str, int]) -> None:
    """Add counts to a feed's row."""
    if counts:
        key = PREFIX + feed_key(feed)
        _add(state, key, state.get(key), counts)


def count_hour(state: State, hour: int, counts: Mapping[str, int]) -> None:
    """Add counts to an hour's row, or to that of what is earlier."""
    if not counts:
        return
    key = _hour_key(hour)
    kept = state.get(key)
    if kept is None:
        key = _new_hour(state, hour)
        kept = state.get(key)
    _add(state, key, kept, counts)


def count_feed_hour(state: State, feed: str, hour: int, counts: Mapping[str, int]) -> None:
    """Add counts to a feed's hour, unless a newer hour has its place."""
    if not counts:
        return
    key = PREFIX + feed_key(feed)
    kept = state.get(key)
    row = orjson.loads(kept) if kept else {}
    newest, sums = row.get(_HOUR, (hour, {}))
    if hour < newest:
        _add_to_place(state, feed, hour, counts)
        return
    if hour > newest:
        _add_to_place(state, feed, newest, sums)
        sums = {}
    row[_HOUR] = hour, _added(sums, counts)
    state.put(key, orjson.dumps(row))


def hour_of(milliseconds: int) -> int:
    """The hour of a moment in Unix milliseconds."""
    return milliseconds // HOUR_MS


def feed_key(feed: str) -> bytes:
    """A feed's name in keys; one over FEED_MAX bytes is cut and told apart by its digest."""
    key = feed.encode(errors="replace")
    if len(key) <= FEED_MAX:
        return key
    head = key[: FEED_MAX - 2 * _DIGEST - 1].decode(errors="ignore").encode()
    return head + b"#" + sha256(key).hexdigest()[: 2 * _DIGEST].encode()


def read_counts(rows: Iterable[tuple[bytes, bytes]]) -> dict[str, dict[str, int]]:
    """The counters by feed, from the rows of a stage's state or changelog (other rows are passed over)."""
    return {feed: row for feed, row, _ in _feed_rows(rows)}


def read_counters(rows: Iterable[tuple[bytes, bytes]]) -> Counters:
    """All counters, from the rows of a stage's state or changelog (other rows are passed over)."""
    kept = list(rows)
    feeds: dict[str, dict[str, int]] = {}
    feed_hours: dict[str, dict[int, dict[str, int]]] = {}
    for feed, row, newest_hour in _feed_rows(kept):
        feeds[feed] = row
        if newest_hour is not None:
            feed_hours[feed] = {newest_hour[0]: newest_hour[1]}
    names = {_feed_digest(feed): feed for feed in feeds}
    hours: dict[int | None, dict[str, int]] = {}
    newest: int | None = None
    for key, value in kept:
        if key == _NEWEST:
            newest = int(value)
        elif key.startswith(HOUR):
            hours[None if key == _EARLIER else int(key[len(HOUR) :])] = orjson.loads(value)
        elif key.startswith(FEED_HOUR):
            name = names.get(key[len(FEED_HOUR) :].partition(b"/")[0])
            if name is not None:
                hour, row = orjson.loads(value)
                feed_hours.setdefault(name, {})[hour] = row
    return Counters(feeds, hours, newest, feed_hours)


def _add(state: State, key: bytes, kept: bytes | None, counts: Mapping[str, int]) -> None:
    state.put(key, orjson.dumps(_added(orjson.loads(kept) if kept else {}, counts)))


def _add_to_place(state: State, feed: str, hour: int, counts: Mapping[str, int]) -> None:
    key = FEED_HOUR + _feed_digest(feed) + b"/%d" % (hour % FEED_HOURS_KEPT)
    kept = state.get(key)
    since, row = orjson.loads(kept) if kept else (hour, {})
    if since <= hour:
        state.put(key, orjson.dumps((hour, _added(row if since == hour else {}, counts))))


def _feed_rows(
    rows: Iterable[tuple[bytes, bytes]],
) -> Iterator[tuple[str, dict[str, int], tuple[int, dict[str, int]] | None]]:
    """Each feed's counters, and its newest hour with the counters of that."""
    for key, value in rows:
        if key.startswith(PREFIX) and value is not None:
            row = orjson.loads(value)
            newest = row.pop(_HOUR, None)
            yield key[len(PREFIX) :].decode(errors="replace"), row, newest


def _added(row: dict[str, int], counts: Mapping[str, int]) -> dict[str, int]:
    for name, number in counts.items():
        row[name] = row.get(name, 0) + number
    return row


def _feed_digest(feed: str) -> bytes:
    """A feed in the keys of its hours, which are many: 64 bits of its SHA-256, as hexadecimal digits."""
    return sha256(feed_key(feed)).hexdigest()[: 2 * _SHORT_DIGEST].encode()


def _hour_key(hour: int) -> bytes:
    return HOUR + b"%d" % hour


def _new_hour(state: State, hour: int) -> bytes:
    """The key under which an hour without a row is counted; a newer one than all folds what it leaves behind."""
    kept = state.get(_NEWEST)
    if kept is None:
        state.put(_NEWEST, b"%d" % hour)
        return _hour_key(hour)
    newest = int(kept)
    if hour <= newest - HOURS_KEPT:
        return _EARLIER
    if hour > newest:
        state.put(_NEWEST, b"%d" % hour)
        for old in range(newest - HOURS_KEPT + 1, min(newest, hour - HOURS_KEPT) + 1):
            row = state.get(_hour_key(old))
            if row is not None:
                _add(state, _EARLIER, state.get(_EARLIER), orjson.loads(row))
                state.delete(_hour_key(old))
    return _hour_key(hour)
