"""A whole replay: the workers, the writer, the wait until everything written has its outcome, and the summary."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from newswire.pipeline.closing import close
from newswire.pipeline.connection import Connection
from newswire.pipeline.replay.sources import Source
from newswire.pipeline.replay.writer import FETCH_BYTES, CaptureReader, Pace, Progress, ReplayWriter, open_writer
from newswire.pipeline.settings import RunSettings, Settings
from newswire.schemas.common import format_time

ROLES = ("prepare", "deduplicate", "analyze", "cluster")
"""What a replay runs: all of the service but the poller."""

REPORT_SECONDS = 0.5
ESTIMATE_MIN = 50
"""Records that must have ended before the time left is estimated: the first ones wait for the workers to start."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """A replay as it runs: records written and ended, both of all its runs; `ended_here` in this one.

    `fraction`: the part of the source that is written, 0 to 1. `seconds` since this run began.
    """

    written: int
    ended: int
    ended_here: int
    fraction: float
    seconds: float

    @property
    def done(self) -> float:
        """The part of the source that has its outcome, 0 to 1."""
        return self.fraction * self.ended / self.written if self.written else self.fraction

    @property
    def rate(self) -> float:
        """Records a second that had their outcome in this run."""
        return self.ended_here / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the rate and the part of the source that is done; None while nothing can be said."""
        if self.ended_here < ESTIMATE_MIN or not self.rate or not self.fraction:
            return None
        return max(0.0, (self.written / self.fraction - self.ended) / self.rate)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a replay came to. `sha256` is of the enriched records in order, each followed by a line feed.

    `failed` captures could not be read, `faults` lines of the manifest name none, `skipped` articles were not wanted,
    `retries` were letters of the source namespace that were sent round again; `new`, `changed` and `seen` count the
    entries of captures. `since` (RFC 3339) is given when the source namespace has lost its beginning to retention: from
    when its records reach. `seconds` are this run's.
    """

    namespace: str
    collected: int
    outcomes: dict[str, int]
    enriched: int
    sha256: str
    failed: int
    faults: int
    skipped: int
    retries: int
    new: int
    changed: int
    seen: int
    since: str | None
    seconds: float


def processes_of(run: RunSettings) -> dict[str, tuple[str, ...]]:
    """The processes of a replay: those of the service without the poller, and one for each role that none has."""
    kept = {name: tuple(role for role in roles if role in ROLES) for name, roles in run.processes.items()}
    given = {role for roles in kept.values() for role in roles}
    return {name: roles for name, roles in kept.items() if roles} | {
        role: (role,) for role in ROLES if role not in given
    }


async def replay(
    settings: Settings,
    connection: Connection,
    source: Source,
    reader: CaptureReader,
    running: Callable[[], AbstractAsyncContextManager[object]],
    *,
    resume: bool = False,
    speed: float | None = None,
    report: Callable[[Status], None] = lambda status: None,
) -> Summary:
    """Send a source through the wire of its own namespace and wait until each record has its outcome.

    `running` runs the workers of ROLES over the namespace while its block lasts; its topics exist. `speed`: how many
    times as fast as the clock event time runs, None for as fast as possible. `report` is called every
    REPORT_SECONDS. Raises ReplayError and SourceError.
    """
    begun = time.monotonic()
    async with (
        open_writer(settings, connection, source, reader, resume=resume) as writer,
        _outcomes(settings, connection) as tail,
    ):
        await tail.catch_up()
        before = tail.ended

        def status() -> Status:
            fraction = 1.0 if writer.progress.finished else source.fraction
            seconds = time.monotonic() - begun
            return Status(writer.progress.records, tail.ended, tail.ended - before, fraction, seconds)

        if not writer.progress.finished or tail.ended < writer.progress.records:
            async with running():
                pace = Pace(speed, datetime.now(UTC) + timedelta(seconds=settings.prepare.future_seconds))
                await _work(settings, writer, tail, pace, lambda: report(status()))
        report(status())
        progress = writer.progress
    enriched, digest = await _digest(settings, connection)
    return Summary(
        namespace=settings.namespace,
        collected=progress.records,
        outcomes=dict(sorted(tail.kinds.items())),
        enriched=enriched,
        sha256=digest,
        failed=progress.failed,
        faults=len(source.faults),
        skipped=progress.skipped,
        retries=progress.retries,
        new=progress.new,
        changed=progress.changed,
        seen=progress.seen,
        since=_since(progress),
        seconds=round(time.monotonic() - begun, 3),
    )


def _since(progress: Progress) -> str | None:
    extent = progress.extent
    return format_time(extent.since) if extent is not None and extent.since is not None else None


async def _work(
    settings: Settings, writer: ReplayWriter, tail: "_Outcomes", pace: Pace, report: Callable[[], None]
) -> None:
    writing = asyncio.create_task(writer.write(pace))
    reporting = asyncio.create_task(_every(REPORT_SECONDS, report))
    try:
        moved = time.monotonic()
        while not writing.done() or tail.ended < writer.progress.records:
            if writing.done():
                writing.result()
            if await tail.poll():
                moved = time.monotonic()
            elif tail.ended < writer.progress.records and time.monotonic() > moved + settings.run.stall_seconds:
                moved = time.monotonic()
                _log.warning("no record has ended for a while", missing=writer.progress.records - tail.ended)
        writing.result()
    finally:
        for task in (writing, reporting):
            task.cancel()
        await asyncio.gather(writing, reporting, return_exceptions=True)


async def _every(seconds: float, call: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        call()


class _Outcomes:
    """The outcomes of a namespace, counted by kind as they are committed; those of retries are left out."""

    def __init__(self, consumer: Any, partition: TopicPartition) -> None:
        self.kinds: Counter[str] = Counter()
        self._consumer = consumer
        self._partition = partition

    @property
    def ended(self) -> int:
        return self.kinds.total()

    async def catch_up(self) -> None:
        """Count all that stands there now."""
        end = (await self._consumer.end_offsets([self._partition]))[self._partition]
        while await self._consumer.position(self._partition) < end:
            await self.poll()

    async def poll(self) -> bool:
        """Count what has come, waiting a moment for it. Whether anything has."""
        polled = await self._consumer.getmany(self._partition, timeout_ms=200, max_records=5_000)
        records = polled.get(self._partition, [])
        for record in records:
            outcome = orjson.loads(record.value)
            if outcome.get("supersedes") is None:
                self.kinds[outcome["outcome"]] += 1
        return bool(records)


@asynccontextmanager
async def _outcomes(settings: Settings, connection: Connection) -> AsyncIterator[_Outcomes]:
    async with _from_beginning(connection, settings.topic("outcomes")) as (consumer, partition):
        yield _Outcomes(consumer, partition)


async def _digest(settings: Settings, connection: Connection) -> tuple[int, str]:
    """How many enriched records stand on the topic, and their hash."""
    count, digest = 0, hashlib.sha256()
    async with _from_beginning(connection, settings.topic("enriched")) as (consumer, partition):
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, []):
                digest.update(record.value + b"\n")
                count += 1
    return count, digest.hexdigest()


@asynccontextmanager
async def _from_beginning(connection: Connection, topic: str) -> AsyncIterator[tuple[Any, TopicPartition]]:
    """A reader of what is committed on the one partition of a topic."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=connection.bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=FETCH_BYTES,
        **connection.options,
    )
    partition = TopicPartition(topic, 0)
    try:
        await consumer.start()
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        yield consumer, partition
    finally:
        await close(consumer)
