"""One owned input partition: what its domain code sees of it, and the work that finished for it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Final, TypeVar

from newswire.pipeline.stage.errors import PartitionClosed
from newswire.pipeline.stage.overlay import CommittedView
from newswire.pipeline.stage.records import State
from newswire.pipeline.stage.store import StateStore

_WORK_MAX: Final = 1000
T = TypeVar("T")


class Partition:
    """A partition this process owns, from open_partition until close_partition.

    `number` is the partition's number, `state` its committed rows, which cannot be written here.
    """

    def __init__(
        self, number: int, store: StateStore, wake: Callable[[], None], moved: Callable[[], None] = lambda: None
    ) -> None:
        self.number = number
        self.state: State = CommittedView(store)
        self._wake = wake
        self._moved = moved
        self._work: deque[object] = deque()
        self._room = asyncio.Event()
        self._closed = False

    async def in_turns(self, work: Generator[None, None, T]) -> T:
        """Do what opening the partition takes, piece by piece, and return what it returns.

        Between two pieces the event loop has its turn, so that the group still hears of this member, and the watchdog a
        sign of progress.
        """
        while True:
            try:
                next(work)
            except StopIteration as end:
                result: T = end.value
                return result
            self._moved()
            await asyncio.sleep(0)

    async def submit(self, item: object) -> None:
        """Hand finished work to the agent, in `batch.work`; it wakes the stage when there is no input.

        Waits while a thousand items are not taken yet. Raises PartitionClosed once the partition was given up: the work
        is dropped, its new owner does it again.
        """
        while len(self._work) >= _WORK_MAX and not self._closed:
            self._room.clear()
            await self._room.wait()
        if self._closed:
            raise PartitionClosed(f"partition {self.number} was given up")
        self._work.append(item)
        self._wake()

    @property
    def pending(self) -> int:
        """The number of submitted items that no batch has taken."""
        return len(self._work)

    def take_work(self, limit: int) -> tuple[object, ...]:
        """The stage takes what is there, in order, at most `limit` items."""
        taken = tuple(self._work.popleft() for _ in range(min(limit, len(self._work))))
        self._room.set()
        return taken

    def close(self) -> None:
        """The stage gives the partition up; who waits in submit() is told."""
        self._closed = True
        self._room.set()


class Clock:
    """When something began that has not ended, for a watchdog in another thread; times are time.monotonic()."""

    def __init__(self) -> None:
        self.since: float | None = None

    def begin(self) -> None:
        """Something is to be done; keeps the first beginning."""
        if self.since is None:
            self.since = time.monotonic()

    def restart(self) -> None:
        """There was progress, and more is to be done."""
        self.since = time.monotonic()

    def end(self) -> None:
        """Nothing is to be done."""
        self.since = None

    def seconds(self) -> float:
        """How long since the beginning, 0 when nothing is to be done."""
        since = self.since
        return 0.0 if since is None else time.monotonic() - since
