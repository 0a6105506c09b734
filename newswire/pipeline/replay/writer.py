"""The one writer that fills `raw` from a source, and its place in the source, in one transaction each time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced

from newswire.pipeline.closing import close
from newswire.pipeline.connection import Connection
from newswire.pipeline.ledger.counters import PREFIX, count
from newswire.pipeline.replay.folder import CaptureFolder
from newswire.pipeline.replay.items import Capture, CaptureError, Line
from newswire.pipeline.replay.lines import RECORD_MAX
from newswire.pipeline.replay.rawtopic import Extent, RawTopic
from newswire.pipeline.replay.sources import Source
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage.clients import start_fenced
from newswire.pipeline.stage.ledger import row_key
from newswire.pipeline.stage.overlay import Overlay
from newswire.pipeline.stage.restore import restore
from newswire.pipeline.stage.store import DictStore
from newswire.pipeline.state import State
from newswire.schemas.common import Part, format_time

BATCH_RECORDS = 500
BATCH_BYTES = 4 * 1024 * 1024
BATCH_ITEMS = 500
FETCH_BYTES = 2_000_000

PROGRESS = b"progress"
"""The key of the row of a replay's progress."""

_REQUEST_BYTES = RECORD_MAX + 1024 * 1024
_log = structlog.get_logger(__name__)


class ReplayError(Exception):
    """The replay cannot begin or go on; the message says why and what to do, in one line."""


class Progress(Part):
    """How far a replay is: the row that is written with each transaction.

    `source` is the fingerprint of the source, `origin` what a person calls it, `extent` the part of it that is
    replayed where it may still grow. `next` is the first item of it that is not done, `records` how many stand on raw.
    `failed` captures could not be read, `skipped` articles are not wanted, `retries` were letters sent round again;
    `new`, `changed` and `seen` count captures' entries.
    """

    source: str
    origin: str = ""
    extent: Extent | None = None
    next: int = 0
    records: int = 0
    failed: int = 0
    skipped: int = 0
    retries: int = 0
    new: int = 0
    changed: int = 0
    seen: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """What a capture gives: the feed that its records count for, they with their keys, and its entries' counts.

    `skipped` of the new and changed entries are not wanted, and not among the records.
    """

    feed: str
    records: tuple[tuple[bytes, bytes], ...]
    new: int
    changed: int
    seen: int
    skipped: int = 0


CaptureReader = Callable[[Capture, bytes, State], Awaitable[Decided]]
"""Decides a capture from its body and the state, where it keeps its feed's rows. Raises CaptureError, having written
nothing, when the body is no feed."""


