"""The feed list on Kafka, for commands: its settings on `feeds`, and what the collector knows in its changelog."""

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from newswire.pipeline.connection import Connection
from newswire.pipeline.feeds.feedstate import FEED, FeedState
from newswire.pipeline.settings import Settings
from newswire.schemas import FeedSettings
from newswire.schemas.common import ContractError


async def read_feeds(connection: Connection, settings: Settings) -> dict[str, FeedSettings]:
    """The feed list by URL, in the order in which the feeds were added. What is no settings is passed over."""
    feeds = {}
    for value in (await _read_table(connection, settings.topic("feeds"))).values():
        try:
            feed = FeedSettings.decode(value)
        except ContractError:
            continue  # the collector keeps it as a dead letter
        feeds[feed.url] = feed
    return dict(sorted(feeds.items(), key=lambda item: (item[1].added_at, item[0])))


async def read_states(connection: Connection, settings: Settings) -> dict[str, FeedState]:
    """What the collector knows of each feed by URL, without the seen entries."""
    rows = await _read_table(connection, settings.topic("collect.changelog"))
    states = (FeedState.decode(value) for key, value in rows.items() if key.startswith(FEED))
    return {state.url: state for state in states}


async def write_feeds(connection: Connection, settings: Settings, changes: Mapping[str, FeedSettings | None]) -> None:
    """Put settings on `feeds`, None to remove a feed; returns when all of them stand there."""
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap_servers, acks="all", enable_idempotence=True, **connection.options
    )
    await producer.start()
    try:
        sent = [
            await producer.send(settings.topic("feeds"), key=url.encode(), value=feed.encode() if feed else None)
            for url, feed in changes.items()
        ]
        for future in sent:
            await future
    finally:
        await producer.stop()


async def _read_table(connection: Connection, topic: str) -> dict[bytes, bytes]:
    """A compacted topic up to where it ends now: the newest value of each key."""
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=connection.bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        **connection.options,
    )
    await consumer.start()
    rows: dict[bytes, bytes] = {}
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        if not partitions:
            return rows
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    if record.value is None:
                        rows.pop(record.key, None)
                    else:
                        rows[record.key] = record.value
    finally:
        await consumer.stop()
    return rows
