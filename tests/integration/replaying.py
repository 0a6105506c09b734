"""What the tests of replay share: articles as lines, writing a source in this process, and what stands on a topic."""

import json
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from newswire.pipeline.connection import Connection
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.rawtopic import open_raw_topic
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.replay.sources import Source, open_source
from newswire.pipeline.replay.writer import Pace, Progress, open_writer
from newswire.pipeline.settings import Settings
from tests.conftest import Kafka


def article(number: int, **fields: Any) -> bytes:
    base = {
        "feed_url": f"https://example.org/{number % 3}",
        "entry_id": f"e{number}",
        "title": f"Crane falls in town{number}",
        "content": f"The harbour of town{number} was closed for {number} hours, pier {number} is out of use.",
        "observed_at": f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
    }
    return json.dumps({**base, **fields}).encode()


async def values(kafka: Kafka, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    """The committed records of a topic, in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, isolation_level="read_committed")
    partition = TopicPartition(topic, 0)
    found: list[tuple[bytes | None, bytes | None]] = []
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            records = (await consumer.getmany(partition, timeout_ms=500)).get(partition, [])
            found += [(record.key, record.value) for record in records]
    finally:
        await consumer.stop()
    return found


async def write(
    kafka: Kafka, namespace: str, origin: Path | str, *, resume: bool = False, selection: Selection | None = None
) -> Progress:
    """Write a source (a path, or the name of a namespace) in this process, to its end."""
    chosen = selection or Selection()
    if isinstance(origin, Path):
        return await write_source(kafka, namespace, open_source(origin, chosen, Settings().text), chosen, resume=resume)
    async with open_raw_topic(Connection(kafka.bootstrap_servers), origin, chosen) as source:
        return await write_source(kafka, namespace, source, chosen, resume=resume)


async def write_source(
    kafka: Kafka, namespace: str, source: Source, selection: Selection, *, resume: bool = False
) -> Progress:
    """Write an opened source in this process, to its end."""
    settings = Settings(namespace=namespace)
    async with (
        capture_reader(settings, selection.where) as reader,
        open_writer(settings, Connection(kafka.bootstrap_servers), source, reader, resume=resume) as writer,
    ):
        await writer.write(Pace(None))
        return writer.progress