class Pace:
    """How long to wait so that event time runs `speed` times as fast as the clock; None does not wait.

    Nothing waits for what claims to be observed after `latest`: that is an error of its feed, and is rejected.
    """

    def __init__(
        self,
        speed: float | None,
        latest: datetime | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._speed = speed
        self._latest = latest
        self._clock = clock
        self._origin: tuple[datetime, float] | None = None

    def delay(self, at: datetime | None) -> float:
        """Seconds to wait before what was observed `at`; 0 for what has no time or is late."""
        if self._speed is None or at is None or (self._latest is not None and at > self._latest):
            return 0.0
        if self._origin is None:
            self._origin = (at, self._clock())
        first, begun = self._origin
        return max(0.0, (at - first).total_seconds() / self._speed - (self._clock() - begun))


@dataclass
class _Batch:
    state: Overlay
    progress: Progress
    records: list[tuple[bytes | None, bytes]] = field(default_factory=list)
    size: int = 0
    items: int = 0

    @property
    def full(self) -> bool:
        return len(self.records) >= BATCH_RECORDS or self.size >= BATCH_BYTES or self.items >= BATCH_ITEMS

    def add(self, feed: str, records: list[tuple[bytes | None, bytes]]) -> None:
        self.records += records
        self.size += sum(len(value) for _, value in records)
        if records:
            count(self.state, feed, {"out": len(records)})

    def note(self, item: Capture | Line, **counts: int) -> None:
        self.items += 1
        added = {name: getattr(self.progress, name) + number for name, number in counts.items()}
        self.progress = self.progress.model_copy(update={"next": item.index + 1, **added})


class ReplayWriter:
    """Writes a source to `raw` of one namespace; made by `open_writer`."""

    def __init__(
        self, settings: Settings, producer: Any, store: DictStore, source: Source, reader: CaptureReader
    ) -> None:
        self._settings = settings
        self._producer = producer
        self._store = store
        self._source = source
        self._reader = reader
        self._commit: asyncio.Task[None] | None = None
        # the ledger's topic may be younger than the replay
        self._unbooked: dict[bytes, bytes | None] = dict(store.scan(PREFIX))
        extent = source.extent if isinstance(source, RawTopic) else None
        self.progress = read_progress(store) or Progress(source=source.fingerprint, origin=source.origin, extent=extent)
        """What is committed."""
        if isinstance(source, RawTopic) and self.progress.extent is not None:
            source.extent = self.progress.extent  # a live wire has grown since the replay began

    async def write(self, pace: Pace) -> None:
        """Write all that is left, in order. Raises ReplayError, and SourceError when the source breaks off."""
        if self.progress.finished:
            return
        batch = self._new_batch()
        async for item in _items(self._source, self.progress.next):
            wait = pace.delay(item.at)
            if wait > 0:
                await self._flush(batch)
                batch = self._new_batch()
                await asyncio.sleep(wait)
            await self._take(batch, item)
            if batch.full:
                await self._flush(batch)
                batch = self._new_batch()
        batch.progress = batch.progress.model_copy(update={"finished": True})
        await self._flush(batch)

    async def begin(self) -> None:
        """Mark the namespace as this replay's, before anything else stands in it."""
        if read_progress(self._store) is None:
            await self._flush(self._new_batch())

    async def close(self) -> None:
        """Let a running commit end and close the producer."""
        if self._commit is not None and not self._commit.done():
            await asyncio.wait({self._commit})
        await self._producer.stop()

    def _new_batch(self) -> _Batch:
        return _Batch(Overlay(self._store, RECORD_MAX), self.progress)

    async def _take(self, batch: _Batch, item: Capture | Line) -> None:
        if isinstance(item, Line):
            if item.value is None:
                batch.note(item, **{"retries" if item.retry else "skipped": 1})
            else:
                batch.add(item.feed, [(item.key, item.value)])
                batch.note(item, records=1)
            return
        assert isinstance(self._source, CaptureFolder)
        try:
            body = self._source.body(item, self._settings.collect.body_max)
            decided = await self._reader(item, body, batch.state)
        except CaptureError as error:
            _log.warning("a capture cannot be read", line=item.line, file=item.file.name, error=str(error))
            batch.note(item, failed=1)
            return
        batch.add(decided.feed, list(decided.records))
        batch.note(
            item,
            records=len(decided.records),
            new=decided.new,
            changed=decided.changed,
            seen=decided.seen,
            skipped=decided.skipped,
        )

    async def _flush(self, batch: _Batch) -> None:
        if batch.progress == read_progress(self._store):
            return
        batch.state.put(PROGRESS, batch.progress.model_dump_json().encode())
        # a transaction that has begun is ended, also when the replay is being stopped
        self._commit = asyncio.create_task(self._carry_out(batch))
        await asyncio.shield(self._commit)

    async def _carry_out(self, batch: _Batch) -> None:
        raw, changelog = self._settings.topic("raw"), self._settings.topic("replay.changelog")
        ledger = self._settings.topic("ledger")
        written = {key: row for key, row in batch.state.writes.items() if key.startswith(PREFIX)}
        sent: list[asyncio.Future[Any]] = []
        try:
            await self._producer.begin_transaction()
            for key, value in batch.records:
                sent.append(await self._producer.send(raw, value, key, partition=0))
            for key, row in batch.state.writes.items():
                sent.append(await self._producer.send(changelog, row, key, partition=0))
            for key, row in {**self._unbooked, **written}.items():
                sent.append(await self._producer.send(ledger, row, row_key("replay", 0, "", key), partition=0))
            await asyncio.gather(*sent)
            await self._producer.commit_transaction()
        except (KafkaError, IllegalOperation) as error:
            raise _failure(error, sent) from error
        self._store.apply(batch.state.writes, 0, 0.0)
        self._unbooked = {}
        self.progress = batch.progress


def _failure(error: Exception, sent: Sequence[asyncio.Future[Any]]) -> ReplayError:
    """What a transaction failed by: where it did between two sends, the second is only told that there is none."""
    failed = [future.exception() for future in sent if future.done() and not future.cancelled()]
    if any(isinstance(each, ProducerFenced) for each in (error, *failed)):
        return ReplayError("another replay has taken over this namespace")
    return ReplayError(f"Kafka failed, go on with --resume: {next(filter(None, failed), None) or error}")


@asynccontextmanager
async def open_writer(
    settings: Settings, connection: Connection, source: Source, reader: CaptureReader, *, resume: bool
) -> AsyncIterator[ReplayWriter]:
    """The writer of the namespace, at its place in the source; any other writer of it is shut out.

    Without `resume` the namespace must be empty; with it the source must be the one that the replay began with (a
    replay that had not begun begins). Raises ReplayError.
    """
    consumer, producer = _consumer(connection), _producer(settings, connection)
    raw, changelog = (TopicPartition(settings.topic(name), 0) for name in ("raw", "replay.changelog"))
    try:
        await consumer.start()
        # first without shutting anyone out: a start that is refused must not stop a replay that runs
        await _check(settings, await _restored(consumer, changelog), source, resume)
        await start_fenced(producer)
        store = await _restored(consumer, changelog)
        await _check(settings, store, source, resume)
        if read_progress(store) is None and not await _is_empty(consumer, raw):
            raise ReplayError(
                f"namespace {settings.namespace!r} holds articles that no replay wrote: choose another --namespace"
            )
        await consumer.stop()
        writer = ReplayWriter(settings, producer, store, source, reader)
        try:
            await writer.begin()
            _tell_lost(writer.progress)
            yield writer
        finally:
            await writer.close()
    finally:
        await close(consumer)
        await producer.stop()


def _tell_lost(progress: Progress) -> None:
    extent = progress.extent
    if extent is not None and extent.lost:
        since = format_time(extent.since) if extent.since is not None else None
        _log.warning(
            "the source has lost its beginning to retention: what is older is not replayed",
            source=progress.origin,
            since=since,
        )


async def _items(source: Source, start: int) -> AsyncIterator[Capture | Line]:
    if isinstance(source, RawTopic):
        async for line in source.items(start):
            yield line
        return
    for item in source.items(start):
        yield item


async def _check(settings: Settings, store: DictStore, source: Source, resume: bool) -> None:
    progress = read_progress(store)
    if progress is None:
        return
    if not resume:
        raise ReplayError(
            f"namespace {settings.namespace!r} has a replay already: go on with it by --resume, "
            "or choose another --namespace"
        )
    if progress.source != source.fingerprint:
        raise ReplayError(
            f"the replay in namespace {settings.namespace!r} began with another source, or with another "
            "selection of it (--from, --to, --feed, --where)"
        )


def read_progress(store: DictStore) -> Progress | None:
    """The row of a replay's progress, from the state of its writer; None when there is none."""
    row = store.get(PROGRESS)
    return Progress.model_validate_json(row) if row is not None else None


async def _restored(consumer: Any, changelog: TopicPartition) -> DictStore:
    store = DictStore()
    await restore(consumer, changelog, store, max_age_s=0.0, now=0.0, step=lambda: None)
    return store


async def _is_empty(consumer: Any, partition: TopicPartition) -> bool:
    """Whether no committed record stands in the log (what an aborted transaction left does not count)."""
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    end = (await consumer.end_offsets([partition]))[partition]
    while await consumer.position(partition) < end:
        if (await consumer.getmany(partition, timeout_ms=500, max_records=1)).get(partition):
            return False
    return True


def _consumer(connection: Connection) -> Any:
    return AIOKafkaConsumer(
        bootstrap_servers=connection.bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
        **connection.options,
    )


def _producer(settings: Settings, connection: Connection) -> Any:
    return AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap_servers,
        transactional_id=settings.topic("replay"),
        transaction_timeout_ms=settings.kafka.transaction_timeout_ms,
        acks="all",
        max_batch_size=900_000,
        max_request_size=_REQUEST_BYTES,
        retry_backoff_ms=20,
        **connection.options,
    )
