"""The collector: for each partition that this process owns, polls the feeds of its state when they are due."""

import asyncio
import heapq
import math
import socket
from contextlib import suppress
from typing import Protocol

from newswire.pipeline.archive.recorder import Recorder
from newswire.pipeline.archive.write import ArchiveWriter
from newswire.pipeline.feeds.clock import Clock, SystemClock
from newswire.pipeline.feeds.feedstate import FeedState, load_head, load_heads
from newswire.pipeline.feeds.fetch import Fetcher
from newswire.pipeline.feeds.moments import Moments
from newswire.pipeline.feeds.parsed import Limits
from newswire.pipeline.feeds.polls import Document, Failure, Poll, poll_feed
from newswire.pipeline.feeds.schedule import is_due
from newswire.pipeline.feeds.worker import ParseWorker
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage import PartitionClosed, fatal
from newswire.pipeline.state import State

_SLEEP_MAX = 3_600.0

QUIET_SECONDS = 1.5
"""How long a poll without a document waits for others to share its transaction, which costs more than the poll in it.
A feed that is polled every 2 s keeps its time, and the reason of a failure is soon to be read."""

UNCHANGED_SECONDS = 10.0
"""How long one that found its feed unchanged may wait, though not over half of the feed's interval: nobody misses what
it says, and after a crash the feed is only asked again."""

QUIET_MAX = 256
"""Polls of one item of work at most: each takes the agent about 0.2 ms, and no heartbeat goes out in between."""


class OwnedPartition(Protocol):
    """What the collector needs of the stage's Partition."""

    @property
    def state(self) -> State:
        """The committed rows."""

    async def submit(self, item: object) -> None:
        """Hand finished work to the agent: a tuple of polls. Raises PartitionClosed."""


class PartitionPoller:
    """Polls the feeds of one partition. Finished polls go to the agent, which calls `done` and `refresh` for each.

    Each item of work is a tuple of polls: one that brought a document comes alone and at once; those that did not
    (nothing new, a failure) are collected for a while, QUIET_MAX at most.

    It keeps a copy of the feeds' rows without their entries. A feed is polled again only after its row was refreshed,
    so that one feed is never polled twice at a time.
    """

    def __init__(
        self,
        partition: OwnedPartition,
        fetcher: Fetcher,
        parser: ParseWorker,
        clock: Clock,
        moments: Moments,
        recorder: Recorder | None = None,
    ) -> None:
        self._partition = partition
        self._fetcher = fetcher
        self._parser = parser
        self._clock = clock
        self._moments = moments
        self._recorder = recorder
        self._feeds: dict[str, FeedState] = {}
        self._due: list[tuple[float, str]] = []
        self._polls: dict[str, asyncio.Task[None]] = {}
        self._quiet: list[Poll] = []  # finished without a document, not submitted yet
        self._quiet_until = math.inf  # when they are, in the event loop's time
        self._submitting: asyncio.TimerHandle | None = None
        self._submissions: set[asyncio.Task[None]] = set()
        self._wakes_at = math.inf
        self._sleep: asyncio.Task[None] | None = None
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
            self._moments.forget(url)
        else:
            self._put(feed)

    async def close(self) -> None:
        """Stop polling; polls under way are given up, as the partition's next owner does them again."""
        if self._submitting is not None:
            self._submitting.cancel()
        tasks = [self._running, *self._polls.values(), *self._submissions]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for url in self._feeds:
            self._moments.forget(url)

    def _put(self, feed: FeedState) -> None:
        self._feeds[feed.url] = feed
        due = self._moments.take(feed.url, feed.next_poll_at)
        heapq.heappush(self._due, (due, feed.url))
        # Only for a feed that is due earlier: 50 refreshes a second would be as many wake-ups, and most for nothing.
        if due < self._wakes_at and self._sleep is not None:
            self._sleep.cancel()

    async def _run(self) -> None:
        while True:
            now = self._clock.now().timestamp()
            while self._due and self._due[0][0] <= now:
                _, url = heapq.heappop(self._due)
                feed = self._feeds.get(url)
                # An entry may be of an older row; the newest one has its own.
                if feed is not None and url not in self._polls and is_due(feed, now):
                    self._polls[url] = asyncio.create_task(self._poll(feed))
            self._wakes_at = self._due[0][0] if self._due else math.inf
            self._sleep = asyncio.create_task(self._clock.sleep(min(self._wakes_at - now, _SLEEP_MAX)))
            try:
                await asyncio.wait([self._sleep])  # which does not raise when _put() cancels the sleep
            finally:
                self._sleep.cancel()

    async def _poll(self, feed: FeedState) -> None:
        poll = await poll_feed(feed, self._fetcher, self._parser, self._clock, self._recorder)
        if isinstance(poll.outcome, Document):
            await self._submit((poll,))
        else:
            self._collect(poll, _patience(feed, poll))

    def _collect(self, poll: Poll, seconds: float) -> None:
        """Submit a poll with others like it, in at most so many seconds."""
        self._quiet.append(poll)
        if len(self._quiet) >= QUIET_MAX:
            self._submit_quiet()
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if until < self._quiet_until:
            if self._submitting is not None:
                self._submitting.cancel()
            self._quiet_until = until
            self._submitting = loop.call_at(until, self._submit_quiet)

    def _submit_quiet(self) -> None:
        if self._submitting is not None:
            self._submitting.cancel()
        polls, self._quiet, self._quiet_until = tuple(self._quiet), [], math.inf
        task = asyncio.create_task(self._submit(polls))
        self._submissions.add(task)
        task.add_done_callback(self._submissions.discard)

    async def _submit(self, polls: tuple[Poll, ...]) -> None:
        with suppress(PartitionClosed):
            await self._partition.submit(polls)


