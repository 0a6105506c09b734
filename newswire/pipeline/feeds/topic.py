"""The feed list on Kafka, for commands: its settings on `feeds`, and what the collector knows in its changelog."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from newswire.pipeline.connection import Connection
from newswire.pipeline.feeds.feedstate import FEED, FeedState
from newswire.pipeline.ledger.log import open_reader
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
    rows = await _read_table(connection, settings.topic("collect.changelog"), FEED)
    states = (FeedState.decode(value) for value in rows.values())
    return {state.url: state for state in states}


async def write_feeds(connection: Connection, settings: Settings, changes: Mapping[str, FeedSettings | None]) -> None:
    """Put settings on `feeds`, None to remove a feed; returns when all of them stand there."""
    if not changes:
        return
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap_servers, acks="all", enable_idempotence=True, **connection.options
    )
    await producer.start()
    await asyncio.sleep(0)  # aiokafka 0.14: stop() fails when its background task never had a turn
    try:
        sent = [
            await producer.send(settings.topic("feeds"), key=url.encode(), value=feed.encode() if feed else None)
            for url, feed in changes.items()
        ]
        for future in sent:
            await future
    finally:
        await producer.stop()


async def _read_table(connection: Connection, topic: str, prefix: bytes = b"") -> dict[bytes, bytes]:
    """A compacted topic up to where it ends now: the newest value of each key with the prefix."""
    rows: dict[bytes, bytes] = {}
    async with open_reader(connection.bootstrap_servers, connection.options) as reader:
        for partition in reader.partitions(topic):
            rows |= await reader.table(partition, lambda key: key.startswith(prefix))
    return rows
