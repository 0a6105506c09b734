"""The command as it is called, with workers: replays that must give the same bytes, and touch nothing else."""

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.client import admin_client, existing_topics
from newswire.pipeline.broker.topics import wire_topics
from tests.conftest import Kafka
from tests.integration.replaying import article, values
from tests.wire import raw_lines

pytestmark = [pytest.mark.broker, pytest.mark.slow]

WIRE = ["prepare", "deduplicate", "cluster"]
ONE = {"wire": WIRE, "analyzer": ["analyze"]}
THREE = {"poller": ["collect"], "wire": WIRE, "a": ["analyze"], "b": ["analyze"], "c": ["analyze"]}


class Newswire:
    """The command line over one configuration."""

    def __init__(self, config: Path) -> None:
        self._config = str(config)

    async def __call__(self, *arguments: str, processes: dict[str, Any] = ONE) -> tuple[int | None, bytes, str]:
        """Exit code, standard output and standard error of a command that has a process of its own."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "newswire", *arguments, "--config", self._config),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path.cwd()), "NEWSWIRE_RUN__PROCESSES": json.dumps(processes)},
        )
        out, errors = await process.communicate()
        return process.returncode, out, errors.decode()


@pytest.fixture
def newswire(kafka: Kafka, namespace: str, tmp_path: Path) -> Newswire:
    """The command line on the tests' Kafka; its live namespace is `{namespace}live`."""
    config = tmp_path / "newswire.toml"
    config.write_text(
        f'namespace = "{namespace}live"\nstate_dir = "{tmp_path / "state"}"\n'
        f'[kafka]\nbootstrap_servers = "{kafka.bootstrap_servers}"\npartitions = 4\nsession_timeout_ms = 6000\n'
        '[analyze]\nconstant_ms = 0\n[run]\nlog_level = "warning"\n'
    )
    return Newswire(config)


async def ends(kafka: Kafka, namespace: str) -> dict[tuple[str, int], int]:
    """Where each partition of a namespace ends."""
    async with admin_client(kafka.bootstrap_servers) as client:
        topics = {name: parts for name, parts in (await existing_topics(client)).items() if _is_of(name, namespace)}
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers) as consumer:
        partitions = [TopicPartition(name, number) for name, parts in topics.items() for number in range(len(parts))]
        return {(at.topic, at.partition): end for at, end in (await consumer.end_offsets(partitions)).items()}


def _is_of(topic: str, namespace: str) -> bool:
    return topic.startswith(f"{namespace}.")


async def test_whatever_the_speed_and_the_workers_the_bytes_are_those_of_enrich(
    kafka: Kafka, namespace: str, newswire: Newswire, tmp_path: Path
) -> None:
    live, state = f"{namespace}live", tmp_path / "state" / "workers"
    await ensure_topics(kafka.bootstrap_servers, [spec for spec in wire_topics(live) if spec.name == f"{live}.raw"])
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        await producer.send_and_wait(f"{live}.raw", article(1))
    untouched = await ends(kafka, live)
    lines = tmp_path / "raw.jsonl"
    lines.write_bytes(b"\n".join(raw_lines(150)) + b"\n")
    one, three, again = (f"{namespace}{name}" for name in ("one", "three", "again"))
    (code, enriched, errors), *replays = await asyncio.gather(
        newswire("enrich", str(lines)),
        newswire("replay", str(lines), "--namespace", one),
        newswire("replay", str(lines), "--namespace", three, "--speed", "100000x", processes=THREE),
    )
    assert code == 0, errors
    emitted = [line for line in enriched.splitlines() if b'"newswire.enriched.v1"' in line]
    assert len(emitted) > 100
    for name, (code, told, errors) in zip((one, three), replays, strict=True):
        assert code == 0, errors
        assert [value for _, value in await values(kafka, f"{name}.enriched")] == emitted
        summary = json.loads(told)
        assert summary["collected"] == sum(summary["outcomes"].values()) == 150
        assert summary["sha256"] == hashlib.sha256(b"".join(line + b"\n" for line in emitted)).hexdigest()

    untouched |= await ends(kafka, one)
    # what was emitted there once more: the copies and repeats, which it leaves out, decided nothing
    condition = "--where", "revision > 0 && duplicate.kind != 'exact'"
    code, told, errors = await newswire("replay", f"namespace:{one}", "--namespace", again, *condition)
    assert code == 0, errors
    summary = json.loads(told)
    assert summary["collected"] == summary["enriched"] == len(emitted)
    assert summary["skipped"] == 150 - len(emitted)
    told_again = [json.loads(value or b"") for _, value in await values(kafka, f"{again}.enriched")]
    assert [record["id"] for record in told_again] == [json.loads(line)["id"] for line in emitted]

    # neither the live namespace nor the source has got anything of it, on Kafka and here
    assert {**await ends(kafka, live), **await ends(kafka, one)} == untouched
    assert {folder.name for folder in state.iterdir()} == {one, three, again}
