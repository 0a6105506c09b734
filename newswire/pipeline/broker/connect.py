"""The Kafka of a command: the one that the settings name, else the embedded one of the state folder."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.check import check_broker
from newswire.pipeline.broker.client import admin_client, existing_topics
from newswire.pipeline.broker.embedded import EmbeddedBroker, Running
from newswire.pipeline.broker.errors import BrokerError, NoWire
from newswire.pipeline.broker.keeper import BrokerKeeper
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.connection import Connection
from newswire.pipeline.settings import Settings

CHECK_SECONDS = 10.0
SPACE_MIN = 64 << 20
"""Bytes free in the state folder under which a broker that ended is taken to have run out of space."""


@asynccontextmanager
async def connect(settings: Settings, *, topics: bool = True, keep: bool = False) -> AsyncIterator[Connection]:
    """Have a Kafka that answers and (with `topics`) the namespace's topics on it, for as long as the block lasts.

    `keep` starts the embedded Kafka again whenever it ends. Raises BrokerError or TopicMismatch, whose messages say
    what to do.
    """
    if settings.kafka.bootstrap_servers is not None:
        connection = Connection(settings.kafka.bootstrap_servers, settings.kafka.client)
        await check_broker(connection.bootstrap_servers, CHECK_SECONDS, connection.options)
        if topics:
            await make_topics(settings, connection)
        yield connection
        return
    broker = EmbeddedBroker(settings.state_dir)
    running = await asyncio.to_thread(broker.ensure)
    keeper = BrokerKeeper(broker)
    try:
        connection = Connection(running.bootstrap_servers, fault=lambda: keeper.fault)
        if topics:
            await make_topics(settings, connection)
        if keep:
            keeper.start()
        yield connection
    except BrokerError as error:
        if await asyncio.to_thread(broker.status) is None:
            raise BrokerError(_why_ended(settings, running)) from error
        raise
    finally:
        await keeper.stop()
        await asyncio.to_thread(broker.release)


@asynccontextmanager
async def connect_to_wire(settings: Settings) -> AsyncIterator[Connection]:
    """As `connect`, for a command that only looks: a namespace that was never used is an error, and stays so.

    Raises NoWire and BrokerError.
    """
    async with connect(settings, topics=False) as connection:
        async with admin_client(connection.bootstrap_servers, connection.options) as admin:
            topics = await existing_topics(admin)
        if settings.topic("raw") not in topics:
            raise NoWire(
                f"there is no wire here: no topic {settings.topic('raw')}. "
                "Is the namespace right, and did the service start?"
            )
        yield connection


def _why_ended(settings: Settings, running: Running) -> str:
    free = shutil.disk_usage(settings.state_dir).free
    full = f" {settings.state_dir} has only {free >> 20} MiB free: make room there." if free < SPACE_MIN else ""
    return f"the embedded Kafka ended.{full} Its log says why: {running.log_file}"


async def make_topics(settings: Settings, connection: Connection, *, replay: bool = False) -> None:
    """Have the namespace's topics; of a replay they keep everything. Raises as `ensure_topics`."""
    specs = wire_topics(
        settings.namespace,
        partitions=settings.kafka.partitions,
        raw_retention_ms=settings.kafka.raw_retention_seconds * 1000,
        enriched_retention_ms=settings.kafka.enriched_retention_seconds * 1000,
        replay=replay,
    )
    await ensure_topics(
        connection.bootstrap_servers,
        specs,
        connection.options,
        replication_factor=settings.kafka.replication_factor,
    )
