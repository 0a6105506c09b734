"""What the collect stage does with a settings record and with a finished poll, on its partition's state."""

from dataclasses import replace

import structlog

from newswire.pipeline.feeds.canonical import canonical_url, without_userinfo
from newswire.pipeline.feeds.decide import decide
from newswire.pipeline.feeds.feedstate import FeedState, load, load_head, new_feed, remove, save
from newswire.pipeline.feeds.fit import fit
from newswire.pipeline.feeds.identity import raw_article_id
from newswire.pipeline.feeds.polls import Document, Failure, NotModified, Poll, basis_of
from newswire.pipeline.feeds.schedule import Rules, after_document, after_failure, after_not_modified
from newswire.pipeline.settings import Settings
from newswire.pipeline.state import State
from newswire.pipeline.step import Result, Source, emission, stray
from newswire.schemas import FeedSettings
from newswire.schemas.common import ContractError

STAGE = "collect"

KEY_SHOWN = 200
"""Characters of a refused record's key that the log says: a poison key may be of any length."""

log = structlog.get_logger(__name__)


class CollectStep:
    """Decisions of the collector; all it knows of time comes with the polls."""

    def __init__(self, settings: Settings) -> None:
        self._rules = Rules.of(settings.collect)

    def settings(self, source: Source, state: State) -> Result:
        """Carry out a record of `feeds`: add, change, pause, resume, or (no value) remove. A poison one is stray."""
        try:
            url = (source.key or b"").decode()
            if source.value is None:
                remove(state, url)
                log.info("feed removed", feed=without_userinfo(url))
                return Result(())
            wanted = FeedSettings.decode(source.value)
            if wanted.url != url:
                raise ContractError("the key is not the feed's URL")
            if canonical_url(url) is None:
                raise ContractError("the feed's URL is no http(s) URL")
        except (ContractError, UnicodeDecodeError) as error:
            log.warning(
                "settings refused",
                reason=str(error),
                key=without_userinfo((source.key or b"").decode(errors="replace"))[:KEY_SHOWN],
                partition=source.partition,
                offset=source.offset,
            )
            return stray(source, STAGE, str(error))
        before = load_head(state, url)
        feed = before.with_settings(wanted) if before is not None else new_feed(wanted)
        save(state, feed, before or feed)
        log.info("feed added" if before is None else "feed changed", feed=feed.public_url, paused=feed.paused)
        return Result(())

    def finished(self, poll: Poll, state: State) -> Result:
        """Take a poll's outcome into the newest row of its feed, and give the articles to send."""
        outcome = poll.outcome
        feed = (load if isinstance(outcome, Document) else load_head)(state, poll.url)
        if feed is None or feed.paused:
            return Result(())  # removed or paused while it was polled
        if isinstance(outcome, Document):
            return self._document(feed, poll, outcome, state)
        if isinstance(outcome, NotModified):
            self._not_modified(feed, poll, outcome, state)
        else:
            self._failure(feed, poll, outcome, state)
        return Result(())

    def _document(self, feed: FeedState, poll: Poll, outcome: Document, state: State) -> Result:
        decision = decide(feed, outcome.feed, poll.at)
        found = len(decision.articles)
        after = after_document(decision.state, poll.at, self._rules, outcome.hints, found=found > 0)
        after = replace(after, etag=outcome.etag, last_modified=outcome.last_modified, body_hash=outcome.body_hash)
        save(state, after, feed)
        log.info(
            "feed read",
            feed=feed.public_url,
            new=decision.new,
            changed=decision.changed,
            seen=decision.seen,
            dropped=outcome.feed.dropped,
            parser=outcome.feed.parser,
            next_poll_at=after.next_poll_at,
        )
        articles = (fit(article) for article in decision.articles)
        emissions = tuple(emission("raw", raw_article_id(article), article) for article in articles)
        return Result(emissions, feed.public_url, {"out": found} if found else {})

    def _not_modified(self, feed: FeedState, poll: Poll, outcome: NotModified, state: State) -> None:
        if basis_of(feed) != poll.basis:
            return  # removed and added again while it was polled: this feed is not the one that was not modified
        after = after_not_modified(feed, poll.at, self._rules, outcome.hints)
        # New validators are kept even if the body was the same: without them the next poll would fetch it again.
        save(state, replace(after, etag=outcome.etag, last_modified=outcome.last_modified), feed)
        log.debug("feed not modified", feed=feed.public_url, next_poll_at=after.next_poll_at)

    def _failure(self, feed: FeedState, poll: Poll, outcome: Failure, state: State) -> None:
        after = after_failure(
            feed, poll.at, self._rules, outcome.error, gone=outcome.gone, retry_after=outcome.retry_after
        )
        save(state, after, feed)
        log.warning(
            "feed failed",
            feed=feed.public_url,
            reason=after.error,
            failures=after.failures,
            next_poll_at=after.next_poll_at,
        )
