"""Replaying into a real broker: the order, the place that is kept with it, and the way through the whole wire."""

import asyncio
import contextlib
import gzip
import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.connection import Connection
from newswire.pipeline.ledger.counters import read_counts
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.driver import Status, Summary, replay
from newswire.pipeline.replay.selection import Selection, Span
from newswire.pipeline.replay.sources import open_source
from newswire.pipeline.replay.writer import Pace, ReplayError, open_writer
from newswire.pipeline.settings import Settings
from newswire.schemas import RawArticle
from tests.conftest import Kafka
from tests.integration.replaying import article, values, write

pytestmark = pytest.mark.broker

KILLED = -signal.SIGKILL
# argv: servers, namespace, source, at which commit the process is killed (0: not at all), resume
CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from newswire.pipeline.connection import Connection
from newswire.pipeline.replay import writer
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.selection import Selection, Span
from newswire.pipeline.replay.sources import open_source
from newswire.pipeline.settings import Settings

servers, namespace, source, commit, resume = sys.argv[1:]
writer.BATCH_RECORDS = 7
left = int(commit)

class Mortal(writer.AIOKafkaProducer):
    async def commit_transaction(self):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        await super().commit_transaction()

async def main():
    writer.AIOKafkaProducer = Mortal
    settings = Settings(namespace=namespace)
    opened = open_source(Path(source), Selection(), settings.text)
    async with capture_reader(settings) as reader:
        async with writer.open_writer(settings, Connection(servers), opened, reader, resume=resume == "resume") as one:
            await one.write(writer.Pace(None))

