"""A connection to the Kafka of a wire that is there already, for the commands that look at it or clear it away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from aiokafka.errors import KafkaError

from newswire.pipeline.broker.connect import connect
from newswire.pipeline.cli.common import one_line_errors
from newswire.pipeline.connection import Connection
from newswire.pipeline.settings import Settings
from newswire.pipeline.subscribe import NoSuchWire
from newswire.schemas.common import NewerVersion

T = TypeVar("T")


def run_connected(settings: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    """What `work` makes of a connection to the settings' Kafka; makes no topics. Raises ClickException, in a line."""

    async def connected() -> T:
        async with connect(settings, topics=False) as connection:
            return await work(connection)

    with one_line_errors():
        try:
            return asyncio.run(connected())
        except (NoSuchWire, NewerVersion, KafkaError) as error:
            raise click.ClickException(str(error)) from None
