"""Replaying another namespace's raw topic: what is taken of it, up to where, and the condition on what it became."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.client import admin_client
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.connection import Connection
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.lines import SourceError
from newswire.pipeline.replay.rawtopic import open_raw_topic
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.replay.where import Where
from newswire.pipeline.replay.writer import ReplayError, open_writer
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.schemas import RawArticle, RawRetry
from tests.conftest import Kafka
from tests.integration.replaying import article, values, write

pytestmark = pytest.mark.broker

Send = Callable[..., Any]
OLD = Selection(where=Where('provenance.model == "old"', "enriched"))


@pytest.fixture
async def make(kafka: Kafka, namespace: str) -> Send:
    """Makes a namespace with those of its topics that a replay reads or writes."""

    async def make(name: str) -> str:
        used = ("raw", "enriched", "outcomes", "ledger", "prepare.changelog", "replay.changelog")
        specs = wire_topics(f"{namespace}{name}", partitions=1, replay=True)
        await ensure_topics(kafka.bootstrap_servers, [spec for spec in specs if spec.name.partition(".")[2] in used])
        return f"{namespace}{name}"

    return make


@pytest.fixture
async def send(kafka: Kafka) -> Send:
    """Writes records to a topic in a transaction, which leaves its mark in the log as the service's do."""

    async def send(topic: str, *records: bytes, key: bytes | None = None) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{topic}.test")
        async with producer, producer.transaction():
            for record in records:
                await producer.send(topic, record, key)

    return send


def retry(number: int) -> bytes:
    again = RawArticle.decode(article(number))
    return RawRetry(letter="l", position=number, supersedes="dead", article=again).encode()


def enriched(number: int, model: str) -> bytes:
    return json.dumps({"id": f"{number:032x}", "revision": 1, "provenance": {"model": model}}).encode()


def outcome(number: int, kind: str = "emitted") -> bytes:
    record = {"id": f"{number:032x}", "revision": 1, "outcome": kind, "stage": "cluster", "position": number}
    return json.dumps(record).encode()


async def forget(kafka: Kafka, topic: str, before: int) -> None:
    """Delete what stands before an offset, as retention would."""
    async with admin_client(kafka.bootstrap_servers) as client:
        await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=before)})


async def test_the_articles_of_a_namespace_stand_there_again(kafka: Kafka, make: Send, send: Send) -> None:
    source, copy, part = await make("source"), await make("copy"), await make("part")
    await send(f"{source}.raw", article(0), b"poison", article(1))
    await send(f"{source}.raw", retry(1), article(2))
    progress = await write(kafka, copy, source)
    records = [article(0), b"poison", article(1), article(2)]
    assert [value for _, value in await values(kafka, f"{copy}.raw")] == records
    assert (progress.records, progress.retries, progress.skipped, progress.failed) == (4, 1, 0, 0)
    assert progress.origin == f"namespace:{source}"
    progress = await write(kafka, part, source, selection=Selection(feeds=frozenset({"https://example.org/1"})))
    assert [value for _, value in await values(kafka, f"{part}.raw")] == [article(1)]
    assert (progress.records, progress.retries, progress.skipped) == (1, 1, 3)


async def test_a_source_goes_as_far_as_it_stood_when_the_replay_began(kafka: Kafka, make: Send, send: Send) -> None:
    source, copy = await make("source"), await make("copy")
    await send(f"{source}.raw", article(0), article(1), article(2))
    await send(f"{source}.outcomes", *map(outcome, range(3)))
    await send(f"{source}.enriched", enriched(0, "old"), enriched(1, "new"))
    settings, connection = Settings(namespace=copy), Connection(kafka.bootstrap_servers)
    async with (
        open_raw_topic(connection, source, OLD) as opened,
        capture_reader(settings) as reader,
        open_writer(settings, connection, opened, reader, resume=False),
    ):
        pass  # it was stopped before it had written anything
    await send(f"{source}.raw", article(3))
    await send(f"{source}.outcomes", outcome(3))
    await send(f"{source}.enriched", enriched(2, "old"), enriched(3, "old"))
    with pytest.raises(ReplayError, match="--where"):
        await write(kafka, copy, source, resume=True)
    progress = await write(kafka, copy, source, selection=OLD, resume=True)
    assert [value for _, value in await values(kafka, f"{copy}.raw")] == [article(0)]
    assert (progress.records, progress.skipped, progress.finished) == (1, 2, True)


async def test_a_source_that_has_lost_its_beginning(kafka: Kafka, make: Send, send: Send) -> None:
    source, copy, part = await make("source"), await make("copy"), await make("part")
    for number in range(6):
        await send(f"{source}.raw", article(number))  # offset 2 * number: each has the mark of its transaction
    await send(f"{source}.outcomes", *map(outcome, range(6)))
    await send(f"{source}.enriched", *(enriched(number, "old" if number % 2 else "new") for number in range(6)))
    position = InputPosition(offset=10, records=5, life="1")
    await send(f"{source}.prepare.changelog", position.encode(), key=POSITION_KEY)
    await forget(kafka, f"{source}.raw", 4)
    progress = await write(kafka, copy, source)
    assert [value for _, value in await values(kafka, f"{copy}.raw")] == [article(number) for number in (2, 3, 4, 5)]
    assert progress.extent is not None
    assert progress.extent.lost
    assert progress.extent.since == RawArticle.decode(article(2)).observed_at
    await write(kafka, part, source, selection=OLD)
    assert [value for _, value in await values(kafka, f"{part}.raw")] == [article(3), article(5)]


async def test_what_expires_before_it_was_replayed_is_said(kafka: Kafka, make: Send, send: Send) -> None:
    source, copy = await make("source"), await make("copy")
    await send(f"{source}.raw", *map(article, range(4)))
    settings, connection = Settings(namespace=copy), Connection(kafka.bootstrap_servers)
    async with (
        open_raw_topic(connection, source, Selection()) as opened,
        capture_reader(settings) as reader,
        open_writer(settings, connection, opened, reader, resume=False),
    ):
        pass
    await forget(kafka, f"{source}.raw", 3)
    with pytest.raises(SourceError, match=r"source\.raw: what stood at offsets 0 to 2 has expired"):
        await write(kafka, copy, source, resume=True)


async def test_a_namespace_that_is_none(kafka: Kafka, namespace: str) -> None:
    with pytest.raises(SourceError, match=f"there is no wire in namespace '{namespace}'"):
        await write(kafka, "unused", namespace)
