"""The counters that each stage keeps beside its state, a row a feed and a row an hour, so that the ledger reads no log.

`in` counts records taken (retries too), `out` records passed on to the next stage, and each outcome those that
ended here. `retried_dead`, `retried_emitted` and `retried_updated` count records sent round again, by the outcome
that they supersede; `stray` counts records that are none of ours. For every stage in = out + its outcomes (+ what
it holds back, `held`), which the ledger checks.

Feeds and hours are counted apart: 500 feeds over 90 days have 2,700 rows so, and a million as pairs. An hour is one of
event time (UTC). A stage keeps the HOURS_KEPT newest hours that it has seen; what is older is counted as `earlier`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import orjson

from newswire.pipeline.state import State

PREFIX = b"#count/"
HOUR = b"#hour/"
COUNTED = (PREFIX, HOUR)
"""What the keys of all counter rows begin with."""

HOURS_KEPT = 90 * 24
HOUR_MS = 3_600_000
FEED_MAX = 1_000
"""Bytes of a feed's name in its key: the rows of 500 articles, each of another feed, fit in one batch of records."""

_EARLIER = HOUR + b"earlier"
_NEWEST = HOUR + b"newest"
_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of one stage, by feed and by hour (hours since 1970; None is what is earlier than all kept).

    `newest` is the newest hour that the stage has seen, None before the first article.
    """

    feeds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours: Mapping[int | None, Mapping[str, int]] = field(default_factory=dict)
    newest: int | None = None


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
    return {
        key[len(PREFIX) :].decode(errors="replace"): orjson.loads(value)
        for key, value in rows
        if key.startswith(PREFIX) and value is not None
    }


def read_counters(rows: Iterable[tuple[bytes, bytes]]) -> Counters:
    """All counters, from the rows of a stage's state or changelog (other rows are passed over)."""
    kept = list(rows)
    hours: dict[int | None, dict[str, int]] = {}
    newest: int | None = None
    for key, value in kept:
        if key == _NEWEST:
            newest = int(value)
        elif key.startswith(HOUR):
            hours[None if key == _EARLIER else int(key[len(HOUR) :])] = orjson.loads(value)
    return Counters(read_counts(kept), hours, newest)


def _add(state: State, key: bytes, kept: bytes | None, counts: Mapping[str, int]) -> None:
    row: dict[str, int] = orjson.loads(kept) if kept else {}
    for name, number in counts.items():
        row[name] = row.get(name, 0) + number
    state.put(key, orjson.dumps(row))


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
