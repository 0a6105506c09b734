"""Subscribing to a real broker: committed records only, groups that remember, and every way to end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.errors import KafkaTimeoutError

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.client import admin_client
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.ledger.log import open_reader
from newswire.pipeline.subscribe import ArticlesExpired, Gap, Mark, NoSuchWire, subscribe
from newswire.pipeline.subscribe.reader import RECORDS_AT_ONCE
from newswire.schemas import EnrichedArticle, Language, Topic
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


async def seen(kafka: Kafka, namespace: str, count: int) -> None:
    """Wait until so many records show: the broker marks a transaction as committed a moment after it says so."""
    assert len(await numbers(kafka, namespace, limit=count, idle=10)) == count


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
    await seen(kafka, namespace, 1)
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


async def expire(kafka: Kafka, namespace: str, before_sequence: int) -> int:
    """Delete what stands before the article with this number, as retention does; the offset where the log begins."""
    partition = TopicPartition(f"{namespace}.enriched", 0)
    async with open_reader(kafka.bootstrap_servers, {}) as reader:
        records = [record async for record in reader.records(partition)]
    offset = int(next(r.offset for r in records if EnrichedArticle.decode(r.value).sequence == before_sequence))
    async with admin_client(kafka.bootstrap_servers) as admin:
        await admin.delete_records({partition: RecordsToDelete(before_offset=offset)})
    return offset


def moment(number: int) -> datetime:
    return OBSERVED + timedelta(minutes=number)


async def send_minutes(wire: Any, namespace: str, *numbers: int) -> None:
    async with transaction(wire):
        for number in numbers:
            await send(wire, namespace, number, observed_at=moment(number))


async def test_a_group_that_was_away_is_told_exactly_what_expired(kafka: Kafka, namespace: str, wire: Any) -> None:
    await send_minutes(wire, namespace, *range(1, 10))
    assert await numbers(kafka, namespace, group="g", limit=3) == [1, 2, 3]
    begins = await expire(kafka, namespace, 8)
    with pytest.raises(ArticlesExpired) as raised:
        await numbers(kafka, namespace, group="g")
    gap = raised.value.gap
    assert gap == Gap(f"{namespace}.enriched", 3, begins - 1, Mark(3, moment(3)), Mark(8, moment(8)))
    assert gap.lost == 4
    assert str(raised.value) == (
        f"4 articles expired before they were read: numbers 4 to 7, offsets 3 to {begins - 1} of {namespace}.enriched,"
        " between 2026-01-31T12:03:00Z and 2026-01-31T12:08:00Z"
    )
    assert await numbers(kafka, namespace, group="g", limit=1) == [8], "it is told once, and the group goes on"

    await expire(kafka, namespace, 9)
    assert await numbers(kafka, namespace, group="g", limit=1) == [9], "what it had has expired, which is no gap"


async def test_a_gap_can_be_told_without_ending(kafka: Kafka, namespace: str, wire: Any) -> None:
    await send_minutes(wire, namespace, *range(1, 10))
    assert await numbers(kafka, namespace, group="g", limit=3) == [1, 2, 3]
    await expire(kafka, namespace, 8)
    gaps: list[Gap] = []
    assert await numbers(kafka, namespace, group="g", on_gap=gaps.append) == [8, 9]
    assert [gap.lost for gap in gaps] == [4]
    assert await numbers(kafka, namespace, group="g", on_gap=gaps.append) == []
    assert len(gaps) == 1


@pytest.mark.parametrize("away", [True, False])
async def test_a_group_gets_nothing_twice_when_listener_and_reader_both_find_its_place_gone(
    kafka: Kafka, namespace: str, wire: Any, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    await send_minutes(wire, namespace, *range(1, 10))
    if away:
        assert await numbers(kafka, namespace, group="g", limit=3) == [1, 2, 3]
    await expire(kafka, namespace, 8)
    waits = [0.4]  # for the first who asks, so that another who asks is answered before
    beginning = AIOKafkaConsumer.beginning_offsets

    async def slow(self: Any, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = await beginning(self, partitions)
        await asyncio.sleep(waits.pop() if waits else 0.0)
        return found

    monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", slow)
    gaps: list[Gap] = []
    assert await numbers(kafka, namespace, group="g", on_gap=gaps.append) == [8, 9]
    assert len(gaps) == away


@pytest.mark.parametrize("group", ["g", None])
async def test_what_expires_under_a_slow_subscriber_is_told(
    kafka: Kafka, namespace: str, wire: Any, group: str | None
) -> None:
    size = 3 * RECORDS_AT_ONCE
    for first in range(1, size, RECORDS_AT_ONCE):
        await send_minutes(wire, namespace, *range(first, first + RECORDS_AT_ONCE))
    gaps: list[Gap] = []
    seen: list[int] = []
    options = {"max_partition_fetch_bytes": 1024, "fetch_max_bytes": 1024}
    reading = subscribe(kafka.bootstrap_servers, namespace, group=group, idle=IDLE, on_gap=gaps.append, options=options)
    async with aclosing(reading) as articles:
        async for one in articles:
            if not seen:
                await expire(kafka, namespace, size - 5)
            seen.append(one.sequence)
    (gap,) = gaps
    assert gap.after is not None
    assert gap.after.sequence < size - 6
    assert gap.before == Mark(size - 5, moment(size - 5))
    assert seen == [*range(1, gap.after.sequence + 1), *range(size - 5, size + 1)]
    assert gap.lost == size - len(seen)


async def test_a_place_that_another_client_kept_tells_no_number(kafka: Kafka, namespace: str, wire: Any) -> None:
    await send_minutes(wire, namespace, *range(1, 10))
    partition = TopicPartition(f"{namespace}.enriched", 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, group_id=f"{namespace}.subscribe.g", enable_auto_commit=False
    )
    async with consumer:
        consumer.assign([partition])
        await consumer.commit({partition: 2})
    begins = await expire(kafka, namespace, 5)
    with pytest.raises(ArticlesExpired, match=rf"offsets 2 to {begins - 1} of .*up to the one observed at") as raised:
        await numbers(kafka, namespace, group="g")
    assert (raised.value.gap.lost, raised.value.gap.before.sequence) == (None, 5)


async def test_a_group_that_saw_nothing_keeps_its_place(kafka: Kafka, namespace: str, wire: Any) -> None:
    await send_minutes(wire, namespace, 1)
    assert await numbers(kafka, namespace, group="g", start="latest") == []
    await send_minutes(wire, namespace, 2)
    assert await numbers(kafka, namespace, group="g", start="latest") == [2]


async def test_a_start_time_does_not_read_what_is_much_older(kafka: Kafka, namespace: str, wire: Any) -> None:
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)  # the broker deletes what is much older
    async with transaction(wire):
        for number, day in enumerate((0, 10, 20, 30, 31), start=1):
            value = article(sequence=number, observed_at=first + timedelta(days=day)).encode()
            at = int((first + timedelta(days=day)).timestamp() * 1000)
            await wire.send_and_wait(f"{namespace}.enriched", value, b"k", timestamp_ms=at)
    starts: list[int] = []
    seek = AIOKafkaConsumer.seek

    def noted(self: Any, partition: TopicPartition, offset: int) -> None:
        starts.append(offset)
        seek(self, partition, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AIOKafkaConsumer, "seek", noted)
        found = [
            await numbers(kafka, namespace, start=first + timedelta(days=day), idle=0.5) for day in (0, 15, 30, 40)
        ]
    assert found == [[1, 2, 3, 4, 5], [3, 4, 5], [4, 5], []]
    assert starts == [0, 1, 3, 5]


@pytest.mark.parametrize("group", [None, "g"])
async def test_a_subscriber_that_ends_when_idle_has_read_all_before_however_slow_the_broker_is(
    kafka: Kafka, namespace: str, wire: Any, group: str | None
) -> None:
    await send_minutes(wire, namespace, 1, 2)
    async with transaction(wire):
        await wire.send_and_wait(f"{namespace}.enriched", article(sequence=3).encode(), b"k")
    await seen(kafka, namespace, 3)
    assert await numbers(kafka, namespace, group=group, idle=0.001) == [1, 2, 3]
    assert await numbers(kafka, namespace, start="latest", group=group and "h", idle=0.001) == []


async def test_an_idle_subscriber_says_when_the_broker_does_not_bring_what_the_log_has(
    kafka: Kafka, namespace: str, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(self: Any, *_: TopicPartition, **__: int) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0.05)
        return {}

    await send_minutes(wire, namespace, 1)
    await seen(kafka, namespace, 1)
    monkeypatch.setattr(AIOKafkaConsumer, "getmany", nothing)
    monkeypatch.setattr("newswire.pipeline.subscribe.reader.PATIENCE_SECONDS", 0.5)
    with pytest.raises(KafkaTimeoutError, match=f"{namespace}.enriched has records"):
        await numbers(kafka, namespace, idle=0.1)


async def test_the_command_tells_a_gap_and_goes_on(kafka: Kafka, namespace: str, wire: Any, tmp_path: Path) -> None:
    await send_minutes(wire, namespace, *range(1, 10))
    assert await numbers(kafka, namespace, group="g", limit=3) == [1, 2, 3]
    await expire(kafka, namespace, 8)
    printed = await asyncio.create_subprocess_exec(
        *command(kafka, namespace, tmp_path, "--group", "g", "--idle", "1.5"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await printed.communicate()
    assert printed.returncode == 0
    assert [json.loads(line)["sequence"] for line in out.splitlines()] == [8, 9]
    assert err.decode().startswith("4 articles expired before they were read: numbers 4 to 7, offsets 3 to ")


async def test_a_subscriber_that_leaves_while_the_broker_is_away_is_not_cancelled(
    kafka: Kafka, namespace: str, wire: Any
) -> None:
    async with transaction(wire):
        await send(wire, namespace, 1, 2, 3)
    for _ in range(3):
        async with kafka.proxy() as proxy, aclosing(subscribe(proxy.address, namespace)) as articles:
            assert (await anext(articles)).sequence == 1
            proxy.cut()
            await asyncio.sleep(0.5)
