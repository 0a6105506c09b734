"""`newswire namespaces`: what stands on a Kafka, and what may be deleted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from click.testing import CliRunner

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.client import admin_client, existing_topics
from newswire.pipeline.broker.locks import open_lock, try_lock, unlock
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.cli import main
from tests.conftest import Kafka
from tests.integration.replaying import article, write

pytestmark = pytest.mark.broker

Command = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def namespaces(kafka: Kafka, namespace: str, tmp_path: Path) -> Command:
    """Calls the command; its live namespace is the test's. Gives exit code and output."""
    environment = {
        "NEWSWIRE_NAMESPACE": namespace,
        "NEWSWIRE_RUN__LOG_LEVEL": "warning",
        "NEWSWIRE_STATE_DIR": str(tmp_path),
        "NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
    }

    async def call(*arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(CliRunner().invoke, main, ["namespaces", *arguments], env=environment)
        return done.exit_code, done.output

    return call


async def topics(kafka: Kafka, namespace: str) -> set[str]:
    async with admin_client(kafka.bootstrap_servers) as client:
        return {name for name in await existing_topics(client) if name.startswith(f"{namespace}.")}


async def test_namespaces_are_listed_and_deleted(
    kafka: Kafka, namespace: str, namespaces: Command, tmp_path: Path
) -> None:
    live, old = namespace, f"{namespace}old"
    lines = tmp_path / "raw.jsonl"
    lines.write_bytes(b"".join(article(number) + b"\n" for number in range(3)))
    for name in (live, old):
        await ensure_topics(kafka.bootstrap_servers, wire_topics(name, partitions=1))
    await write(kafka, old, lines)
    caches = [tmp_path / "workers" / name / "wire" / "rows" for name in (live, old)]
    for folder in caches:
        folder.mkdir(parents=True)

    code, told = await namespaces("list", "--json")
    assert code == 0, told
    listed = {found["namespace"]: found for found in map(json.loads, told.splitlines())}
    assert listed[live] == {"namespace": live, "replay": None, "collected": 0, "enriched": 0, "in_use_by": []}
    assert (listed[old]["collected"], listed[old]["enriched"], listed[old]["in_use_by"]) == (3, 0, [])
    assert (listed[old]["replay"]["origin"], listed[old]["replay"]["finished"]) == (str(lines), True)
    code, told = await namespaces("list")
    assert f"{old}\treplay of {lines}, finished\t3\t0\t-" in told.splitlines()
    assert f"{live}\tlive\t0\t0\t-" in told.splitlines()

    for arguments, reason in (
        ((old,), "--yes"),  # nobody can be asked
        ((live, "--yes"), "--live"),
        (("newswire", "--yes"), "--live"),
    ):
        code, told = await namespaces("delete", *arguments)
        assert (code, reason in told) == (2, True)
    code, told = await namespaces("delete", old, "--yes")
    assert (code, told) == (0, f"deleted {old}: {len(wire_topics(old))} topics\n")
    assert not await topics(kafka, old)
    assert [folder.exists() for folder in caches] == [True, False]
    assert len(await topics(kafka, live)) == len(wire_topics(live))
    code, told = await namespaces("delete", old, "--yes")
    assert code == 1
    assert f"there is no namespace '{old}'" in told
    assert (await namespaces("delete", live, "--yes", "--live"))[0] == 0
    assert not await topics(kafka, live)


async def test_a_namespace_in_use_stays(
    kafka: Kafka, namespace: str, namespaces: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newswire.pipeline.namespaces.DELETE_SECONDS", 0.5)
    name = f"{namespace}used"
    await ensure_topics(kafka.bootstrap_servers, wire_topics(name, partitions=1))
    groups = [f"{name}.subscribe.a", f"{name}.subscribe.b"]
    readers = [
        AIOKafkaConsumer(f"{name}.enriched", bootstrap_servers=kafka.bootstrap_servers, group_id=group)
        for group in groups
    ]
    for reader in readers:
        await reader.start()
    try:
        listed = {
            found["namespace"]: found for found in map(json.loads, (await namespaces("list", "--json"))[1].split())
        }
        assert listed[name]["in_use_by"] == groups
        code, told = await namespaces("delete", name, "--yes")
        assert (code, f"{name} is in use by the groups {groups[0]}" in told) == (1, True)
    finally:
        for reader in readers:
            await reader.stop()
    (tmp_path / "workers" / name).mkdir(parents=True)
    lock = open_lock(tmp_path / "workers" / name / "wire.lock")
    assert try_lock(lock)
    try:
        code, told = await namespaces("delete", name, "--yes")
        assert (code, f"{name} is in use on this machine by wire" in told) == (1, True)
    finally:
        unlock(lock)
    assert len(await topics(kafka, name)) == len(wire_topics(name))
    assert (await namespaces("delete", name, "--yes"))[0] == 0
