"""Reading a topic up to its end as it stands, committed records only: the edge that ledger and quarantine share."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from newswire.pipeline.broker.client import admin_client, existing_topics
from newswire.pipeline.closing import close

WAIT_MS = 1_000
CHUNK = 20_000
FETCH_WAIT_MS = 10
BACKOFF_MS = 5
SETTLE_PAUSE = 0.02
LOOK_BACK = 10
"""Offsets that are looked at first for the newest record of a kind; ten times as many with each further look."""


class LogReader:
    """Reads topics of one cluster; make it with `open_reader`."""

    def __init__(self, consumer: Any, uncommitted: Any, partitions: Mapping[str, int]) -> None:
        self._consumer = consumer
        self._uncommitted = uncommitted
        self._partitions = partitions

    def partitions(self, topic: str) -> list[TopicPartition]:
        """The topic's partitions; none for a topic that is not there."""
        return [TopicPartition(topic, number) for number in range(self._partitions.get(topic, 0))]

    async def start(self, partition: TopicPartition) -> int:
        """The offset of the oldest record that is kept."""
        return int((await self._consumer.beginning_offsets([partition]))[partition])

    async def end(self, partition: TopicPartition) -> int:
        """The offset behind the newest record that is committed, and before any open transaction."""
        return int((await self._consumer.end_offsets([partition]))[partition])

    async def starts(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset of the oldest record that is kept, of each."""
        return dict(await self._consumer.beginning_offsets(list(partitions))) if partitions else {}

    async def at_time(self, partition: TopicPartition, milliseconds: int) -> int:
        """The offset of the first record with this timestamp (Unix milliseconds) or a later one; the end if none."""
        found = (await self._consumer.offsets_for_times({partition: milliseconds}))[partition]
        return await self.end(partition) if found is None else int(found.offset)

    async def settle(self, partition: TopicPartition, deadline: float) -> bool:
        """Wait until all that stands on the partition now is committed or aborted; False when the time is over.

        A commit reaches its partitions one after the other, and other writers' open transactions hide what is
        committed behind them. `deadline` is a time.monotonic().
        """
        written = int((await self._uncommitted.end_offsets([partition]))[partition])
        while await self.end(partition) < written:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(SETTLE_PAUSE)
        return True

    async def bounds(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, range]:
        """The offsets that each partition has now, in two requests for all of them."""
        # To be told of all topics at once: one after the other takes a tenth of a second each.
        self._consumer.assign(partitions)
        starts = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        return {partition: range(starts[partition], ends[partition]) for partition in partitions}

    async def newest(self, partition: TopicPartition, offsets: range, wanted: Callable[[Any], bool]) -> Any | None:
        """The last wanted record among these offsets, or None; cheap where it stands near their end."""
        until, step = offsets.stop, LOOK_BACK
        while until > offsets.start:
            begin, found = max(offsets.start, until - step), None
            async for record in self.records(partition, begin, until):
                found = record if wanted(record) else found
            if found is not None:
                return found
            until, step = begin, step * 10
        return None

    async def records(
        self, partition: TopicPartition, since: int | None = None, until: int | None = None
    ) -> AsyncIterator[Any]:
        """The records from an offset (null: the oldest) up to another (null: the end as it is at the call), in order.

        The end is the last stable offset: of a transaction each batch of records is read whole or not at all.
        """
        async for chunk in self._chunks(partition, since, until):
            for record in chunk:
                yield record

    async def _chunks(
        self, partition: TopicPartition, since: int | None = None, until: int | None = None
    ) -> AsyncIterator[list[Any]]:
        consumer = self._consumer
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition] if until is None else until
        position = max(since or 0, await self.start(partition))
        consumer.seek(partition, position)
        while position < end:
            read = await consumer.getmany(partition, timeout_ms=WAIT_MS, max_records=CHUNK)
            chunk = read.get(partition, [])
            yield chunk if not chunk or chunk[-1].offset < end else [one for one in chunk if one.offset < end]
            position = await consumer.position(partition)

    async def record_at(self, partition: TopicPartition, offset: int) -> Any | None:
        """The record that stands at an offset, or None when it is no longer kept."""
        if offset < await self.start(partition):
            return None
        async for record in self.records(partition, offset):
            return record if record.offset == offset else None
        return None

    async def table(self, partition: TopicPartition, wanted: Callable[[bytes], bool]) -> dict[bytes, bytes]:
        """The newest value of each wanted key of a compacted topic; removed keys are left out."""
        rows: dict[bytes, bytes] = {}
        async for chunk in self._chunks(partition):
            for record in chunk:
                key, value = record.key, record.value
                if key is None or not wanted(key):
                    continue
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
        return rows


@asynccontextmanager
async def open_reader(bootstrap_servers: str, options: Mapping[str, Any]) -> AsyncIterator[LogReader]:
    """A reader for as long as the block lasts. `options`: further arguments of every client. Raises BrokerError."""
    async with admin_client(bootstrap_servers, options) as admin:
        partitions = {topic: len(found) for topic, found in (await existing_topics(admin)).items()}
    async with (
        _consumer(bootstrap_servers, options, "read_committed") as consumer,
        _consumer(bootstrap_servers, options, "read_uncommitted") as uncommitted,
    ):
        yield LogReader(consumer, uncommitted, partitions)


@asynccontextmanager
async def _consumer(bootstrap_servers: str, options: Mapping[str, Any], isolation_level: str) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        isolation_level=isolation_level,
        auto_offset_reset="none",
        # Nothing is waited for past the end, but a fetch there would hold up the next partition's for its whole wait.
        fetch_max_wait_ms=FETCH_WAIT_MS,
        # So long aiokafka sleeps where it does not know a topic's leader yet: once for each topic.
        retry_backoff_ms=BACKOFF_MS,
        max_partition_fetch_bytes=4 << 20,
        **options,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await close(consumer)
