"""Another namespace's raw topic as a source: its articles go through the code and the model of today."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from newswire.pipeline.connection import Connection
from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.replay.items import Line, fingerprint
from newswire.pipeline.replay.join import Join
from newswire.pipeline.replay.lines import SourceError
from newswire.pipeline.replay.records import describe
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.replay.where import Where
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.schemas.common import Part, Timestamp

PREFIX = "namespace:"
"""What a source that is a namespace begins with on the command line."""


class Extent(Part):
    """The part of a namespace that a replay goes over: offsets of its topics, fixed when the replay begins.

    `begin` and `end` are of raw. `since` is given when raw has lost its beginning to retention: from when its records
    reach (their observed time, else when the log took them; null when none is left).
    """

    begin: int
    end: int
    enriched_end: int
    outcomes_end: int
    lost: bool = False
    since: Timestamp | None = None


@dataclass
class RawTopic:
    """The records of a namespace's raw topic in their order, as their own bytes, up to the end of `extent`.

    What a letter was sent round again as is left out: the record that it was is there itself. `where` is asked of
    the enriched record that the namespace made of an article; without one it is not wanted.
    """

    namespace: str
    fingerprint: str
    selection: Selection
    extent: Extent
    reader: LogReader
    faults: tuple[str, ...] = ()
    fraction: float = field(default=0.0, init=False)
    """How much of the topic has been read, 0 to 1."""

    @property
    def origin(self) -> str:
        """What a person calls the source."""
        return f"{PREFIX}{self.namespace}"

    async def items(self, start: int) -> AsyncIterator[Line]:
        """The records from an offset on; `index` is their offset. Raises SourceError for expired ones, BrokerError."""
        raw, extent = TopicPartition(f"{self.namespace}.raw", 0), self.extent
        begin = max(start, extent.begin)
        oldest = await self.reader.start(raw)
        if begin < min(oldest, extent.end):
            raise SourceError(
                f"{raw.topic}: what stood at offsets {begin} to {oldest - 1} has expired before it was replayed: "
                "begin anew in another --namespace"
            )
        join, position = None, 0
        if self.selection.where is not None:
            position = await self._position(raw, begin)
            join = await self._join(self.selection.where, position)
        async for record in self._records(raw, begin, extent.end):
            found = describe(record.value)
            wanted = not found.retry and self.selection.wants(found.feed, found.at)
            if join is not None:
                wanted, position = wanted and join.holds(position), position + 1
            value = record.value if wanted else None
            yield Line(record.offset, found.at, found.feed, record.key, value, found.retry)
            self.fraction = (record.offset + 1 - extent.begin) / (extent.end - extent.begin)

    async def _position(self, raw: TopicPartition, begin: int) -> int:
        """How many records stood before an offset since the namespace began, also when they have expired."""
        if begin == 0:
            return 0
        # prepare keeps count: from where it stands the records between are counted, back or forth
        table = TopicPartition(f"{self.namespace}.prepare.changelog", 0)
        row = (await self.reader.table(table, lambda key: key == POSITION_KEY)).get(POSITION_KEY)
        stands = InputPosition.decode(row) if row is not None else InputPosition.first(0)
        between = 0
        async for _ in self._records(raw, min(begin, stands.offset), max(begin, stands.offset)):
            between += 1
        return stands.records + (between if begin > stands.offset else -between)

    async def _join(self, where: Where, first: int) -> Join:
        join = Join(where, first)
        async for record in self._records(TopicPartition(f"{self.namespace}.enriched", 0), 0, self.extent.enriched_end):
            join.add_enriched(record.value)
        async for record in self._records(TopicPartition(f"{self.namespace}.outcomes", 0), 0, self.extent.outcomes_end):
            join.add_outcome(record.value)
        join.settle()
        return join

    async def _records(self, partition: TopicPartition, begin: int, end: int) -> AsyncIterator[Any]:
        try:
            async for record in self.reader.records(partition, begin):
                if record.offset >= end:
                    return
                yield record
        except OffsetOutOfRangeError:
            raise SourceError(f"{partition.topic}: records expired while they were read") from None


@asynccontextmanager
async def open_raw_topic(connection: Connection, namespace: str, selection: Selection) -> AsyncIterator[RawTopic]:
    """The raw topic of a namespace, as it stands now, for as long as the block lasts.

    Raises SourceError when there is no such namespace, BrokerError.
    """
    async with open_reader(connection.bootstrap_servers, connection.options) as reader:
        raw, enriched, outcomes = (TopicPartition(f"{namespace}.{name}", 0) for name in ("raw", "enriched", "outcomes"))
        if not all(reader.partitions(partition.topic) for partition in (raw, enriched, outcomes)):
            raise SourceError(f"there is no wire in namespace {namespace!r}: no topic {raw.topic}")
        begin, end = await reader.start(raw), await reader.end(raw)
        extent = Extent(
            begin=begin,
            end=end,
            # in this order: what an outcome says was emitted stands on enriched already
            outcomes_end=await reader.end(outcomes),
            enriched_end=await reader.end(enriched),
            lost=begin > 0,
            since=await _first_moment(reader, raw, end) if begin > 0 else None,
        )
        yield RawTopic(namespace, fingerprint("namespace", namespace, str(selection)), selection, extent, reader)


async def _first_moment(reader: LogReader, raw: TopicPartition, end: int) -> datetime | None:
    async for record in reader.records(raw):
        taken = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        return (describe(record.value).at or taken) if record.offset < end else None
    return None
