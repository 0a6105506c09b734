"""The collector: for each partition that this process owns, polls the feeds of its state when they are due."""

import asyncio
import heapq
from contextlib import suppress
from typing import Protocol

from newswire.pipeline.feeds.clock import Clock, SystemClock
from newswire.pipeline.feeds.feedstate import FeedState, load_head, load_heads
from newswire.pipeline.feeds.fetch import Fetcher
from newswire.pipeline.feeds.parsed import Limits
from newswire.pipeline.feeds.polls import Poll, poll_feed
from newswire.pipeline.feeds.schedule import is_due
from newswire.pipeline.feeds.worker import ParseWorker
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage import PartitionClosed, fatal
from newswire.pipeline.state import State

_SLEEP_MAX = 3_600.0


class OwnedPartition(Protocol):
    """What the collector needs of the stage's Partition."""

    @property
    def state(self) -> State:
        """The committed rows."""

    async def submit(self, item: object) -> None:
        """Hand finished work to the agent."""


class PartitionPoller:
    """Polls the feeds of one partition. Finished polls go to the agent, which calls `done` and `refresh` for each.

    It keeps a copy of the feeds' rows without their entries. A feed is polled again only after its row was refreshed,
    so that one feed is never polled twice at a time.
    """

    def __init__(self, partition: OwnedPartition, fetcher: Fetcher, parser: ParseWorker, clock: Clock) -> None:
        self._partition = partition
        self._fetcher = fetcher
        self._parser = parser
        self._clock = clock
        self._feeds: dict[str, FeedState] = {}
        self._due: list[tuple[int, str]] = []
        self._polls: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        for feed in load_heads(partition.state):
            self._put(feed)
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(_ended)

    def done(self, poll: Poll) -> None:
        """The agent has taken a poll: its feed may be polled again."""
        self._polls.pop(poll.url, None)

    def refresh(self, url: str, state: State) -> None:
        """Take a feed's row over from the batch that wrote it; after `done`, even if nothing was written."""
        feed = load_head(state, url)
        if feed is None:
            self._feeds.pop(url, None)
        else:
            self._put(feed)
        self._changed.set()

    async def close(self) -> None:
        """Stop polling; polls under way are given up, as the partition's next owner does them again."""
        tasks = [self._running, *self._polls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _put(self, feed: FeedState) -> None:
        self._feeds[feed.url] = feed
        heapq.heappush(self._due, (feed.next_poll_at, feed.url))

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            now = self._clock.now().timestamp()
            while self._due and self._due[0][0] <= now:
                _, url = heapq.heappop(self._due)
                feed = self._feeds.get(url)
                # An entry may be of an older row; the newest one has its own.
                if feed is not None and url not in self._polls and is_due(feed, now):
                    self._polls[url] = asyncio.create_task(self._poll(feed))
            await self._wait(min(self._due[0][0] - now, _SLEEP_MAX) if self._due else _SLEEP_MAX)

    async def _wait(self, seconds: float) -> None:
        tasks = [asyncio.create_task(self._clock.sleep(seconds)), asyncio.create_task(self._changed.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self, feed: FeedState) -> None:
        poll = await poll_feed(feed, self._fetcher, self._parser, self._clock)
        with suppress(PartitionClosed):
            await self._partition.submit(poll)


def _ended(task: asyncio.Task[None]) -> None:
    """A scheduler that fails would leave its feeds unpolled for ever: the process ends and is started again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        fatal(error, "collector")


class Collector:
    """What the pollers of a process share: one HTTP session with its limits and one parse worker, while any is open."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._pollers: set[PartitionPoller] = set()
        self._fetcher: Fetcher | None = None
        self._parser: ParseWorker | None = None

    async def open(self, partition: OwnedPartition) -> PartitionPoller:
        """Begin to poll a partition's feeds."""
        if self._fetcher is None or self._parser is None:
            collect = self._settings.collect
            self._fetcher = await Fetcher(collect, self._clock).__aenter__()
            self._parser = ParseWorker(
                Limits.of(self._settings), timeout=collect.parse_timeout, memory_max=collect.parse_memory_max
            )
        poller = PartitionPoller(partition, self._fetcher, self._parser, self._clock)
        self._pollers.add(poller)
        return poller

    async def close(self, poller: object) -> None:
        """End a partition's polling; with the last one the session and the worker end too."""
        assert isinstance(poller, PartitionPoller)
        await poller.close()
        self._pollers.discard(poller)
        if not self._pollers and self._fetcher is not None and self._parser is not None:
            fetcher, parser = self._fetcher, self._parser
            self._fetcher = self._parser = None
            await fetcher.__aexit__()
            await parser.close()
