"""Reading the enriched topic: only what is committed, from a chosen start or from where a group stopped."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError, NoOffsetForPartitionError, OffsetOutOfRangeError

from newswire.pipeline.closing import close
from newswire.pipeline.subscribe.filters import Filters
from newswire.pipeline.subscribe.gaps import ArticlesExpired, Gap
from newswire.pipeline.subscribe.place import Place, Start
from newswire.schemas import EnrichedArticle
from newswire.schemas.common import ContractError, NewerVersion

POLL_SECONDS = 0.5
RECORDS_AT_ONCE = 200
COMMIT_SECONDS = 1.0
SLOW_SUBSCRIBER_MS = 3_600_000
"""How long a subscriber may work between two records before its group gives its place to another member."""

PATIENCE_SECONDS = 60.0
"""How long an idle subscriber waits for records that the log has and the broker does not bring."""

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
    on_gap: Callable[[Gap], None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> AsyncGenerator[EnrichedArticle, None]:
    """The wire's articles in order, each once for each revision; records of open or aborted transactions never show.

    `start`: "earliest", "latest" (what comes from now on), or a moment with a time zone: articles observed then or
    later. `group` remembers its place under that name, and then goes on there whatever `start` says about the log;
    an article counts as done when the next one is asked for. `language`, `topic` and `entity` filter (see Filters).
    `limit`: end after so many articles. `idle`: end after so many seconds without any record on the topic, once all
    that it has are read; without it the iterator waits for ever. `options`: further arguments of the Kafka client.

    Retention may delete articles before a subscriber that was away, or is too slow, has read them. Then ArticlesExpired
    is raised, once, and says which; the same group called again goes on behind them. With `on_gap` that is called with
    the Gap instead, and the iterator goes on.

    Raises NoSuchWire, ValueError for a wrong start, NewerVersion (a ValueError) for records that a newer newswire
    emitted than this one can read, and aiokafka's KafkaError: KafkaTimeoutError where `idle` is over and the broker has
    not brought what the log has for a minute. Leave it early through `contextlib.aclosing`, so that the
    group's place is kept.
    """
    if not (isinstance(start, datetime) or start in ("earliest", "latest")):
        raise ValueError(f"start is earliest, latest or a datetime, not {start!r}")
    since = start if isinstance(start, datetime) else None
    filters = Filters(since=since, language=language, topic=topic, entity=entity)
    delivered = read_enriched(
        bootstrap_servers,
        namespace,
        start=start,
        group=group,
        filters=filters,
        limit=limit,
        idle=idle,
        on_gap=on_gap,
        options=options,
    )
    async with aclosing(delivered):
        async for one in delivered:
            yield one.article


async def read_enriched(
    bootstrap_servers: str,
    namespace: str,
    *,
    start: Start = "earliest",
    group: str | None = None,
    filters: Filters | None = None,
    limit: int | None = None,
    idle: float | None = None,
    on_gap: Callable[[Gap], None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> AsyncGenerator[Delivered, None]:
    """As `subscribe`, with each record's own bytes. A time as start leaves out older articles by `filters` alone."""
    filters, name = filters or Filters(), f"{namespace}.enriched"
    member = f"{namespace}.subscribe.{group}" if group else None
    consumer = _consumer(bootstrap_servers, member, options)
    place = Place(consumer, bootstrap_servers, name, member, start, options or {})
    try:
        await consumer.start()
        await _begin(consumer, place, name, grouped=group is not None)
        count, last = 0, time.monotonic()
        checked = last
        while limit is None or count < limit:
            waits = POLL_SECONDS if idle is None else min(POLL_SECONDS, checked + idle - time.monotonic())
            if waits <= 0:
                if not await place.is_behind():
                    return
                checked = time.monotonic()
                if checked > last + PATIENCE_SECONDS:
                    raise KafkaTimeoutError(f"{name} has records that the broker does not bring")
                continue
            try:
                polled = await consumer.getmany(timeout_ms=int(waits * 1000) + 1, max_records=RECORDS_AT_ONCE)
            except OffsetOutOfRangeError as error:
                await place.recover(error)
                continue
            except NoOffsetForPartitionError as error:
                # the client looked for the group's place before it was told where to begin
                await place.begin(error.args[0])
                continue
            owned = place.life
            for partition, records in polled.items():
                for record in records:
                    article = _decode(record)
                    if article is not None and (gap := place.gap(partition, record.offset, article)) is not None:
                        await _tell(gap, place, on_gap)
                    if article is not None and filters.match(article):
                        yield Delivered(article, record.value)
                        count += 1
                    if place.life != owned:
                        break  # another member has this partition now, and reads these records itself
                    place.done(partition, record.offset + 1, article)
                    if count == limit:
                        return
                    await place.commit(every=COMMIT_SECONDS)
            if polled:
                last = checked = time.monotonic()
            await place.commit(every=0.0 if polled else COMMIT_SECONDS)
    finally:
        try:
            await place.commit()
        finally:
            kept_open = await close(consumer)
            if kept_open is not None:  # the articles were delivered and the place is kept, or said not to be
                _log.warning("the consumer did not close", error=repr(kept_open))


async def _tell(gap: Gap, place: Place, on_gap: Callable[[Gap], None] | None) -> None:
    """Tell of a gap; the group's place is behind it before, so that it is told once."""
    await place.commit()
    if on_gap is None:
        raise ArticlesExpired(gap)
    on_gap(gap)


def _consumer(servers: str, group: str | None, options: Mapping[str, Any] | None) -> Any:
    return AIOKafkaConsumer(
        bootstrap_servers=servers,
        group_id=group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",  # else what expired under a slow subscriber would be passed over in silence
        max_poll_interval_ms=SLOW_SUBSCRIBER_MS,
        **(options or {}),
    )


async def _begin(consumer: Any, place: Place, name: str, *, grouped: bool) -> None:
    if name not in await consumer.topics():
        raise NoSuchWire(f"there is no wire here: no topic {name}. Is the namespace right, and did the service start?")
    if grouped:
        consumer.subscribe([name], listener=place)
        return
    partition = TopicPartition(name, 0)  # the order of the wire is the order of one log
    consumer.assign([partition])
    await place.begin(partition)


def _decode(record: Any) -> EnrichedArticle | None:
    try:
        return EnrichedArticle.decode(record.value)
    except NewerVersion:
        raise  # to pass over what a newer service emits would be to lose the wire, record by record
    except ContractError as error:
        _log.warning("skips a record that is no enriched article", offset=record.offset, error=str(error))
        return None
