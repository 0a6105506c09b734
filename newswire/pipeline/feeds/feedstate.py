"""What the collector remembers of a feed, in two rows of its state: the feed, and the entries it has seen.

Two rows, because most polls find nothing (304) and change only the first, which is small.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

import orjson

from newswire.pipeline.feeds.canonical import without_userinfo
from newswire.pipeline.state import State
from newswire.schemas import FeedSettings

FEED = b"feed/"
SEEN = b"seen/"
SIGHTINGS = 10
"""Polls in a row that must be redirected permanently before the new address is polled itself (as NewsBlur does)."""

Seen = Mapping[str, tuple[str, int]]
"""Entry (16 hex digits of its article id) -> content hash (16 hex digits) and when it was last in the feed."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed's row. Times are Unix seconds, intervals seconds; `url`, `title`, `paused`, ... are its settings.

    `failures` counts failed polls in a row and `error` says why the last one failed. `parsed_at` is the time of the
    last document that was read; `moved_to` a permanent redirect's target and `moved` how often in a row it was seen.
    """

    url: str
    title: str | None = None
    category: str | None = None
    paused: bool = False
    interval_seconds: int | None = None
    added_at: int = 0
    feed_title: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    moved_to: str | None = None
    moved: int = 0
    polls: int = 0
    last_poll_at: int | None = None
    next_poll_at: int = 0
    interval: int = 0
    failures: int = 0
    error: str | None = None
    gone: bool = False
    parsed_at: int | None = None
    new: int = 0
    changed: int = 0
    seen_again: int = 0
    seen: Seen = field(default_factory=lambda: MappingProxyType({}))

    @property
    def address(self) -> str:
        """Where to poll: the feed's own URL, or where it has moved for good."""
        return self.moved_to if self.moved_to and self.moved >= SIGHTINGS else self.url

    @property
    def public_url(self) -> str:
        """The URL as records, counters and logs show it: without user name and password."""
        return without_userinfo(self.url)

    def encode(self) -> bytes:
        """The feed's row: compact JSON, without what has its default."""
        row = {
            f.name: value for f in fields(self) if f.name != "seen" and (value := getattr(self, f.name)) != f.default
        }
        return orjson.dumps(row)

    def encode_seen(self) -> bytes:
        """The row of seen entries: {entry: [hash, time]} as compact JSON."""
        return orjson.dumps(dict(self.seen))

    @classmethod
    def decode(cls, row: bytes, seen: bytes | None = None) -> "FeedState":
        """Read the rows back; fields that a later version added are ignored."""
        values: dict[str, Any] = {k: v for k, v in orjson.loads(row).items() if k in _NAMES}
        entries = {key: (value[0], value[1]) for key, value in orjson.loads(seen).items()} if seen else {}
        return cls(**values, seen=entries)

    def with_settings(self, settings: FeedSettings) -> "FeedState":
        """The same feed under changed settings; one that is resumed, or was gone, is due at once."""
        woken = (self.paused and not settings.paused) or (self.gone and not settings.paused)
        return replace(
            self,
            url=settings.url,
            title=settings.title,
            category=settings.category,
            paused=settings.paused,
            interval_seconds=settings.interval_seconds,
            added_at=int(settings.added_at.timestamp()),
            gone=False if woken else self.gone,
            next_poll_at=0 if woken or settings.interval_seconds != self.interval_seconds else self.next_poll_at,
        )


def hash_body(body: bytes) -> str:
    """What a feed's row keeps of the last body that was read: 32 hex digits of its SHA-256."""
    return hashlib.sha256(body).hexdigest()[:32]


_NAMES = {f.name for f in fields(FeedState)} - {"seen"}


def new_feed(settings: FeedSettings) -> FeedState:
    """The state of a feed that was never polled; it is due at once."""
    return FeedState(url=settings.url).with_settings(settings)


def load_head(state: State, url: str) -> FeedState | None:
    """A feed without its seen entries, or None when it is not in the list."""
    row = state.get(FEED + url.encode())
    return FeedState.decode(row) if row is not None else None


def load(state: State, url: str) -> FeedState | None:
    """A feed with its seen entries, or None when it is not in the list."""
    row = state.get(FEED + url.encode())
    return FeedState.decode(row, state.get(SEEN + url.encode())) if row is not None else None


def load_heads(state: State) -> Iterator[FeedState]:
    """All feeds of a state, without their seen entries."""
    return (FeedState.decode(row) for _, row in state.scan(FEED))


def save(state: State, feed: FeedState, before: FeedState) -> None:
    """Write a feed's row, and the one of its seen entries when they are other than before."""
    key = feed.url.encode()
    state.put(FEED + key, feed.encode())
    if feed.seen is not before.seen:
        state.put(SEEN + key, feed.encode_seen())


def remove(state: State, url: str) -> None:
    """Forget a feed."""
    state.delete(FEED + url.encode())
    state.delete(SEEN + url.encode())
