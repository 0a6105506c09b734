"""The seven steps of exactly once, for one partition; their order is what makes it so.

1. A producer with the partition's own transactional id gets its producer id. This fences every former owner: whatever a
   stopped or lost process still holds in its hands, it can no longer commit. An id a worker would not do that.
2. Only then the group's offset is read and the state restored: earlier, the former owner could still move them.
3. The partition's own consumer reads in order; a batch goes through the channel to the agent, new state in an overlay.
4. One transaction: the offset, the outputs, the changelog rows (transaction.py).
5. Only after the commit the overlay becomes state, in memory and on disk: a failed commit must leave no trace.
6. Any exception ends the process. Nobody can know what a failed commit did; the next owner's fence and the committed
   offset tell.
7. Given up (rebalance, SIGTERM): the running batch is finished, what has not begun is dropped, the clients close.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from newswire.pipeline.closing import close
from newswire.pipeline.stage.attempts import Attempts, AttemptsFile, NoAttempts
from newswire.pipeline.stage.batch import Batch, BatchRules
from newswire.pipeline.stage.clients import TopicPartition, new_consumer, new_producer, start_fenced
from newswire.pipeline.stage.config import StageConfig
from newswire.pipeline.stage.errors import StageMisuse, StateLocked, Stuck, TopicMismatch
from newswire.pipeline.stage.ledger import changed_rows, standing_rows
from newswire.pipeline.stage.overlay import Overlay
from newswire.pipeline.stage.partition import Clock, Partition
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition, check_position
from newswire.pipeline.stage.records import OutputRecord
from newswire.pipeline.stage.restore import restore
from newswire.pipeline.stage.rocks import RocksStore
from newswire.pipeline.stage.source import Source
from newswire.pipeline.stage.store import DictStore, StateStore
from newswire.pipeline.stage.transaction import commit
from newswire.pipeline.stage.turns import Since, Turns

_LOCK_SECONDS: Final = 5.0  # the lock of a killed owner may outlive it by a moment

OpenPartition = Callable[[Partition], Awaitable[object] | object]
ClosePartition = Callable[[object], Awaitable[None] | None]


@dataclass(frozen=True)
class Surroundings:
    """What a partition's task shares with its stage.

    a turn is held while the agent has a batch, so one batch at a time is in the channel and the rest can be dropped;
    `send` puts a batch on the channel; `committed_offset` asks the group; `waiting` is the number of records that all
    of the stage's tasks hold; `fatal` does not return.
    """

    config: StageConfig
    turns: Turns
    send: Callable[[Batch], Awaitable[None]]
    committed_offset: Callable[[TopicPartition], Awaitable[int | None]]
    waiting: Callable[[], int]
    open_partition: OpenPartition | None
    close_partition: ClosePartition | None
    hook: Callable[[str], None]
    fatal: Callable[[BaseException], None]


class PartitionTask:
    """Owns one partition from its assignment until stop(). Ends the process on any error.

    `waiting` may run already: a group that rebalances without end must not hide that nothing is committed.
    """

    def __init__(self, around: Surroundings, partition: TopicPartition, waiting: Clock) -> None:
        self.partition = partition
        self.ready = False
        self.records = 0
        self.transactions = 0
        self.last_commit: float | None = None
        self.waiting = waiting  # something to do and no commit
        self.agent = Clock()  # the agent has a batch
        self.waiting.begin()
        self._around = around
        self._config = around.config
        self._log = structlog.get_logger("newswire.stage").bind(
            stage=around.config.group, partition=partition.partition
        )
        self._wake = asyncio.Event()
        self._busy = False
        self._stopping = False
        self._producer: Any = None
        self._consumer: Any = None
        self._store: StateStore = DictStore()
        self._attempts: Attempts = NoAttempts()
        self._source: Source | None = None
        self._handle: Partition | None = None
        self._context: object = None
        self._opened = False
        self._reading: asyncio.Task[None] | None = None
        self._position = InputPosition.first(0)
        self._rules = BatchRules({}, 0, None, lambda: 0)
        self._running = asyncio.create_task(self._guarded())

    @property
    def lag(self) -> int | None:
        """Offsets not consumed yet, None before the partition is ready."""
        return self._source.lag if self.ready and self._source is not None else None

    @property
    def held(self) -> int:
        """Records that are read and not committed."""
        return len(self._source) if self._source is not None else 0

    def overdue(self) -> Stuck | None:
        """Why this partition counts as stuck, if it does. Called from the watchdog's thread."""
        if self.agent.seconds() > self._config.batch_seconds:
            return Stuck(f"{self.partition}: the agent held a batch for more than {self._config.batch_seconds:.1f} s")
        if self.waiting.seconds() > self._config.stall_seconds:
            return Stuck(f"{self.partition}: something to do and no commit for {self._config.stall_seconds:.0f} s")
        return None

    async def stop(self) -> None:
        """Step 7: finish the running batch, drop what has not begun, close everything."""
        self._stopping = True
        if not self._busy:
            self._running.cancel()
        await asyncio.wait([self._running])
        self.ready = False
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._handle is not None:
            self._handle.close()
        if self._opened and self._around.close_partition is not None:
            await _result(self._around.close_partition(self._context))
        for client in (self._consumer, self._producer):
            if client is not None:
                await self._close(client)
        self._attempts.close()
        self._store.close()
        self._log.info("partition given up", offset=self._position.offset, records=self.records)

    async def _guarded(self) -> None:
        try:
            await self._open()
            await self._serve()
        except asyncio.CancelledError:
            if not self._stopping:
                self._around.fatal(RuntimeError(f"{self.partition}: the task was cancelled"))
            raise
        except BaseException as error:
            self._around.fatal(error)

    async def _open(self) -> None:
        started = time.monotonic()
        hook = self._around.hook
        # 1 fence
        hook("before_fence")
        self._producer = new_producer(self._config, self.partition.partition)
        await start_fenced(self._producer)
        self._log.info("former owners fenced", seconds=round(time.monotonic() - started, 3))
        hook("after_fence")
        # 2 offset, then state
        committed = await self._around.committed_offset(self.partition)
        hook("after_offset")
        self._rules = await self._check_topics()
        self._consumer = new_consumer(self._config)
        await self._consumer.start()
        await self._open_store()
        began = time.monotonic()
        rows = await self._restore()
        self._log.info("state restored", rows=rows, seconds=round(time.monotonic() - began, 3))
        hook("after_restore")
        # 3 position the input
        await self._seek(committed)
        self._handle = Partition(self.partition.partition, self._store, self._work_came, self.waiting.restart)
        if self._around.open_partition is not None:
            self._context = await _result(self._around.open_partition(self._handle))
        self._opened = True
        self._reading = asyncio.create_task(self._read())
        self.waiting.end()
        self.ready = True
        seconds = round(time.monotonic() - started, 3)
        self._log.info("partition ready", offset=self._position.offset, records=self._position.records, seconds=seconds)

    async def _check_topics(self) -> BatchRules:
        counts = {}
        for topic in (*self._config.outputs, self._config.changelog, self._config.input_topic):
            counts[topic] = len(await self._producer.partitions_for(topic))
        inputs, changelogs = counts[self._config.input_topic], counts[self._config.changelog]
        if inputs != changelogs:
            raise TopicMismatch(
                f"{self._config.input_topic} has {inputs} partitions and its changelog {self._config.changelog} has"
                f" {changelogs}: they must have equally many. The number of partitions of a stage cannot be changed"
                " in place; put it back, or use another namespace"
            )
        outputs = {topic: counts[topic] for topic in self._config.outputs}
        return BatchRules(outputs, self._config.max_record_bytes, self._config.work_seconds, self._around.waiting)

    async def _open_store(self) -> None:
        folder = self._config.state_dir
        if folder is None:
            return
        name = f"{self._config.group}.{self.partition.partition}"
        deadline = time.monotonic() + _LOCK_SECONDS
        while isinstance(self._store, DictStore):
            try:
                self._store = RocksStore(folder / name, self._config.store_memory)
            except StateLocked:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)
        self._attempts = AttemptsFile(folder / f"{name}.attempts")  # under the store's lock

    async def _restore(self) -> int:
        return await restore(
            self._consumer,
            TopicPartition(self._config.changelog, self.partition.partition),
            self._store,
            max_age_s=self._config.cache_max_age_s,
            now=time.time(),
            step=self.waiting.restart,
        )

    async def _seek(self, committed: int | None) -> None:
        consumer, store = self._consumer, self._store
        consumer.assign([self.partition])
        start = (await consumer.beginning_offsets([self.partition]))[self.partition]
        end = (await consumer.end_offsets([self.partition]))[self.partition]
        position = check_position(
            store.get(POSITION_KEY),
            committed,
            rows_present=next(store.scan(b""), None) is not None,
            start=start,
            end=end,
            group=self._config.group,
            changelog=self._config.changelog,
            versions=range(self._config.state_oldest, self._config.state_version + 1),
        )
        if position is None:
            # where the partition begins is committed before anything else, so that offset and state are never apart
            self._position = InputPosition.first(start, self._config.state_version)
            await self._commit_position()
        else:
            self._position = position
            await self._stand_on_ledger()
        ends = self._attempts.open(self._position.offset)
        if ends:
            self._log.warning("processes ended on these records", ends=ends)
        consumer.seek(self.partition, self._position.offset)
        self._source = Source(consumer, self.partition, self._position.offset, self._config.batch_max, self._input_came)

    async def _read(self) -> None:
        assert self._source is not None
        try:
            await self._source.run()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._around.fatal(error)

    def _input_came(self) -> None:
        if self._source is not None and (len(self._source) or self._source.lag):
            self.waiting.begin()
        self._wake.set()

    def _work_came(self) -> None:
        self.waiting.begin()
        self._wake.set()

    async def _serve(self) -> None:
        assert self._source is not None
        assert self._handle is not None
        source, handle = self._source, self._handle
        last = 0.0
        while not self._stopping:
            self._wake.clear()
            if not (len(source) or handle.pending):
                if source.position > self._position.offset:
                    await self._skip(source.position)
                else:
                    await self._wake.wait()
                continue
            if max(len(source), handle.pending) < self._config.batch_max:
                await asyncio.sleep(max(0.0, last + self._config.interval - time.monotonic()))
            async with self._around.turns.turn(self._since(source)):
                if self._stopping:
                    return
                self._busy = True
                last = time.monotonic()
                batch = self._cut(source, handle)
                self.agent.begin()
                await self._around.send(batch)
                await batch.finished
                self.agent.end()
            await self._commit(batch, source)
            if len(source) or handle.pending:
                self.waiting.restart()
            else:
                self.waiting.end()
            self._busy = False

    def _since(self, source: Source) -> Since:
        """Since when the next record has been waiting; what was submitted waits since now."""
        records = source.peek(1)
        if not records:
            return time.time() * 1000, 0
        return float(records[0].timestamp), self._config.number(records[0].value) if self._config.number else 0

    def _cut(self, source: Source, handle: Partition) -> Batch:
        """The next batch; a record on which a process ended before comes alone, so that it takes nothing with it."""
        records = source.peek(self._config.batch_max)
        alone = False
        for index, record in enumerate(records):
            if self._attempts.count(record.offset):
                alone = index == 0
                records = records[: max(1, index)]
                break
        work = () if alone else handle.take_work(self._config.batch_max)
        overlay = Overlay(self._store, self._config.max_record_bytes)
        return Batch(handle, self._context, overlay, records, work, self._attempts, self._rules)

    async def _commit(self, batch: Batch, source: Source) -> None:
        """Steps 4 and 5."""
        count = batch.yielded
        if not (count or batch.work):
            raise StageMisuse(f"{self.partition}: the agent was done with a batch of which it read nothing")
        writes = dict(batch.overlay.writes)
        input_offset, position = None, self._position
        if count:
            source.consume(count)
            position = position.advanced(source.position, count)
            input_offset = (self.partition, position.offset)
        # Also where it has not moved: so the newest rows of a changelog always tell who wrote them.
        writes[POSITION_KEY] = position.encode()
        await self._transact(input_offset, batch, writes)
        self._position = position
        self._attempts.committed(position.offset)
        self.records += count

    async def _skip(self, offset: int) -> None:
        """Commit a position behind which only aborted records, marks or compacted ones lay."""
        self._busy = True
        self._position = self._position.advanced(offset, 0)
        await self._commit_position()
        self.waiting.end()
        self._busy = False

    async def _commit_position(self) -> None:
        writes: dict[bytes, bytes | None] = {POSITION_KEY: self._position.encode()}
        await self._transact((self.partition, self._position.offset), None, writes)

    async def _stand_on_ledger(self) -> None:
        """Write what the ledger holds of this partition anew: the topic may be younger than the partition."""
        if self._config.ledger is None:
            return
        rows = standing_rows(self._config, self.partition.partition, self._position, self._store)
        await self._write(None, {(self._config.ledger, 0): rows}, {})

    async def _transact(
        self, input_offset: tuple[TopicPartition, int] | None, batch: Batch | None, writes: dict[bytes, bytes | None]
    ) -> None:
        outputs: dict[tuple[str, int], list[OutputRecord]] = dict(batch.outputs) if batch is not None else {}
        if self._config.ledger is not None:
            rows = changed_rows(self._config, self.partition.partition, self._position, writes)
            if rows:
                outputs[self._config.ledger, 0] = rows
        await self._write(input_offset, outputs, writes)

    async def _write(
        self,
        input_offset: tuple[TopicPartition, int] | None,
        outputs: Mapping[tuple[str, int], list[OutputRecord]],
        writes: dict[bytes, bytes | None],
    ) -> None:
        # 4 one transaction
        logged_to = await commit(
            self._producer,
            group=self._config.group,
            input_offset=input_offset,
            outputs=outputs,
            changelog=(self._config.changelog, self.partition.partition),
            writes=writes,
            hook=self._around.hook,
        )
        self._around.hook("after_commit")
        # 5 only now it is state
        if writes:
            self._store.apply(writes, self._store.position if logged_to is None else logged_to, time.time())
        self.transactions += 1
        self.last_commit = time.monotonic()

    async def _close(self, client: Any) -> None:
        error = await close(client)
        if error is not None:  # the partition is given up either way, and nothing is in flight
            self._log.warning("client did not close", error=repr(error))


async def _result(value: object) -> Any:
    # a coroutine only: a context may well be a task, which is awaitable too and may never end
    return await value if inspect.iscoroutine(value) else value
