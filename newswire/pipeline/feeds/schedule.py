"""When a feed is polled again. Pure: the time of the poll is an argument, and what is random elsewhere is not here.

The interval adapts as in news-crawl: a document with something new brings it half way to the minimum, one without
makes it half as long again. Servers may ask for more patience (Cache-Control, ttl, Retry-After) and get it. Feeds that
are added together are polled together once: the second polls are spread over a whole interval.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from newswire.pipeline.feeds.feedstate import SIGHTINGS, FeedState
from newswire.pipeline.settings import CollectSettings

DAY = 86_400
GONE_SECONDS = 7 * DAY
"""A feed that says 410 Gone is asked again this seldom: some servers say so by mistake."""
DELAY_MAX = DAY
"""The longest wait after failures, and the most that a Retry-After is taken at its word."""
JITTER = 0.1
UNCONDITIONAL_EVERY = 50
"""Every so many polls ask without validators, since some servers answer 304 for ever (NewsBlur does 1 in 100)."""
MOVED_BACK_AFTER = 5
"""Failed polls in a row after which a feed that had moved is looked for at its own address again."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Bounds of the adaptive interval, in seconds."""

    interval_min: int
    interval_default: int
    interval_max: int

    @classmethod
    def of(cls, settings: CollectSettings) -> "Rules":
        """The bounds that the configuration asks for."""
        return cls(settings.interval_min, settings.interval_default, settings.interval_max)


@dataclass(frozen=True, slots=True)
class Hints:
    """Seconds that the server or the document asks to wait, and where it has moved for good."""

    max_age: int | None = None
    ttl: int | None = None
    retry_after: int | None = None
    permanent_redirect: str | None = None


def is_due(state: FeedState, now: float) -> bool:
    """Whether a feed is to be polled at a time (Unix seconds)."""
    return not state.paused and state.next_poll_at <= now


def is_conditional(state: FeedState) -> bool:
    """Whether the next poll may send the validators."""
    return (state.polls + 1) % UNCONDITIONAL_EVERY != 0


def after_document(state: FeedState, at: datetime, rules: Rules, hints: Hints, *, found: bool) -> FeedState:
    """The schedule after a document was read; `found` says whether anything in it was new or changed."""
    # The first document is all new, which says nothing about how often the feed changes.
    is_first = state.interval == 0
    interval = _clamp(state.interval or rules.interval_default, rules)
    if not is_first:
        interval = _clamp((interval + rules.interval_min) // 2 if found else interval * 3 // 2, rules)
    return _succeeded(state, at, rules, hints, interval)


def after_not_modified(state: FeedState, at: datetime, rules: Rules, hints: Hints) -> FeedState:
    """The schedule after 304, or after the same body as last time."""
    interval = _clamp((state.interval or rules.interval_default) * 3 // 2, rules)
    return _succeeded(state, at, rules, hints, interval)


def after_failure(
    state: FeedState, at: datetime, rules: Rules, error: str, *, gone: bool = False, retry_after: int | None = None
) -> FeedState:
    """The row after a failed poll: the reason, and a wait that doubles with each failure in a row, up to a day."""
    interval = state.interval_seconds or state.interval or rules.interval_default
    wait = min(interval * 2 ** min(state.failures, 16), DELAY_MAX)
    wait = max(wait, min(retry_after or 0, DELAY_MAX))
    failures = state.failures + 1
    lost = failures >= MOVED_BACK_AFTER and state.moved_to is not None
    return replace(
        state,
        polls=state.polls + 1,
        last_poll_at=int(at.timestamp()),
        next_poll_at=_next(state, at, GONE_SECONDS if gone else wait),
        failures=failures,
        error=error[:300],
        gone=gone,
        moved_to=None if lost else state.moved_to,
        moved=0 if lost else state.moved,
    )


def jitter(url: str) -> float:
    """A fixed number from 0 to 0.1 for a feed, so that feeds with one rhythm drift apart."""
    return JITTER * _share(url, 0)


def first_wait(url: str, interval: int, rules: Rules) -> float:
    """Seconds from a feed's first document to its second poll: the minimum and a fixed part of its interval."""
    return min(rules.interval_min, interval) + interval * _share(url, 4)


def _share(url: str, start: int) -> float:
    """A fixed number from 0 to 1 for a feed, from four bytes of its hash."""
    return int.from_bytes(hashlib.sha256(url.encode(errors="replace")).digest()[start : start + 4]) / 2**32


def _succeeded(state: FeedState, at: datetime, rules: Rules, hints: Hints, interval: int) -> FeedState:
    own = interval if state.interval_seconds is None else state.interval_seconds
    wait = first_wait(state.url, own, rules) if state.interval == 0 else float(own)
    if state.interval_seconds is None:
        wait = max(wait, min(max(hints.max_age or 0, hints.ttl or 0), rules.interval_max))
    wait = max(wait, min(hints.retry_after or 0, DELAY_MAX))
    moved_to, moved = _moved(state, hints.permanent_redirect)
    return replace(
        state,
        polls=state.polls + 1,
        last_poll_at=int(at.timestamp()),
        next_poll_at=_next(state, at, wait),
        interval=interval,
        failures=0,
        error=None,
        gone=False,
        moved_to=moved_to,
        moved=moved,
    )


def _moved(state: FeedState, target: str | None) -> tuple[str | None, int]:
    if state.moved >= SIGHTINGS:
        return state.moved_to, state.moved
    if target is None or target == state.url:
        return None, 0
    return target, state.moved + 1 if target == state.moved_to else 1


def _next(state: FeedState, at: datetime, wait: float) -> int:
    return int(at.timestamp() + wait * (1 + jitter(state.url)))


def _clamp(interval: int, rules: Rules) -> int:
    return max(rules.interval_min, min(interval, max(rules.interval_max, rules.interval_min)))
