"""The checker: it passes what the service made, and it finds what is cut, changed, added, repeated or left open."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from newswire.pipeline.broker.connect import connect
from newswire.pipeline.settings import Settings
from newswire.pipeline.supervisor import running_service
from tests.crash.copies import STRAY, Change, Copied, copy_namespace
from tests.crash.verifying import forget, same, verify
from tests.wire import enrich, produce, raw_lines, read_topic, wire_settings

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

LINES = raw_lines(120, seed=21)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def made(kafka: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Settings]:
    """A namespace through which the real service has taken articles, and a stray on each topic between stages."""
    folder = tmp_path_factory.mktemp("verify")
    settings = wire_settings(f"v{uuid.uuid4().hex[:8]}", folder, kafka.bootstrap_servers, analyze={"constant_ms": 0.0})
    async with connect(settings) as connection, running_service(settings, connection):
        await produce(settings, "raw", LINES)
        for topic in ("prepared", "unique", "analyzed"):
            await produce(settings, topic, [STRAY])
        await read_topic(settings, "outcomes", count=len(LINES))
        await read_topic(settings, "dead", count=sum(b'"dead"' in line for line in enrich(LINES)) + 3)
        CHANGED["stories"] = len(await read_topic(settings, "stories")) - 1
    yield settings


@pytest.mark.parametrize("trust", [False, True])
async def test_what_the_service_made_holds(made: Settings, trust: bool) -> None:
    report = await verify(made, trust=trust)
    assert report.holds, report.faults
    assert report.records == report.compared["outcomes"] == len(LINES)
    assert report.compared["enriched"] == report.compared["analyzed"] == report.compared["unique"] > 60
    assert report.compared["stories"] == report.compared["enriched"]
    assert report.strays == 3
    assert report.in_flight == 0
    assert (report.recorded > 0) == trust


def cut(record: Copied) -> list[bytes]:
    """Leave out one record of each topic."""
    return [] if record.number == CHANGED.get(record.topic) else [record.value]


def twice(record: Copied) -> list[bytes]:
    """Write one record of each topic twice."""
    return [record.value] * (1 + (record.number == CHANGED.get(record.topic)))


def other_byte(record: Copied) -> list[bytes]:
    """Change one letter of one record of each topic, so that it still is one of its kind."""
    if record.number != CHANGED.get(record.topic):
        return [record.value]
    mark = {"outcomes": b'"feed_url":"', "dead": b'"error":"', "stories": b'"title":"'}.get(record.topic, b'"title":"')
    at = record.value.index(mark) + len(mark)
    return [record.value[:at] + bytes([record.value[at] ^ 1]) + record.value[at + 1 :]]


def added(record: Copied) -> list[bytes]:
    """Write one record of each topic once more, as another one."""
    if record.number != CHANGED.get(record.topic):
        return [record.value]
    field = b'"position":' if record.topic in ("prepared", "outcomes", "dead") else b'"sequence":'
    return [record.value, record.value.replace(field, field + b"1000")]


def swapped() -> Change:
    """Exchange a record and the next one on the topics that have an order."""
    held: dict[str, bytes] = {}

    def change(record: Copied) -> list[bytes]:
        if record.topic in ("prepared", "enriched") and record.number == 7:
            held[record.topic] = record.value
            return []
        if record.topic in held:
            return [record.value, held.pop(record.topic)]
        return [record.value]

    return change


CHANGED = {"prepared": 7, "unique": 8, "analyzed": 9, "enriched": 10, "outcomes": 11, "dead": 1}
"""Which of its records a change is made to, by topic; of `stories` the last, since earlier ones may be gone."""
ONE_EACH = ("prepared", "unique", "analyzed", "enriched", "outcomes")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(same, set(), id="none"),
        pytest.param(cut, {("missing", topic) for topic in (*ONE_EACH, "stories", "dead")}, id="cut"),
        pytest.param(
            twice,
            {*(("repeated", topic) for topic in ONE_EACH), ("foreign", "dead"), ("different", "stories")},
            id="twice",
        ),
        pytest.param(
            other_byte,
            {*(("different", topic) for topic in (*ONE_EACH, "stories")), ("missing", "dead"), ("foreign", "dead")},
            id="changed",
        ),
        pytest.param(
            added, {*(("foreign", topic) for topic in (*ONE_EACH, "dead")), ("different", "stories")}, id="added"
        ),
        pytest.param(swapped(), {("out of order", "prepared"), ("out of order", "enriched")}, id="swapped"),
    ],
)
async def test_a_copy_with_faults(made: Settings, namespace: str, change: Change, found: set[tuple[str, str]]) -> None:
    servers = made.kafka.bootstrap_servers
    assert servers is not None
    await copy_namespace(servers, made.namespace, namespace, change)
    report = await verify(made, namespace)
    assert {(fault.kind, fault.topic) for fault in report.faults} == found
    assert report.holds == (not found)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(same, set(), id="none"),
        pytest.param(cut, {("missing", "outcomes"), ("missing", "enriched")}, id="cut"),
        pytest.param(twice, {("repeated", "outcomes"), ("repeated", "enriched"), ("missing", "outcomes")}, id="twice"),
    ],
)
async def test_without_the_beginning_of_raw_numbers_and_ids_are_compared(
    made: Settings, namespace: str, change: Change, found: set[tuple[str, str]]
) -> None:
    servers = made.kafka.bootstrap_servers
    assert servers is not None
    await copy_namespace(servers, made.namespace, namespace, change)
    await forget(made, namespace, {"raw": len(LINES) // 2})
    report = await verify(made, namespace)
    assert report.partial is not None
    assert "raw begins at offset" in report.partial
    assert "no archive is kept" in report.partial
    assert {(fault.kind, fault.topic) for fault in report.faults} == found


async def test_an_open_transaction_is_found(made: Settings) -> None:
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=made.kafka.bootstrap_servers, transactional_id="left-open", transaction_timeout_ms=60_000
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(made.topic("enriched"), b"open")
        report = await verify(made)
        await producer.abort_transaction()
    finally:
        await producer.stop()
    assert ("open transaction", "enriched") in {(fault.kind, fault.topic) for fault in report.faults}
