"""Subscribing to a real broker: committed records only, groups that remember, and every way to end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.subscribe import NoSuchWire, subscribe
from newswire.schemas import Language, Topic
from newswire.schemas.common import NewerVersion
from tests.conftest import Kafka
from tests.unit.subscribe.articles import OBSERVED, article

pytestmark = pytest.mark.broker

IDLE = 1.5


@pytest.fixture
async def wire(kafka: Kafka, namespace: str) -> AsyncIterator[Any]:
    """A transactional producer for the enriched topic of a new namespace."""
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=1))
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{namespace}.test")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def transaction(producer: Any) -> AsyncIterator[None]:
    await producer.begin_transaction()
    yield
    await producer.commit_transaction()


async def send(producer: Any, namespace: str, *numbers: int, **changes: Any) -> None:
    for number in numbers:
        value = article(sequence=number, **changes).encode()
        await producer.send_and_wait(f"{namespace}.enriched", value, b"k")


async def numbers(kafka: Kafka, namespace: str, **options: Any) -> list[int]:
    options.setdefault("idle", IDLE)
    return [one.sequence async for one in subscribe(kafka.bootstrap_servers, namespace, **options)]


async def test_open_and_aborted_transactions_do_not_show(kafka: Kafka, namespace: str, wire: Any) -> None:
    async with transaction(wire):
        await send(wire, namespace, 1, 2)
    await wire.begin_transaction()
    await send(wire, namespace, 3)
    assert await numbers(kafka, namespace) == [1, 2]
    await wire.abort_transaction()
    async with transaction(wire):
        await send(wire, namespace, 4)
    assert await numbers(kafka, namespace) == [1, 2, 4]


async def test_a_group_goes_on_where_it_stopped(kafka: Kafka, namespace: str, wire: Any) -> None:
    async with transaction(wire):
        await send(wire, namespace, *range(1, 8))
    assert await numbers(kafka, namespace, group="g", limit=3) == [1, 2, 3]
    seen = []
    async with aclosing(subscribe(kafka.bootstrap_servers, namespace, group="g")) as articles:
        async for one in articles:
            seen.append(one.sequence)
            if len(seen) == 3:
                break  # the third was handed out, but the next not asked for
    assert seen == [4, 5, 6]
    assert await numbers(kafka, namespace, group="g") == [6, 7]
    assert await numbers(kafka, namespace, group="g") == []
    assert await numbers(kafka, namespace, group="other", limit=1) == [1]


async def test_a_group_keeps_its_place_through_what_it_filters_out(kafka: Kafka, namespace: str, wire: Any) -> None:
    async with transaction(wire):
        await send(wire, namespace, 1, 2, 3, language=Language(code="de", confidence=1.0))
    assert await numbers(kafka, namespace, group="g", language="en") == []
    assert await numbers(kafka, namespace, group="g") == []


async def test_latest_begins_with_what_comes(kafka: Kafka, namespace: str, wire: Any) -> None:
    async with transaction(wire):
        await send(wire, namespace, 1)
    reading = asyncio.create_task(numbers(kafka, namespace, start="latest", limit=1, idle=10))
    await asyncio.sleep(2.0)
    async with transaction(wire):
        await send(wire, namespace, 2)
    assert await reading == [2]


async def test_filters_and_start_time(kafka: Kafka, namespace: str, wire: Any) -> None:
    async with transaction(wire):
        await send(wire, namespace, 1, observed_at=OBSERVED - timedelta(days=1))
        await send(wire, namespace, 2, language=Language(code="de", confidence=1.0))
        await send(wire, namespace, 3, topics=(Topic(id="medtop:15000000", name="sport", score=0.9),))
        await wire.send_and_wait(f"{namespace}.enriched", b"poison", b"k")
        await send(wire, namespace, 4, observed_at=OBSERVED - timedelta(hours=1), entities=())
    assert await numbers(kafka, namespace) == [1, 2, 3, 4]
    assert await numbers(kafka, namespace, start=OBSERVED) == [2, 3]
    assert await numbers(kafka, namespace, language="de") == [2]
    assert await numbers(kafka, namespace, topic="medtop:15000000") == [3]
    assert await numbers(kafka, namespace, entity="ada lovelace") == [1, 2, 3]


async def test_a_record_of_a_newer_version_stops_the_reader_and_keeps_its_place(
    kafka: Kafka, namespace: str, wire: Any, tmp_path: Path
) -> None:
    async with transaction(wire):
        await send(wire, namespace, 1)
        newer = json.loads(article(sequence=2).encode()) | {"schema": "newswire.enriched.v99"}
        await wire.send_and_wait(f"{namespace}.enriched", json.dumps(newer).encode(), b"k")
        await send(wire, namespace, 3)
    with pytest.raises(NewerVersion, match=r"newswire\.enriched\.v99.*upgrade"):
        await numbers(kafka, namespace, group="g", idle=10)
    printed = await asyncio.create_subprocess_exec(
        *command(kafka, namespace, tmp_path, "--group", "g"), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await printed.communicate()
    assert (printed.returncode, errors.count(b"\n")) == (1, 1)
    assert b"newswire.enriched.v99" in errors


async def test_a_wrong_namespace_and_a_wrong_start_are_said(kafka: Kafka) -> None:
    with pytest.raises(NoSuchWire, match=r"nothing-here\.enriched"):
        await numbers(kafka, "nothing-here")
    with pytest.raises(ValueError, match="yesterday"):
        await numbers(kafka, "nothing-here", start="yesterday")


def command(kafka: Kafka, namespace: str, tmp_path: Path, *options: str) -> list[str]:
    config = tmp_path / "newswire.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n[kafka]\nbootstrap_servers = "{kafka.bootstrap_servers}"\n')
    base = [sys.executable, "-m", "newswire", "subscribe", "--config", str(config), "--namespace", namespace]
    return [*base, *options]


async def test_the_command(kafka: Kafka, namespace: str, wire: Any, tmp_path: Path) -> None:
    async with transaction(wire):
        await send(wire, namespace, *range(1, 400))
    values = [article(sequence=number).encode() for number in range(1, 400)]

    printed = await asyncio.create_subprocess_exec(
        *command(kafka, namespace, tmp_path, "--idle", "1.5"), stdout=asyncio.subprocess.PIPE
    )
    endless = await asyncio.create_subprocess_exec(
        *command(kafka, namespace, tmp_path, "--format", "ninjs"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, _ = await printed.communicate()
    assert printed.returncode == 0
    assert out.splitlines() == values

    assert endless.stdout is not None
    assert json.loads(await endless.stdout.readline())["type"] == "text"
    endless.send_signal(signal.SIGINT)
    _, errors = await endless.communicate()
    assert (endless.returncode, errors) == (0, b"")


async def test_a_reader_that_leaves_is_no_failure(kafka: Kafka, namespace: str, wire: Any, tmp_path: Path) -> None:
    async with transaction(wire):
        await send(wire, namespace, *range(1, 400))
    reads, writes = os.pipe()
    process = subprocess.Popen(command(kafka, namespace, tmp_path), stdout=writes, stderr=subprocess.PIPE)
    os.close(writes)
    try:
        assert await asyncio.to_thread(os.read, reads, 100)
    finally:
        os.close(reads)
    _, errors = await asyncio.to_thread(process.communicate, None, 30)
    assert (process.returncode, errors) == (0, b"")
