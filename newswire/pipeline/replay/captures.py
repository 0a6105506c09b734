"""A capture to the records that it gives: parsed and decided as the poller would have done it then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from newswire.pipeline.feeds.decide import decide
from newswire.pipeline.feeds.feedstate import FeedState, hash_body, load, save
from newswire.pipeline.feeds.fit import fit
from newswire.pipeline.feeds.identity import raw_article_id
from newswire.pipeline.feeds.parsed import Limits, NotAFeed
from newswire.pipeline.feeds.worker import ParseFailed, ParseWorker
from newswire.pipeline.replay.items import Capture, CaptureError
from newswire.pipeline.replay.warc import WarcCapture
from newswire.pipeline.replay.where import Where
from newswire.pipeline.replay.writer import CaptureReader, Decided
from newswire.pipeline.settings import Settings
from newswire.pipeline.state import State

PATIENCE = 6
"""A replay waits this many times the service's limit for a parser: a busy machine may not change what it gives."""


@asynccontextmanager
async def capture_reader(settings: Settings, where: Where | None = None) -> AsyncIterator[CaptureReader]:
    """A reader of captures, with a parser process of its own while the block lasts.

    The manifest's `feed` becomes the articles' `feed_url` as it stands, a plain name too. A capture of a WARC file is
    read as the poller read the answer: the body that was read last gives nothing. Articles that do not fulfil `where`
    are known afterwards as the others are, but not collected.
    """
    timeout = settings.collect.parse_timeout * PATIENCE
    worker = ParseWorker(Limits.of(settings), timeout=timeout, memory_max=settings.collect.parse_memory_max)

    async def read(capture: Capture, body: bytes, state: State) -> Decided:
        feed = load(state, capture.feed) or FeedState(url=capture.feed)
        content_type, url, body_hash = None, capture.feed, None
        if isinstance(capture, WarcCapture):
            feed = _as_polled(feed, capture)
            content_type, url, body_hash = capture.content_type, capture.url, hash_body(body)
            if body_hash == feed.body_hash:
                return Decided(feed.public_url, (), 0, 0, 0, skipped=0)
        try:
            parsed = await worker.parse(body, content_type, url)
        except (NotAFeed, ParseFailed) as error:
            raise CaptureError(str(error)) from None
        decision = decide(feed, parsed, capture.at)
        save(state, replace(decision.state, body_hash=body_hash), feed)
        wanted = [article for article in decision.articles if where is None or where.holds_raw(article)]
        return Decided(
            feed=feed.public_url,
            records=tuple((raw_article_id(article).encode(), article.encode()) for article in map(fit, wanted)),
            new=decision.new,
            changed=decision.changed,
            seen=decision.seen,
            skipped=len(decision.articles) - len(wanted),
        )

    try:
        yield read
    finally:
        await worker.close()


def _as_polled(feed: FeedState, capture: WarcCapture) -> FeedState:
    """The feed's row as it was when the capture was polled, a new one when the feed had been added anew."""
    if capture.life is not None and capture.life != feed.added_at:
        feed = FeedState(url=capture.feed, added_at=capture.life)
    return replace(feed, title=capture.title)
