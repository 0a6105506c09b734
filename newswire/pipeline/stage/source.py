"""The input of one partition: read ahead, in order, a bounded amount."""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from aiokafka.errors import KafkaError

from newswire.pipeline.stage.clients import TopicPartition
from newswire.pipeline.stage.errors import StageError

_AHEAD_BYTES: Final = 8_000_000
_END_EVERY: Final = 5  # idle polls, of a second each, between two questions for the log's end


class Source:
    """Records of one partition that are fetched and not yet committed.

    `position` is the next offset to commit: that of the first record held, or, when all are consumed, the offset after
    everything read, aborted records and transaction marks included. `end` is the log's last known stable end.
    """

    def __init__(
        self, consumer: Any, partition: TopicPartition, offset: int, ahead: int, wake: Callable[[], None]
    ) -> None:
        self._consumer = consumer
        self._partition = partition
        self._ahead = ahead
        self._wake = wake
        self._held: deque[Any] = deque()
        self._bytes = 0
        self._fetched = offset
        self._room = asyncio.Event()
        self._known_end = offset

    @property
    def position(self) -> int:
        """The next offset to commit."""
        first: int = self._held[0].offset if self._held else self._fetched
        return first

    @property
    def lag(self) -> int:
        """Offsets between the position and the log's last known stable end; 0 when everything is consumed."""
        return max(0, max(self._known_end, self._consumer.last_stable_offset(self._partition) or 0) - self.position)

    def __len__(self) -> int:
        return len(self._held)

    def peek(self, limit: int) -> list[Any]:
        """The first `limit` records held, at most."""
        return list(islice(self._held, limit))

    def consume(self, count: int) -> None:
        """Let go of the first `count` records: they are committed."""
        for _ in range(count):
            self._bytes -= _size(self._held.popleft())
        self._room.set()

    async def run(self) -> None:
        """Read until cancelled. Raises what the consumer raises, and StageError if the log went back."""
        idle = 0
        while True:
            while len(self._held) >= self._ahead or self._bytes >= _AHEAD_BYTES:
                self._room.clear()
                await self._room.wait()
            # no pause between polls: aiokafka fetches nothing while records lie in its own buffer
            polled = await self._consumer.getmany(
                self._partition, timeout_ms=1000, max_records=self._ahead - len(self._held)
            )
            records = polled.get(self._partition, ())
            fetched = await self._consumer.position(self._partition)
            if records and records[0].offset < self._fetched:
                raise StageError(f"{self._partition} went back from {self._fetched} to {records[0].offset}")
            self._held.extend(records)
            self._bytes += sum(map(_size, records))
            moved, self._fetched = fetched > self._fetched, fetched
            idle = 0 if records else idle + 1
            if idle and idle % _END_EVERY == 0:
                await self._ask_end()
            if records or moved or self.lag:
                self._wake()

    async def _ask_end(self) -> None:
        # from the broker itself: a consumer that stopped fetching would not know that it lags
        try:
            async with asyncio.timeout(5):
                ends = await self._consumer.end_offsets([self._partition])
        except (TimeoutError, KafkaError):
            return  # an outage: the consumer goes on trying
        self._known_end = max(self._known_end, ends[self._partition])


def _size(record: Any) -> int:
    return len(record.key or b"") + len(record.value or b"")
