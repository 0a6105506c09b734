"""What a topic still holds, read once from its beginning to its end."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.subscribe.reader import NoSuchWire
from newswire.schemas.common import ContractError, NewerVersion, Record

_log = structlog.get_logger(__name__)

R = TypeVar("R", bound=Record)


@asynccontextmanager
async def open_topic(bootstrap_servers: str, options: Mapping[str, Any], topic: str) -> AsyncIterator[LogReader]:
    """A reader of a cluster that has this topic. Raises BrokerError, and NoSuchWire where it has none."""
    async with open_reader(bootstrap_servers, options) as reader:
        if not reader.partitions(topic):
            raise NoSuchWire(f"there is no topic {topic} on this Kafka: newswire run makes it")
        yield reader


async def values_with(reader: LogReader, topic: str, *parts: bytes) -> AsyncIterator[bytes]:
    """The values that hold one of the parts, partition by partition: looking for bytes spares decoding the rest."""
    for partition in reader.partitions(topic):
        async for record in reader.records(partition):
            if record.value is not None and any(part in record.value for part in parts):
                yield record.value


def decoded(kind: type[R], value: bytes) -> R | None:
    """A record; None for what is none, which is logged. Raises NewerVersion for what a later newswire wrote."""
    try:
        return kind.decode(value)
    except NewerVersion:
        raise  # what a newer service wrote must not look like nothing
    except ContractError as error:
        _log.warning("skips a record that cannot be read", kind=kind.NAME, error=str(error))
        return None
