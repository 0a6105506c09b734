"""A namespace written again record for record, with a change: what a verification must find."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.ledger.log import open_reader

STRAY = b"{poison"
STRAY_LETTER = b'"value":"{poison"'


@dataclass(frozen=True)
class Copied:
    """A record as it is copied; `topic` is without its namespace, `number` its place among the topic's records."""

    topic: str
    number: int
    key: bytes | None
    value: bytes


Change = Callable[[Copied], list[bytes]]
"""The values to write for a record: one that is unchanged, none, or several."""


async def copy_namespace(bootstrap_servers: str, source: str, target: str, change: Change) -> None:
    """Copy what is committed on every topic of one wire to another, partition by partition, as `change` says.

    Strays and their letters are left out: they are told by offsets, which a copy does not keep.
    """
    specs = wire_topics(target)
    await ensure_topics(bootstrap_servers, specs, replication_factor=1)
    producer: Any = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
    await producer.start()
    try:
        async with open_reader(bootstrap_servers, {}) as reader:
            for spec in specs:
                name, number = spec.name.removeprefix(f"{target}."), 0
                for partition in reader.partitions(f"{source}.{name}"):
                    async for record in reader.records(partition):
                        if record.value is None or record.value == STRAY or STRAY_LETTER in record.value:
                            continue
                        for value in change(Copied(name, number, record.key, record.value)):
                            await producer.send(spec.name, value, record.key, partition.partition)
                        number += 1
        await producer.flush()
    finally:
        await producer.stop()
