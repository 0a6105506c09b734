"""A capture to the records that it gives: parsed and decided as the poller would have done it then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from newswire.pipeline.feeds.decide import decide
from newswire.pipeline.feeds.feedstate import FeedState, load, save
from newswire.pipeline.feeds.identity import raw_article_id
from newswire.pipeline.feeds.parsed import Limits, NotAFeed
from newswire.pipeline.feeds.worker import ParseFailed, ParseWorker
from newswire.pipeline.replay.items import Capture, CaptureError
from newswire.pipeline.replay.where import Where
from newswire.pipeline.replay.writer import CaptureReader, Decided
from newswire.pipeline.settings import Settings
from newswire.pipeline.state import State

PATIENCE = 6
"""A replay waits this many times the service's limit for a parser: a busy machine may not change what it gives."""


@asynccontextmanager
async def capture_reader(settings: Settings, where: Where | None = None) -> AsyncIterator[CaptureReader]:
    """A reader of captures, with a parser process of its own while the block lasts.

    The manifest's `feed` becomes the articles' `feed_url` as it stands, a plain name too. Articles that do not fulfil
    `where` are known afterwards as the others are, but not collected.
    """
    timeout = settings.collect.parse_timeout * PATIENCE
    worker = ParseWorker(Limits.of(settings), timeout=timeout, memory_max=settings.collect.parse_memory_max)

    async def read(capture: Capture, body: bytes, state: State) -> Decided:
        feed = load(state, capture.feed) or FeedState(url=capture.feed)
        try:
            parsed = await worker.parse(body, None, capture.feed)
        except (NotAFeed, ParseFailed) as error:
            raise CaptureError(str(error)) from None
        decision = decide(feed, parsed, capture.at)
        save(state, decision.state, feed)
        articles = [article for article in decision.articles if where is None or where.holds_raw(article)]
        return Decided(
            feed=feed.public_url,
            records=tuple((raw_article_id(article).encode(), article.encode()) for article in articles),
            new=decision.new,
            changed=decision.changed,
            seen=decision.seen,
            skipped=len(decision.articles) - len(articles),
        )

    try:
        yield read
    finally:
        await worker.close()