asyncio.run(main())
"""


def rss(*items: tuple[str, str]) -> bytes:
    entries = "".join(f"<item><guid>{guid}</guid><title>{title}</title></item>" for guid, title in items)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{entries}</channel></rss>'.encode()


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Raw articles as JSON lines, among them what is none."""
    file = tmp_path / "raw.jsonl"
    odd = [b"", b"poison", article(1), b"\xff", b'{"feed_url": "https://example.org/0"}']
    file.write_bytes(b"\n".join([*(article(number) for number in range(60)), *odd]) + b"\n")
    return file


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """Two feeds, twelve captures: entries come, change, leave; one body is no feed and one is missing."""
    folder = tmp_path / "captures"
    folder.mkdir()
    manifest = []
    for turn in range(6):
        for feed in ("one", "two"):
            name = f"{feed}-{turn}.xml.gz"
            items = [(f"{feed}{n}", f"{feed} {n} {'changed' if n == turn - 1 else ''}") for n in range(turn, turn + 5)]
            (folder / name).write_bytes(gzip.compress(b"no feed" if (feed, turn) == ("two", 3) else rss(*items)))
            manifest.append({"feed": feed, "time": 1_700_000_000 + turn * 3600, "file": name})
    (folder / "one-4.xml.gz").unlink()
    manifest.reverse()
    (folder / "manifest.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in manifest))
    return folder


@pytest.fixture
async def make(kafka: Kafka, namespace: str) -> Callable[[str], Any]:
    """Makes a replay's namespace with its topics."""

    async def make(name: str) -> str:
        await ensure_topics(kafka.bootstrap_servers, wire_topics(f"{namespace}{name}", partitions=1, replay=True))
        return f"{namespace}{name}"

    return make


async def killed(kafka: Kafka, namespace: str, path: Path, commit: int, *, resume: bool) -> int:
    """Write a source in a process that dies with SIGKILL before a commit. Its exit code."""
    arguments = [kafka.bootstrap_servers, namespace, str(path), str(commit), "resume" if resume else "fresh"]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return await child.wait()


async def test_lines_stand_on_raw_as_they_are(kafka: Kafka, make: Callable[[str], Any], lines: Path) -> None:
    name = await make("a")
    progress = await write(kafka, name, lines)
    raw = await values(kafka, f"{name}.raw")
    assert [value for _, value in raw] == lines.read_bytes().splitlines()
    assert progress.records == progress.next == len(raw) == 65
    rows = {key: value for key, value in await values(kafka, f"{name}.replay.changelog") if key and value}
    counts = read_counts(iter(rows.items()))
    assert {feed: row["out"] for feed, row in counts.items()} == {
        "": 3,
        "https://example.org/0": 21,
        "https://example.org/1": 21,
        "https://example.org/2": 20,
    }


async def test_a_range_of_observed_times(kafka: Kafka, make: Callable[[str], Any], lines: Path) -> None:
    name = await make("a")
    begin, end = (datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in (10, 20))
    progress = await write(kafka, name, lines, selection=Selection(Span(begin, end)))
    raw = await values(kafka, f"{name}.raw")
    assert [value for _, value in raw] == [article(number) for number in range(10, 20)]
    assert (progress.records, progress.skipped) == (10, 55)


async def test_captures_are_decided_in_the_order_of_their_times(
    kafka: Kafka, make: Callable[[str], Any], captures: Path
) -> None:
    name = await make("a")
    progress = await write(kafka, name, captures)
    articles = [RawArticle.decode(value) for _, value in await values(kafka, f"{name}.raw")]
    observed = [one.observed_at for one in articles if one.observed_at is not None]
    assert len(observed) == len(articles) == progress.records == progress.new + progress.changed
    assert observed == sorted(observed)
    assert {one.feed_url for one in articles} == {"one", "two"}
    assert len({(one.feed_url, one.entry_id) for one in articles}) == progress.new
    assert progress.failed == 2
    assert progress.seen > 0


@pytest.mark.parametrize("kind", ["lines", "captures"])
async def test_killed_and_resumed_it_writes_the_same(
    kafka: Kafka, make: Callable[[str], Any], kind: str, request: pytest.FixtureRequest
) -> None:
    source: Path = request.getfixturevalue(kind)
    whole, broken = await make("whole"), await make("broken")
    await write(kafka, whole, source)
    # before the first commit: nothing has begun; then within the first batch of a start, and within a later one
    assert await killed(kafka, broken, source, 1, resume=False) == KILLED
    assert await killed(kafka, broken, source, 2, resume=True) == KILLED
    assert await killed(kafka, broken, source, 3, resume=True) == KILLED
    progress = await write(kafka, broken, source, resume=True)
    assert await values(kafka, f"{broken}.raw") == await values(kafka, f"{whole}.raw")
    assert progress.records == len(await values(kafka, f"{whole}.raw"))
    again = await write(kafka, broken, source, resume=True)
    assert again == progress


async def test_starts_that_are_refused(kafka: Kafka, make: Callable[[str], Any], lines: Path, captures: Path) -> None:
    name = await make("a")
    await write(kafka, name, lines)
    before = await values(kafka, f"{name}.raw")
    with pytest.raises(ReplayError, match="--resume"):
        await write(kafka, name, lines)
    with pytest.raises(ReplayError, match="another source"):
        await write(kafka, name, captures, resume=True)
    with pytest.raises(ReplayError, match="another source"):
        await write(kafka, name, lines, resume=True, selection=Selection(Span(end=datetime(2026, 1, 1, tzinfo=UTC))))
    assert await values(kafka, f"{name}.raw") == before


async def test_a_wire_that_no_replay_wrote_is_left_alone(kafka: Kafka, make: Callable[[str], Any], lines: Path) -> None:
    name = await make("live")
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        await producer.send_and_wait(f"{name}.raw", article(1))
    for resume in (False, True):
        with pytest.raises(ReplayError, match="no replay wrote"):
            await write(kafka, name, lines, resume=resume)
    assert await values(kafka, f"{name}.raw") == [(None, article(1))]


async def test_a_second_writer_shuts_the_first_out(kafka: Kafka, make: Callable[[str], Any], lines: Path) -> None:
    # Futures inside aiokafka that nobody awaits complain when they are collected. The traceback of that, printed while
    # the collector runs inside ast.parse (pytest's rewriting), breaks CPython 3.11's parser.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    name = await make("a")
    settings, connection = Settings(namespace=name), Connection(kafka.bootstrap_servers)
    source = open_source(lines, Selection(), settings.text)
    async with (
        capture_reader(settings) as reader,
        open_writer(settings, connection, source, reader, resume=False) as first,
    ):
        await write(kafka, name, lines, resume=True)
        with pytest.raises(ReplayError, match="taken over"):
            await first.write(Pace(None))
    assert [value for _, value in await values(kafka, f"{name}.raw")] == lines.read_bytes().splitlines()


def echo(kafka: Kafka, namespace: str) -> Callable[[], AbstractAsyncContextManager[None]]:
    """Workers that end each record as emitted, its enriched record being the raw one."""

    async def work() -> None:
        topic = TopicPartition(f"{namespace}.raw", 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, isolation_level="read_committed")
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
        async with consumer, producer:
            consumer.assign([topic])
            await consumer.seek_to_beginning(topic)
            async for record in consumer:
                await producer.send_and_wait(f"{namespace}.enriched", record.value)
                await producer.send_and_wait(f"{namespace}.outcomes", b'{"outcome": "emitted", "supersedes": null}')

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        task = asyncio.create_task(work())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return running


async def test_a_replay_ends_when_all_has_its_outcome(kafka: Kafka, make: Callable[[str], Any], lines: Path) -> None:
    name = await make("a")
    settings, connection = Settings(namespace=name), Connection(kafka.bootstrap_servers)
    source = open_source(lines, Selection(), settings.text)
    reports: list[Status] = []

    async def once(resume: bool) -> Summary:
        async with capture_reader(settings) as reader:
            running = echo(kafka, name)
            return await replay(
                settings, connection, source, reader, running, resume=resume, speed=60.0, report=reports.append
            )

    first = await once(resume=False)
    assert (first.collected, first.enriched, first.outcomes) == (65, 65, {"emitted": 65})
    assert first.sha256 == hashlib.sha256(lines.read_bytes()).hexdigest()
    assert first.seconds >= 59 / 60  # a minute of event time
    assert reports[-1].fraction == 1.0
    assert reports[-1].ended == 65
    # all is done: nothing is written or run again
    second = await once(resume=True)
    assert (second.collected, second.sha256) == (first.collected, first.sha256)
