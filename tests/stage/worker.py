"""The process that the break tests stop, kill and confuse: one stage that runs the model."""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from newswire.pipeline.stage import Batch, Partition, Stage, StageApp, StageConfig, run_stages
from newswire.pipeline.stage.config import STORE_MEMORY, StoreMemory
from tests.full_disk import limit_files
from tests.stage.model import decide


@dataclass(frozen=True)
class WorkerSpec:
    """How a test wants its worker; see StageConfig for what has the same name.

    It stops itself (SIGSTOP) when it passes the hook point `pause_at` the `pause_count`th time, raises at record
    `raise_at`, blocks for ever at record `block_at`, waits for ever at record `wait_at`, kills itself at record
    `kill_at` while that has fewer than three attempts. SIGUSR1 blocks its event loop for ever.
    With `ticks` it counts in each partition and reads nothing.
    A `static` worker is called `instance` in the group, or else `name`, which is its owner's name too.
    With `disk_room` no file of it may grow beyond so many bytes over the log's size. `own_ids` is the negative control:
    a transactional id per worker, which fences nobody.
    """

    namespace: str
    bootstrap_servers: str
    log: Path
    name: str = "a"
    state_dir: Path | None = None
    static: bool = False
    instance: str = ""
    pause_at: str | None = None
    pause_count: int = 1
    raise_at: int | None = None
    kill_at: int | None = None
    block_at: int | None = None
    wait_at: int | None = None
    ticks: bool = False
    disk_room: int | None = None
    own_ids: bool = False
    interval: float = 0.1
    batch_max: int = 100
    session_timeout_ms: int = 2000
    transaction_timeout_ms: int = 30_000
    max_record_bytes: int = 1_000_000
    stall_seconds: float = 60.0
    work_seconds: float | None = None
    store_memory: StoreMemory = STORE_MEMORY

    def config(self) -> "Config":
        """The stage's settings."""
        return Config(
            namespace=self.namespace,
            name="s",
            bootstrap_servers=self.bootstrap_servers,
            input_topic=f"{self.namespace}.raw",
            outputs=tuple(f"{self.namespace}.{name}" for name in ("out", "new", "attempts")),
            changelog=f"{self.namespace}.changelog",
            state_dir=self.state_dir,
            batch_max=self.batch_max,
            interval=self.interval,
            session_timeout_ms=self.session_timeout_ms,
            transaction_timeout_ms=self.transaction_timeout_ms,
            instance_id=(self.instance or self.name) if self.static else None,
            instance_owner=self.name if self.static else None,
            max_record_bytes=self.max_record_bytes,
            stall_seconds=self.stall_seconds,
            work_seconds=self.work_seconds,
            store_memory=self.store_memory,
            id_suffix=f"-{self.name}" if self.own_ids else "",
        )


@dataclass(frozen=True)
class Config(StageConfig):
    """A StageConfig whose fence can be taken away."""

    id_suffix: str = ""

    def transactional_id(self, partition: int) -> str:
        """The partition's id; with a suffix, no longer the same in every worker."""
        return super().transactional_id(partition) + self.id_suffix


def main(spec: WorkerSpec) -> None:
    """Run until SIGTERM; everything logged goes to `spec.log`."""
    with spec.log.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "event", "worker", "pid"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if spec.disk_room is not None:
        limit_files(os.getpid(), os.fstat(1).st_size + spec.disk_room)
    structlog.contextvars.bind_contextvars(worker=spec.name, pid=os.getpid())
    structlog.get_logger().info("worker starts", pause_at=spec.pause_at)
    asyncio.run(_tick(spec) if spec.ticks else _run(spec))


async def _tick(spec: WorkerSpec) -> None:
    """A stage woken by work alone: each partition counts, a record each."""
    app = StageApp(f"{spec.namespace}-{spec.name}")

    async def submit(partition: Partition) -> None:
        for number in itertools.count(int(partition.state.get(b"tick") or b"0")):
            await partition.submit(number)
            await asyncio.sleep(0.01)

    def start(partition: Partition) -> asyncio.Task[None]:
        return asyncio.create_task(submit(partition))

    def stop(context: object) -> None:
        assert isinstance(context, asyncio.Task)
        context.cancel()

    stage = Stage(app, spec.config(), open_partition=start, close_partition=stop)

    @stage.agent
    async def agent(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            for number in batch.work:
                assert isinstance(number, int)
                batch.emit(spec.config().outputs[0], key=None, value=b"%d" % number, partition=batch.partition.number)
                batch.state.put(b"tick", b"%d" % (number + 1))
            batch.done()

    await run_stages(app, [stage])


async def _run(spec: WorkerSpec) -> None:
    app = StageApp(f"{spec.namespace}-{spec.name}")
    stage = Stage(app, spec.config(), hook=_Pauses(spec.pause_at, spec.pause_count))
    out, new, attempts = spec.config().outputs
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, time.sleep, 3600)

    @stage.agent
    async def agent(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            for record in batch:
                assert record.key is not None
                assert record.value is not None
                number = json.loads(record.value)["n"]
                if number == spec.raise_at:
                    raise RuntimeError("this record's fault")
                if number == spec.block_at:
                    time.sleep(3600)  # noqa: ASYNC251  # blocks the event loop, as a bad library would
                if number == spec.wait_at:
                    await asyncio.sleep(3600)
                if spec.work_seconds:
                    await asyncio.sleep(spec.work_seconds / 3)
                if number == spec.kill_at and record.attempts < 3:
                    os.kill(os.getpid(), signal.SIGKILL)
                decision = decide(batch.state, record.key, record.value)
                batch.emit(out, key=record.key, value=decision.value, partition=batch.partition.number)
                if decision.is_new:
                    batch.emit(new, key=record.key, value=record.value)
                if record.attempts:
                    batch.emit(attempts, key=record.key, value=json.dumps([number, record.attempts]).encode())
            batch.done()

    await run_stages(app, [stage])


class _Pauses:
    """A hook that stops this process once."""

    def __init__(self, point: str | None, count: int) -> None:
        self._point = point
        self._left = count

    def __call__(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
