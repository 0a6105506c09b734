"""One poll of one feed: fetch it, parse it, and say what came of it. It never raises for the feed's own fault."""

from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from newswire.pipeline.archive.record import Answer, Origin
from newswire.pipeline.archive.recorder import Recorder
from newswire.pipeline.feeds.clock import Clock
from newswire.pipeline.feeds.feedstate import FeedState, hash_body
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


Outcome = Document | NotModified | Failure


@dataclass(frozen=True, slots=True)
class Poll:
    """A finished poll. `basis` is what the row said when it began: an outcome of "as before" holds for that only."""

    url: str
    at: datetime
    basis: Basis
    outcome: Outcome


def basis_of(state: FeedState) -> Basis:
    """What makes "not modified" mean something: the validators and the hash of the last body."""
    return (state.etag, state.last_modified, state.body_hash)


async def poll_feed(
    state: FeedState, fetcher: Fetcher, parser: ParseWorker, clock: Clock, recorder: Recorder | None = None
) -> Poll:
    """Poll a feed once. `state` needs no seen entries. What goes wrong becomes a Failure.

    With a `recorder` a body that came is kept before this returns, whatever it turned out to be.
    """
    try:
        async with fetcher.turn(state.address):
            outcome, fetched = await _attempt(state, fetcher, parser)
            poll = _finished(state, outcome, clock)
            if recorder is not None and fetched is not None and fetched.body is not None:
                await recorder.keep(_answer(state, fetched, poll))
            return poll
    except Exception as error:
        return _finished(state, _failure(state, error), clock)


async def _attempt(state: FeedState, fetcher: Fetcher, parser: ParseWorker) -> tuple[Outcome, Fetched | None]:
    """What came of a poll, and the answer if there was one."""
    fetched = None
    try:
        fetched = await _fetch(state, fetcher)
        return await _read(state, fetched, parser), fetched
    except Exception as error:
        return _failure(state, error), fetched


def _finished(state: FeedState, outcome: Outcome, clock: Clock) -> Poll:
    now = clock.now()
    # Records carry milliseconds: decide and the record are to have the same time.
    return Poll(state.url, now.replace(microsecond=now.microsecond // 1000 * 1000), basis_of(state), outcome)


def _failure(state: FeedState, error: Exception) -> Failure:
    if isinstance(error, FetchFailed):
        return Failure(str(error), gone=error.status == 410, retry_after=error.retry_after)
    if isinstance(error, NotAFeed | ParseFailed):
        return Failure(str(error))
    # a fault of ours with this feed: recorded there, and no other feed pays for it
    log.error("poll broke", feed=state.public_url, exc_info=error)
    return Failure(f"internal error: {type(error).__name__}")


async def _fetch(state: FeedState, fetcher: Fetcher) -> Fetched:
    validators = (state.etag, state.last_modified) if is_conditional(state) else (None, None)
    fetched = await fetcher.fetch(state.address, *validators)
    if fetched.body is None and validators == (None, None):
        raise FetchFailed("http 304", "without being asked for it")
    return fetched


async def _read(state: FeedState, fetched: Fetched, parser: ParseWorker) -> Document | NotModified:
    hints = Hints(fetched.max_age, None, fetched.retry_after, fetched.permanent_redirect)
    if fetched.body is None:
        return NotModified(fetched.etag or state.etag, fetched.last_modified or state.last_modified, hints)
    body_hash = hash_body(fetched.body)
    if body_hash == state.body_hash:
        return NotModified(fetched.etag, fetched.last_modified, hints)
    feed = await parser.parse(fetched.body, fetched.content_type, fetched.final_url)
    return Document(feed, fetched.etag, fetched.last_modified, body_hash, replace(hints, ttl=feed.ttl))


def _answer(state: FeedState, fetched: Fetched, poll: Poll) -> Answer:
    assert fetched.body is not None
    assert fetched.head is not None
    return Answer(
        at=poll.at,
        origin=Origin(
            feed=state.public_url,
            title=state.title,
            added_at=state.added_at,
            read_at=state.parsed_at,
            read=isinstance(poll.outcome, Document),
        ),
        url=fetched.final_url,
        protocol=fetched.head.protocol,
        status=fetched.head.status,
        headers=fetched.head.headers,
        body=fetched.body,
    )
