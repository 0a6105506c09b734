"""What a parsed document means for a feed: which entries are new, which changed, which were seen. Pure, no clock.

The service decides with the time of the poll, replay with the time of the capture.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from newswire.pipeline.feeds.feedstate import FeedState
from newswire.pipeline.feeds.identity import article_id, normalise
from newswire.pipeline.feeds.parsed import ENTRIES_MAX, ParsedEntry, ParsedFeed
from newswire.schemas import RawArticle

KEEP_SECONDS = 90 * 86_400
"""How long an entry is remembered after it left its feed; prepare remembers the article as long by default."""

_FUTURE = timedelta(days=1)
_EPOCH_ENDS = datetime(1970, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Decision:
    """The articles to collect, oldest first, and the feed's next state; new + changed + seen = entries."""

    articles: tuple[RawArticle, ...]
    state: FeedState
    new: int
    changed: int
    seen: int


def decide(state: FeedState, parsed: ParsedFeed, at: datetime) -> Decision:
    """Compare a document with what was seen: by identity, then by the hash of title, summary and content.

    Dates and links do not count as content. Of entries with one identity the first in the document stands. `at`
    (aware) becomes their `observed_at`. Articles come in the order of the feed, reversed, as feeds begin with the
    newest.
    """
    now = int(at.timestamp())
    known = state.seen
    current: dict[str, tuple[str, int]] = {}
    articles: list[RawArticle] = []
    new = changed = 0
    for entry in parsed.entries:
        key = _identity(state, entry)
        if key in current:
            continue
        digest = content_hash(entry)
        before = known.get(key)
        current[key] = (digest, now)
        if before is not None and before[0] == digest:
            continue
        if before is None:
            new += 1
        else:
            changed += 1
        articles.append(_article(state, parsed, entry, at))
    seen = len(parsed.entries) - new - changed
    after = replace(
        state,
        feed_title=parsed.title or state.feed_title,
        parsed_at=now,
        new=state.new + new,
        changed=state.changed + changed,
        seen_again=state.seen_again + seen,
        seen=_remember(state, current, now),
    )
    return Decision(tuple(reversed(articles)), after, new, changed, seen)


def content_hash(entry: ParsedEntry) -> str:
    """16 hex digits of SHA-256 over title, summary and content, white space normalised."""
    parts = (normalise(entry.title), normalise(entry.summary), normalise(entry.content))
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:16]


def _identity(state: FeedState, entry: ParsedEntry) -> str:
    return article_id(
        state.url,
        entry_id=entry.entry_id,
        url=entry.url,
        title=entry.title,
        content=entry.content or entry.summary,
    )[:16]


def _article(state: FeedState, parsed: ParsedFeed, entry: ParsedEntry, at: datetime) -> RawArticle:
    return RawArticle(
        feed_url=state.public_url,
        feed_title=state.title or parsed.title,
        entry_id=entry.entry_id,
        url=entry.url,
        title=entry.title,
        summary=entry.summary,
        content=entry.content,
        content_type=entry.content_type,
        authors=entry.authors,
        categories=entry.categories,
        images=entry.images,
        language=entry.language,
        published_at=_plausible(entry.published_at, at),
        observed_at=at,
        cut=entry.cut,
    )


def _plausible(published: datetime | None, at: datetime) -> datetime | None:
    """A date that can be meant: the first day of 1970 and what is over a day ahead are programs' errors."""
    if published is None or published < _EPOCH_ENDS or published > at + _FUTURE:
        return None
    return published


def _remember(state: FeedState, current: dict[str, tuple[str, int]], now: int) -> Mapping[str, tuple[str, int]]:
    """The entries of this document, then those that left it, newest first, as long as they are kept."""
    left = []
    for key, (digest, last) in state.seen.items():
        if key not in current:
            # It was in the last document, so it stayed in the feed until just now.
            stayed = now - 1 if last == state.parsed_at else last
            if stayed >= now - KEEP_SECONDS:
                left.append((stayed, key, digest))
    room = ENTRIES_MAX - len(current)
    if len(left) > room:
        left.sort(reverse=True)
    return current | {key: (digest, last) for last, key, digest in left[: max(0, room)]}