def _patience(feed: FeedState, poll: Poll) -> float:
    """How many seconds a poll without a document may wait for others."""
    if isinstance(poll.outcome, Failure):
        return QUIET_SECONDS
    return max(QUIET_SECONDS, min((feed.interval_seconds or feed.interval) / 2, UNCHANGED_SECONDS))


def _ended(task: asyncio.Task[None]) -> None:
    """A scheduler that fails would leave its feeds unpolled for ever: the process ends and is started again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        fatal(error, "collector")


class Collector:
    """What the pollers of a process share while any is open: HTTP session with limits, parse worker, moments, archive.

    `name` tells this process from others in the names of the archive's files.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None, name: str | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        name = name or socket.gethostname()
        self._recorder = _recorder(settings, name)
        self._moments = Moments(name)
        self._pollers: set[PartitionPoller] = set()
        self._fetcher: Fetcher | None = None
        self._parser: ParseWorker | None = None

    def counts(self) -> dict[str, int]:
        """How many bodies were archived since the process began and how many were not; nothing without an archive.

        `archive_failing` is 1 while the last one was not.
        """
        if self._recorder is None:
            return {}
        counts = self._recorder.counts
        return {"archived": counts.kept, "not_archived": counts.failed, "archive_failing": int(counts.failing)}

    async def open(self, partition: OwnedPartition) -> PartitionPoller:
        """Begin to poll a partition's feeds."""
        if self._fetcher is None or self._parser is None:
            collect = self._settings.collect
            self._fetcher = await Fetcher(collect, self._clock).__aenter__()
            self._parser = ParseWorker(
                Limits.of(self._settings), timeout=collect.parse_timeout, memory_max=collect.parse_memory_max
            )
        poller = PartitionPoller(partition, self._fetcher, self._parser, self._clock, self._moments, self._recorder)
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
            if self._recorder is not None:
                await self._recorder.close()


def _recorder(settings: Settings, name: str) -> Recorder | None:
    archive = settings.archive
    if archive.folder is None:
        return None
    return Recorder(ArchiveWriter(archive.folder, settings.namespace, name, archive.file_max))
