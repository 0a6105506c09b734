"""One poll of one feed: fetch it, parse it, and say what came of it. It never raises for the feed's own fault."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from newswire.pipeline.feeds.clock import Clock
from newswire.pipeline.feeds.feedstate import FeedState
from newswire.pipeline.feeds.fetch import Fetched, Fetcher, FetchFailed
from newswire.pipeline.feeds.parsed import NotAFeed, ParsedFeed
from newswire.pipeline.feeds.schedule import Hints, is_conditional
from newswire.pipeline.feeds.worker import ParseFailed, ParseWorker

log = structlog.get_logger(__name__)

Basis = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Document:
    """The feed gave a document that is not the last one."""

    feed: ParsedFeed
    etag: str | None
    last_modified: str | None
    body_hash: str
    hints: Hints


@dataclass(frozen=True, slots=True)
class NotModified:
    """304, or the same bytes as last time; the validators may be new all the same."""

    etag: str | None
    last_modified: str | None
    hints: Hints


@dataclass(frozen=True, slots=True)
class Failure:
    """The poll failed, for this reason."""

    error: str
    gone: bool = False
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """A finished poll. `basis` is what the row said when it began: an outcome of "as before" holds for that only."""

    url: str
    at: datetime
    basis: Basis
    outcome: Document | NotModified | Failure


def basis_of(state: FeedState) -> Basis:
    """What makes "not modified" mean something: the validators and the hash of the last body."""
    return (state.etag, state.last_modified, state.body_hash)


async def poll_feed(state: FeedState, fetcher: Fetcher, parser: ParseWorker, clock: Clock) -> Poll:
    """Poll a feed once. `state` needs no seen entries. What goes wrong becomes a Failure."""
    outcome: Document | NotModified | Failure
    try:
        async with fetcher.turn(state.address):
            outcome = await _fetch_and_parse(state, fetcher, parser)
    except FetchFailed as error:
        outcome = Failure(str(error), gone=error.status == 410, retry_after=error.retry_after)
    except (NotAFeed, ParseFailed) as error:
        outcome = Failure(str(error))
    except Exception as error:  # a fault of ours with this feed: recorded there, and no other feed pays for it
        log.exception("poll broke", feed=state.public_url)
        outcome = Failure(f"internal error: {type(error).__name__}")
    now = clock.now()
    # Records carry milliseconds: decide and the record are to have the same time.
    return Poll(state.url, now.replace(microsecond=now.microsecond // 1000 * 1000), basis_of(state), outcome)


async def _fetch_and_parse(state: FeedState, fetcher: Fetcher, parser: ParseWorker) -> Document | NotModified:
    validators = (state.etag, state.last_modified) if is_conditional(state) else (None, None)
    fetched = await fetcher.fetch(state.address, *validators)
    hints = Hints(fetched.max_age, None, fetched.retry_after, fetched.permanent_redirect)
    if fetched.body is None:
        if validators == (None, None):
            raise FetchFailed("http 304", "without being asked for it")
        return NotModified(fetched.etag or state.etag, fetched.last_modified or state.last_modified, hints)
    body_hash = hashlib.sha256(fetched.body).hexdigest()[:32]
    if body_hash == state.body_hash:
        return NotModified(fetched.etag, fetched.last_modified, hints)
    feed = await _parse(fetched, parser)
    return Document(feed, fetched.etag, fetched.last_modified, body_hash, replace(hints, ttl=feed.ttl))


async def _parse(fetched: Fetched, parser: ParseWorker) -> ParsedFeed:
    assert fetched.body is not None
    return await parser.parse(fetched.body, fetched.content_type, fetched.final_url)
