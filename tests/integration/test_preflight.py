"""A namespace that another version of newswire worked on: taken over where it can be, else refused before any start."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from newswire.pipeline import doctor
from newswire.pipeline.app.stages import ROLES
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.broker.errors import StateUnreadable
from newswire.pipeline.connection import Connection
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.supervisor import running_service
from newswire.pipeline.supervisor.preflight import find_unreadable
from tests.conftest import Kafka
from tests.wire import wire_settings

pytestmark = pytest.mark.broker


@pytest.fixture
async def wire(kafka: Kafka, namespace: str, tmp_path: Path) -> AsyncIterator[tuple[Settings, Connection]]:
    settings = wire_settings(namespace, tmp_path, kafka.bootstrap_servers)
    async with connect(settings) as connection:
        yield settings, connection


@asynccontextmanager
async def transaction(settings: Settings) -> AsyncIterator[Any]:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers, transactional_id=f"{settings.namespace}.test"
    )
    await producer.start()
    try:
        async with producer.transaction():
            yield producer
    finally:
        await producer.stop()


async def write_state(settings: Settings, stage: str, partition: int = 0, rows: int = 0, **position: Any) -> None:
    """A position in a stage's changelog, then as many other rows."""
    value = InputPosition(**{"offset": 0, "records": 0, "life": "l", **position}).encode()
    async with transaction(settings) as producer:
        topic = settings.topic(f"{stage}.changelog")
        await producer.send(topic, value, POSITION_KEY, partition=partition)
        for number in range(rows):
            await producer.send(topic, b"row", b"key %d" % number, partition=partition)


async def write_record(settings: Settings, topic: str, value: bytes, partition: int = 0) -> None:
    async with transaction(settings) as producer:
        await producer.send(settings.topic(topic), value, partition=partition)


def newswire(settings: Settings, *command: str) -> "subprocess.CompletedProcess[bytes]":
    variables = {
        "NEWSWIRE_STATE_DIR": str(settings.state_dir),
        "NEWSWIRE_NAMESPACE": settings.namespace,
        "NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers or "",
        "NEWSWIRE_RUN__PORT": "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "newswire", *command],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        timeout=60,
        check=False,
    )


async def test_what_this_version_wrote_and_what_says_no_version_is_gone_on_with(
    wire: tuple[Settings, Connection],
) -> None:
    settings, connection = wire
    assert await find_unreadable(connection, settings.namespace, ROLES) == []
    early = json.dumps({"offset": 5, "records": 5, "life": "l"}).encode()
    async with transaction(settings) as producer:
        await producer.send(settings.topic("prepare.changelog"), early, POSITION_KEY)
    await write_state(settings, "collect", partition=3, rows=300)
    for topic, value in (
        ("raw", b'{"schema":"newswire.raw.v99"}'),
        ("unique", b'{"schema":"newswire.raw.v99"}'),
        ("prepared", b"poison"),
        ("analyzed", b""),
    ):
        await write_record(settings, topic, value)
    assert await find_unreadable(connection, settings.namespace, ROLES) == []


async def test_state_of_another_version_is_refused_by_run_in_one_line_and_told_by_doctor(
    wire: tuple[Settings, Connection],
) -> None:
    settings, connection = wire
    await write_state(settings, "deduplicate", version=99, software="9.9.9")
    said = f"namespace '{settings.namespace}' cannot be gone on with: the state of deduplicate was written by newswire"
    done = newswire(settings, "run")
    assert (done.returncode, done.stderr.decode().splitlines()[-1].startswith(f"Error: {said} 9.9.9 in format 99")) == (
        1,
        True,
    )
    assert b"newswire replay namespace:NAME" in done.stderr
    assert b"worker started" not in done.stderr
    assert b"Traceback" not in done.stderr
    (found,) = [finding for finding in await doctor.check_kafka(settings) if finding.check == "state"]
    assert (found.level, "format 99" in found.text) == ("fault", True)
    with pytest.raises(StateUnreadable, match="format 99"):
        async with running_service(settings, connection):
            pass
    assert await find_unreadable(connection, settings.namespace, ["prepare", "analyze"]) == []


async def test_another_version_is_found_behind_many_rows_and_in_any_partition(
    wire: tuple[Settings, Connection],
) -> None:
    settings, connection = wire
    await write_state(settings, "collect", partition=2, rows=300, version=99)
    await write_state(settings, "collect", partition=1)
    (fault,) = await find_unreadable(connection, settings.namespace, ROLES)
    assert "the state of collect" in fault


async def test_records_of_a_newer_version_that_wait_are_not_taken(wire: tuple[Settings, Connection]) -> None:
    settings, connection = wire
    newer = b'{"schema":"newswire.unique.v99"}'
    await write_record(settings, "unique", newer, partition=4)
    (fault,) = await find_unreadable(connection, settings.namespace, ROLES)
    assert "newswire.unique.v99; this version reads newswire.unique.v1" in fault
    await write_state(settings, "analyze", partition=4, offset=1)
    assert await find_unreadable(connection, settings.namespace, ROLES) == []


async def test_a_changelog_that_is_none_of_ours_is_refused(wire: tuple[Settings, Connection]) -> None:
    settings, connection = wire
    async with transaction(settings) as producer:
        await producer.send(settings.topic("cluster.changelog"), b"[]", POSITION_KEY)
    (fault,) = await find_unreadable(connection, settings.namespace, ROLES)
    assert "none of newswire's" in fault
