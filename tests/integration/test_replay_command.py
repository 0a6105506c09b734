"""The command as it is called, with workers: replays that must give the same bytes, and touch nothing else."""

import asyncio
import hashlib
import json
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from newswire.pipeline.archive.record import Origin
from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.client import admin_client, existing_topics, has_leaders
from newswire.pipeline.broker.topics import wire_topics
from tests.conftest import Kafka
from tests.integration.replaying import article, values
from tests.unit.archive.answers import answer, writer
from tests.unit.feeds.site import rss
from tests.wire import WORDS, raw_lines

pytestmark = [pytest.mark.broker, pytest.mark.slow]

WIRE = ["prepare", "deduplicate", "cluster"]
ONE = {"wire": WIRE, "analyzer": ["analyze"]}
THREE = {"poller": ["collect"], "wire": WIRE, "a": ["analyze"], "b": ["analyze"], "c": ["analyze"]}
COUNT = 500
"""Lines, or captures, of a source."""
ENRICHED = 20
"""Articles that a replay has enriched before it is killed."""
KILL_SECONDS = 180.0


class Newswire:
    """The command line over one configuration."""

    def __init__(self, config: Path) -> None:
        self._config = str(config)

    async def __call__(self, *arguments: str, processes: dict[str, Any] = ONE) -> tuple[int | None, bytes, str]:
        """Exit code, standard output and standard error of a command that has a process of its own."""
        process = await self.start(*arguments, processes=processes)
        try:
            out, errors = await process.communicate()
        finally:
            if process.returncode is None:
                await kill(process)
        return process.returncode, out, errors.decode()

    async def start(self, *arguments: str, processes: dict[str, Any] = ONE, **environment: str) -> Process:
        """Start a command in a process of its own."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "newswire", *arguments, "--config", self._config),
            stdout=PIPE,
            stderr=PIPE,
            env={
                **os.environ,
                **environment,
                "PYTHONPATH": str(Path.cwd()),
                "NEWSWIRE_RUN__PROCESSES": json.dumps(processes),
            },
        )


async def kill(process: Process) -> str:
    """SIGKILL a command and all that it has started, of which workers have sessions of their own. Its error output."""
    with suppress(psutil.NoSuchProcess):
        command = psutil.Process(process.pid)
        for one in (command, *command.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                one.kill()
    _, errors = await process.communicate()
    return errors.decode()


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


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Raw articles as JSON lines, one a second of event time."""
    file = tmp_path / "raw.jsonl"
    file.write_bytes(b"\n".join(raw_lines(COUNT)) + b"\n")
    return file


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Polls of three feeds in turn, one a minute: each gives a new entry and the last two, at times one changed."""
    folder = tmp_path / "archive"
    folder.mkdir()
    archive = writer(folder)
    chance = random.Random(1)
    titles = {feed: [f"{feed}{n} {' '.join(chance.choices(WORDS, k=12))}" for n in range(COUNT)] for feed in "abc"}
    for number in range(COUNT):
        feed, poll = "abc"[number % 3], number // 3
        shown = titles[feed][max(0, poll - 2) : poll + 1]
        if poll % 5 == 4:
            shown[0] += " corrected"
        read_at = int(answer(number - 3).at.timestamp()) if poll else None
        origin = Origin(f"https://{feed}.example/rss", None, 1, read_at, read=True)
        archive.write(answer(number, rss(*shown), origin.feed, origin=origin))
    archive.close()
    return folder


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
    one, again = f"{namespace}one", f"{namespace}again"
    code, enriched, errors = await newswire("enrich", str(lines))
    assert code == 0, errors
    names = [one, f"{namespace}three", f"{namespace}onefast", f"{namespace}threefast"]
    replays: list[tuple[int | None, bytes, str]] = []
    for (first, second), speed in (((names[0], names[1]), "max"), ((names[2], names[3]), "100000x")):
        replays += await asyncio.gather(
            newswire("replay", str(lines), "--namespace", first, "--speed", speed),
            newswire("replay", str(lines), "--namespace", second, "--speed", speed, processes=THREE),
        )
    emitted = [line for line in enriched.splitlines() if b'"newswire.enriched.v1"' in line]
    assert len(emitted) > 100
    for name, (code, told, errors) in zip(names, replays, strict=True):
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
    assert {folder.name for folder in state.iterdir()} == {*names, again}


async def committed(kafka: Kafka, topic: str) -> int:
    """How many records are committed on a topic, 0 while it is none."""
    async with admin_client(kafka.bootstrap_servers) as client:
        if not has_leaders((await existing_topics(client)).get(topic)):
            return 0
    return len(await values(kafka, topic))


async def killed_in_the_middle(kafka: Kafka, newswire: Newswire, source: Path, namespace: str, speed: str) -> None:
    """Begin a replay whose speed makes it last longer than KILL_SECONDS, and kill it when it has enriched some."""
    arguments = "replay", str(source), "--namespace", namespace, "--speed", speed
    process = await newswire.start(*arguments, NEWSWIRE_ANALYZE__CONSTANT_MS="500")
    deadline = time.monotonic() + KILL_SECONDS
    try:
        while await committed(kafka, f"{namespace}.enriched") < ENRICHED and process.returncode is None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    finally:
        errors = await kill(process)
    assert process.returncode == -signal.SIGKILL, errors


@pytest.mark.parametrize(("kind", "speed"), [("lines", "2.5x"), ("archive", "150x")])
async def test_killed_and_resumed_it_comes_to_the_same(
    kafka: Kafka, namespace: str, newswire: Newswire, kind: str, speed: str, request: pytest.FixtureRequest
) -> None:
    source: Path = request.getfixturevalue(kind)
    whole, broken = f"{namespace}whole", f"{namespace}broken"
    (code, told, errors), _ = await asyncio.gather(
        newswire("replay", str(source), "--namespace", whole),
        killed_in_the_middle(kafka, newswire, source, broken, speed),
    )
    assert code == 0, errors
    expected = json.loads(told)
    topics = "raw", "outcomes", "enriched"
    written, ended, enriched = [await committed(kafka, f"{broken}.{topic}") for topic in topics]
    # writer and workers were in the middle: not all was written, and not all that was written had its outcome
    assert ended < written < expected["collected"]
    assert 0 < enriched < expected["enriched"]

    code, told, errors = await newswire("replay", str(source), "--namespace", broken, "--resume")
    assert code == 0, errors
    summary = json.loads(told)
    assert summary["sha256"] == expected["sha256"]
    own = "namespace", "seconds"
    assert {**summary, **dict.fromkeys(own)} == {**expected, **dict.fromkeys(own)}
