"""One at a time, and of those who wait the one whose record has waited longest.

The partitions of a stage share its agent. Taken in any other order, a record would be passed by younger ones of other
partitions, and where the wire puts all of them in order again, those would have to wait for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush

Since = tuple[float, int]
"""Since when the record has waited (Unix ms), and a number that orders records of one millisecond."""


class Turns:
    """Hands one turn round, the smallest `Since` first, then who asked first; not thread-safe."""

    def __init__(self) -> None:
        self._taken = False
        self._asked = 0
        self._waiting: list[tuple[Since, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, since: Since) -> AsyncIterator[None]:
        """Wait for the turn and hold it while the block lasts."""
        await self._take(since)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, since: Since) -> None:
        if not self._taken:
            self._taken = True
            return
        mine = asyncio.get_running_loop().create_future()
        self._asked += 1
        heappush(self._waiting, (since, self._asked, mine))
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._pass_on()  # it was given the turn at the moment when it gave up
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            *_, next_one = heappop(self._waiting)
            if not next_one.done():
                next_one.set_result(None)
                return
        self._taken = False
