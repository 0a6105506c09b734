"""Reading the enriched topic: only what is committed, from a chosen start or from where a group stopped."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from newswire.pipeline.subscribe.filters import Filters
from newswire.schemas import EnrichedArticle
from newswire.schemas.common import ContractError, NewerVersion

Start = Literal["earliest", "latest"] | datetime

POLL_SECONDS = 0.5
RECORDS_AT_ONCE = 200
COMMIT_SECONDS = 1.0
SLOW_SUBSCRIBER_MS = 3_600_000
"""How long a subscriber may work between two records before its group gives its place to another member."""

_log = structlog.get_logger(__name__)


class NoSuchWire(LookupError):  # noqa: N818 - says what is the case
    """The namespace has no enriched topic on this Kafka."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An article and the bytes of its record."""

    article: EnrichedArticle
    value: bytes


async def subscribe(
    bootstrap_servers: str,
    namespace: str = "newswire",
    *,
    start: Start = "earliest",
    group: str | None = None,
    language: str | None = None,
    topic: str | None = None,
    entity: str | None = None,
    limit: int | None = None,
    idle: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> AsyncGenerator[EnrichedArticle, None]:
    """The wire's articles in order, each once for each revision; records of open or aborted transactions never show.

    `start`: "earliest", "latest" (what comes from now on), or a moment with a time zone: articles observed then or
    later. `group` remembers its place under that name, and then goes on there whatever `start` says about the log;
    an article counts as done when the next one is asked for. `language`, `topic` and `entity` filter (see Filters).
    `limit`: end after so many articles. `idle`: end after so many seconds without any record on the topic; without
    it the iterator waits for ever. `options`: further arguments of the Kafka client.

    Raises NoSuchWire, ValueError for a wrong start, NewerVersion (a ValueError) for records that a newer newswire
    emitted than this one can read, and aiokafka's KafkaError. Leave it early through `contextlib.aclosing`, so that the
    group's place is kept.
    """
    since = start if isinstance(start, datetime) else None
    filters = Filters(since=since, language=language, topic=topic, entity=entity)
    delivered = read_enriched(
        bootstrap_servers,
        namespace,
        latest=_is_latest(start),
        group=group,
        filters=filters,
        limit=limit,
        idle=idle,
        options=options,
    )
    async with aclosing(delivered):
        async for one in delivered:
            yield one.article


async def read_enriched(
    bootstrap_servers: str,
    namespace: str,
    *,
    latest: bool = False,
    group: str | None = None,
    filters: Filters | None = None,
    limit: int | None = None,
    idle: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> AsyncGenerator[Delivered, None]:
    """As `subscribe`, with each record's own bytes. `latest` starts at the log's end instead of at its beginning."""
    filters, name = filters or Filters(), f"{namespace}.enriched"
    consumer = _consumer(bootstrap_servers, f"{namespace}.subscribe.{group}" if group else None, latest, options)
    place = _Place(consumer, name, group)
    try:
        await consumer.start()
        await _begin(consumer, place, name, latest=latest, grouped=group is not None)
        count, last = 0, time.monotonic()
        while limit is None or count < limit:
            waits = POLL_SECONDS if idle is None else min(POLL_SECONDS, last + idle - time.monotonic())
            if waits <= 0:
                return
            polled = await consumer.getmany(timeout_ms=int(waits * 1000) + 1, max_records=RECORDS_AT_ONCE)
            owned = place.life
            for partition, records in polled.items():
                for record in records:
                    article = _decode(record)
                    if article is not None and filters.match(article):
                        yield Delivered(article, record.value)
                        count += 1
                    if place.life != owned:
                        break  # another member has this partition now, and reads these records itself
                    place.done(partition, record.offset + 1)
                    if count == limit:
                        return
                    await place.commit(every=COMMIT_SECONDS)
            if polled:
                last = time.monotonic()
                await place.commit()
    finally:
        try:
            await place.commit()
        finally:
            await consumer.stop()


def _is_latest(start: Start) -> bool:
    if isinstance(start, datetime) or start in ("earliest", "latest"):
        return start == "latest"
    raise ValueError(f"start is earliest, latest or a datetime, not {start!r}")


def _consumer(servers: str, group: str | None, latest: bool, options: Mapping[str, Any] | None) -> Any:
    return AIOKafkaConsumer(
        bootstrap_servers=servers,
        group_id=group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="latest" if latest else "earliest",
        max_poll_interval_ms=SLOW_SUBSCRIBER_MS,
        **(options or {}),
    )


async def _begin(consumer: Any, place: "_Place", name: str, *, latest: bool, grouped: bool) -> None:
    if name not in await consumer.topics():
        raise NoSuchWire(f"there is no wire here: no topic {name}. Is the namespace right, and did the service start?")
    if grouped:
        consumer.subscribe([name], listener=place)
        return
    partition = TopicPartition(name, 0)  # the order of the wire is the order of one log
    consumer.assign([partition])
    if latest:
        await consumer.seek_to_end(partition)
    else:
        await consumer.seek_to_beginning(partition)


def _decode(record: Any) -> EnrichedArticle | None:
    try:
        return EnrichedArticle.decode(record.value)
    except NewerVersion:
        raise  # to pass over what a newer service emits would be to lose the wire, record by record
    except ContractError as error:
        _log.warning("skips a record that is no enriched article", offset=record.offset, error=str(error))
        return None


class _Place(ConsumerRebalanceListener):  # type: ignore[misc]
    """A group's place: what its member has done, committed now and then. Without a group it keeps nothing.

    `life` changes with every loss of partitions: what was fetched before may not be handed out after it.
    """

    def __init__(self, consumer: Any, topic: str, group: str | None) -> None:
        self.life = 0
        self._consumer = consumer
        self._topic = topic
        self._group = group
        self._done: dict[TopicPartition, int] = {}
        self._committed_at = time.monotonic()

    def done(self, partition: TopicPartition, offset: int) -> None:
        """Everything before the offset is done."""
        if self._group is not None:
            self._done[partition] = offset

    async def commit(self, every: float = 0.0) -> None:
        """Commit what is done, unless the last commit is less than `every` seconds ago."""
        if not self._done or time.monotonic() < self._committed_at + every:
            return
        done, self._done = self._done, {}
        self._committed_at = time.monotonic()
        try:
            await self._consumer.commit(done)
        except (CommitFailedError, IllegalStateError) as error:
            # Another member owns the partition: it sees these records again, which the contract allows.
            _log.warning("the group's place was not kept", group=self._group, error=str(error))

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """The group gives partitions to others: keep the place while it still can be."""
        await self.commit()
        self.life += 1

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Say what the group has missed because the log no longer holds it."""
        if not assigned:
            return
        begins = await self._consumer.beginning_offsets(list(assigned))
        for partition in assigned:
            committed = await self._consumer.committed(partition)
            if committed is not None and committed < begins[partition]:
                _log.warning(
                    "records expired before this group read them",
                    topic=self._topic,
                    partition=partition.partition,
                    first=committed,
                    last=begins[partition] - 1,
                )
