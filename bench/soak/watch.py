"""What comes out of the wire, and when: a read_committed consumer of `raw` and `outcomes`.

The latency of an article is the time from its raw record's Kafka timestamp, which the broker gives when it appends the
record, to the moment at which this consumer has its outcome. The outcome is committed in one transaction with the
enriched record; its `position` is the number of raw records before it.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Self

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

ENRICHED = ("emitted", "updated")


@dataclass(frozen=True)
class Latency:
    """An article that was enriched at `at` (seconds of the monotonic clock), `milliseconds` after it stood in raw."""

    at: float
    milliseconds: float


@dataclass(frozen=True)
class Moment:
    """Now, by the wall clock (Unix milliseconds) and by the monotonic one (seconds)."""

    wall_ms: float
    at: float


class Watch:
    """Follows the wire while its block lasts; `raw` and `outcomes` count records."""

    def __init__(self, bootstrap_servers: str, namespace: str) -> None:
        self._raw, self._outcomes = (TopicPartition(f"{namespace}.{name}", 0) for name in ("raw", "outcomes"))
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._stamps: dict[int, int] = {}
        self._early: dict[int, tuple[bool, Moment]] = {}
        self._marks: deque[tuple[int, float]] = deque()
        self.raw = 0
        self.outcomes = 0
        self.latencies: list[Latency] = []
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        partitions = (self._raw, self._outcomes)
        self._consumer.assign(partitions)
        await self._consumer.seek_to_beginning(*partitions)
        self.task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self._consumer.stop()

    async def oldest_seconds(self) -> float:
        """The age of the oldest record of raw that Kafka still keeps; to be asked every few seconds."""
        start = (await self._consumer.beginning_offsets([self._raw]))[self._raw]
        while len(self._marks) > 1 and self._marks[1][0] <= start:
            self._marks.popleft()
        return time.time() - self._marks[0][1] if self._marks else 0.0

    async def _run(self) -> None:
        while True:
            read = await self._consumer.getmany(timeout_ms=1000)
            now = Moment(time.time() * 1000, time.monotonic())
            for record in read.get(self._raw, ()):
                self._note_raw(record.offset, record.timestamp)
            for record in read.get(self._outcomes, ()):
                self.outcomes += 1
                outcome = orjson.loads(record.value)
                self._note_outcome(outcome["position"], outcome["outcome"] in ENRICHED, now)

    def _note_raw(self, offset: int, stamp: int) -> None:
        position, self.raw = self.raw, self.raw + 1
        self._stamps[position] = stamp
        if not self._marks or stamp / 1000 - self._marks[-1][1] >= 1:
            self._marks.append((offset, stamp / 1000))
        if (early := self._early.pop(position, None)) is not None:
            self._note_outcome(position, *early)

    def _note_outcome(self, position: int, enriched: bool, now: Moment) -> None:
        stamp = self._stamps.pop(position, None)
        if stamp is None:  # the two topics are fetched apart
            self._early[position] = (enriched, now)
        elif enriched:
            self.latencies.append(Latency(now.at, now.wall_ms - stamp))
