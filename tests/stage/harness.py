"""A namespace of its own with a feeder, worker processes and a count of what came out."""

import asyncio
import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from resource import RLIM_INFINITY
from typing import Any

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from newswire.pipeline.stage.records import RESERVED
from tests.full_disk import limit_files
from tests.stage import worker
from tests.stage.checker import Findings, Log, check
from tests.stage.worker import WorkerSpec

PARTITIONS = 4
AHEAD = 400  # records fed before what has come out, at most: on a slow machine a backlog would only grow
PATIENCE = 180.0  # seconds until something is taken to hang; a machine shared with others may give a tenth of its cores
COMPACTING = {
    "segment.ms": "2000",
    "delete.retention.ms": "86400000",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "2000",
}

# one server that has imported everything, and forks: a start then costs milliseconds, not a second of a core
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["tests.stage.worker", "faust.transport.drivers.aiokafka", "faust.tables.manager", "faust.app.router"]
)


async def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Poll until `condition` holds; raises TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for: {what}")
        await asyncio.sleep(0.02)


async def create_topics(
    bootstrap_servers: str, topics: Mapping[str, tuple[int, Mapping[str, str]]], replicas: int = 1
) -> None:
    """Create topics (name -> partitions and settings) and wait until clients see them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        made = [NewTopic(name, count, replicas, topic_configs=dict(conf)) for name, (count, conf) in topics.items()]
        await admin.create_topics(made)
        deadline = time.monotonic() + 30
        while any(not d["partitions"] or d["error_code"] for d in await admin.describe_topics(list(topics))):
            assert time.monotonic() < deadline, "topics did not appear"
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def read_all(bootstrap_servers: str, topic: str) -> dict[int, list[tuple[bytes, bytes | None]]]:
    """Every committed record of a topic, by partition, in order.

    In a loop of its own: many series share the caller's, whose turns may take a tenth of a second, and each turn takes
    a quarter of a MiB from a socket.
    """

    async def read() -> dict[int, list[tuple[bytes, bytes | None]]]:
        async with _reader(bootstrap_servers, topic, "read_committed") as (consumer, partitions):
            return await _read(consumer, await consumer.beginning_offsets(partitions))

    return await asyncio.to_thread(asyncio.run, read())


async def read_unstable(bootstrap_servers: str, topic: str) -> dict[int, list[tuple[bytes, bytes | None]]]:
    """The records behind each partition's last stable offset, in order: the first is of its oldest open transaction."""
    async with _reader(bootstrap_servers, topic, "read_committed") as (consumer, partitions):
        stable = await consumer.end_offsets(partitions)
    async with _reader(bootstrap_servers, topic, "read_uncommitted") as (consumer, _):
        return await _read(consumer, stable)


@asynccontextmanager
async def _reader(
    bootstrap_servers: str, topic: str, isolation_level: str
) -> AsyncIterator[tuple[Any, list[TopicPartition]]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, isolation_level=isolation_level, auto_offset_reset="none"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE):
            numbers = await consumer._client._wait_on_metadata(topic)
            partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
            consumer.assign(partitions)
            yield consumer, partitions
    finally:
        await consumer.stop()


async def _read(consumer: Any, starts: Mapping[TopicPartition, int]) -> dict[int, list[tuple[bytes, bytes | None]]]:
    ends = await consumer.end_offsets(list(starts))
    for partition, start in starts.items():
        consumer.seek(partition, start)
    log: dict[int, list[tuple[bytes, bytes | None]]] = {partition.partition: [] for partition in starts}
    for partition in starts:
        while await consumer.position(partition) < ends[partition]:
            for record in (await consumer.getmany(partition, timeout_ms=200)).get(partition, ()):
                log[partition.partition].append((record.key, record.value))
    return log


class Worker:
    """One worker process."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.process: BaseProcess = _processes.Process(target=worker.main, args=(spec,), daemon=True)
        self.process.start()

    @property
    def exit_code(self) -> int | None:
        """None while it lives; minus the signal's number if one killed it."""
        return self.process.exitcode

    async def stopped(self) -> None:
        """Wait until it stands still (SIGSTOP) or ended."""
        await wait_until(lambda: self.exit_code is not None or self._is_stopped(), "a worker that stands still")

    async def ended(self, seconds: float = PATIENCE) -> int:
        """Wait for its end and return the exit code."""
        await wait_until(lambda: self.exit_code is not None, "a worker's end", seconds)
        assert self.exit_code is not None
        return self.exit_code

    def send(self, signum: int) -> None:
        """Send a signal; none if it is gone."""
        if self.exit_code is None:
            os.kill(self._pid, signum)

    def limit_files(self, size: int = RLIM_INFINITY) -> None:
        """Let it write no file beyond so many bytes."""
        if self.exit_code is None:
            limit_files(self._pid, size)

    async def end(self, signum: int = signal.SIGTERM, seconds: float = 45.0) -> int:
        """Send a signal, wait for the end, return the exit code; killed after `seconds`, which is -9."""
        self.send(signum)
        with suppress(TimeoutError):
            return await self.ended(seconds)
        self.send(signal.SIGKILL)
        return await self.ended()

    def _is_stopped(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(self._pid).status() == psutil.STATUS_STOPPED)
        return False

    @property
    def _pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid


class Bench:
    """Topics, a feeder, workers and a count of the output, in one namespace; `async with` one.

    `doors` gives workers, by name, an address of their own at which they find the broker. With `ballast` each record
    writes a row of so many bytes besides.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        namespace: str,
        folder: Path,
        *,
        seed: int,
        rate: float = 80.0,
        changelog: Mapping[str, str] | None = None,
        doors: Mapping[str, str] | None = None,
        replicas: int = 1,
        ballast: int = 0,
        **spec: Any,
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.random = random.Random(seed)
        self.fed = 0
        self.complete = 0  # records 0 to complete-1 have come out
        self.workers: dict[str, Worker] = {}
        self.exits: list[tuple[str, int]] = []
        self.restarting = True
        self._folder = folder
        self._namespace = namespace
        self._changelog = changelog or {}
        self._doors = doors or {}
        self._replicas = replicas
        self._ballast = {"ballast": ballast} if ballast else {}
        self._instances: dict[str, str] = {}
        self._rate = rate
        self._feeding = True
        self._tasks: list[asyncio.Task[None]] = []
        self._spec = WorkerSpec(namespace, bootstrap_servers, folder / f"{namespace}.log", **spec)

    async def __aenter__(self) -> "Bench":
        compacted = {"cleanup.policy": "compact", **self._changelog}
        topics: dict[str, tuple[int, Mapping[str, str]]] = {
            self.topic(name): (PARTITIONS, compacted if name == "changelog" else {})
            for name in ("raw", "out", "new", "attempts", "changelog")
        }
        await create_topics(self.bootstrap_servers, topics, self._replicas)
        running = (self._feed(), self._count(), self._keep_up()) if not self._spec.ticks else (self._keep_up(),)
        self._tasks = [asyncio.create_task(task) for task in running]
        return self

    async def __aexit__(self, *_: object) -> None:
        for running in self.workers.values():
            running.send(signal.SIGKILL)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def topic(self, name: str) -> str:
        """The full name."""
        return f"{self._namespace}.{name}"

    @property
    def log(self) -> str:
        """What the workers logged so far."""
        return self._spec.log.read_text() if self._spec.log.exists() else ""

    def state_dir(self, name: str) -> Path:
        """The state folder of a worker."""
        return self._folder / f"{self._namespace}-{name}"

    def start(self, name: str, **changes: Any) -> Worker:
        """Start the worker `name`; whenever it ends by itself it is started again, without `changes` but `instance`."""
        base = self._spec if self._spec.state_dir is None else replace(self._spec, state_dir=self.state_dir(name))
        instance = self._instances[name] = changes.get("instance", self._instances.get(name, ""))
        servers = self._doors.get(name, self.bootstrap_servers)
        own = {"name": name, "bootstrap_servers": servers, "instance": instance}
        self.workers[name] = Worker(replace(base, **{**own, **changes}))
        return self.workers[name]

    def fill_disk(self, room: int) -> None:
        """Let no file of the workers, of now and later, grow beyond so many bytes over the log's size."""
        self._spec = replace(self._spec, disk_room=room)
        for running in self.workers.values():
            running.limit_files(self._spec.log.stat().st_size + room)

    def free_disk(self) -> None:
        """Room again, also for the workers of now."""
        self._spec = replace(self._spec, disk_room=None)
        for running in self.workers.values():
            running.limit_files()

    async def end(self, name: str, signum: int = signal.SIGTERM) -> int:
        """End the worker `name` for good and return its exit code."""
        return await self.workers.pop(name).end(signum)

    def readies(self, name: str) -> int:
        """How often a partition became ready in a worker of this name."""
        return sum("'partition ready'" in line and f"worker={name!r}" in line for line in self.log.splitlines())

    async def serves(self, name: str, since: int, partitions: int = 1) -> None:
        """Wait until partitions became ready in the worker `name`, where that had happened `since` times."""
        await wait_until(lambda: self.readies(name) >= since + partitions, f"a partition ready in worker {name}")

    async def wakes(self, running: Worker, since: int) -> None:
        """Wait until a worker that stood still ended, or got a partition ready again."""
        name = running.spec.name
        await wait_until(lambda: running.exit_code is not None or self.readies(name) > since, f"{name} to wake or end")

    async def overtaken(self) -> bool:
        """Whether a record that a transaction wrote to `out` stands there once more while that is still open."""
        unstable = _numbers(await read_unstable(self.bootstrap_servers, self.topic("out")))
        return any(numbers[0] in numbers[1:] for numbers in unstable if numbers)

    async def repeated(self) -> bool:
        """Whether a record stands on `out` twice, committed."""
        out = _numbers(await read_all(self.bootstrap_servers, self.topic("out")))
        return any(len(set(numbers)) < len(numbers) for numbers in out)

    async def reaches(self, records: int) -> None:
        """Wait until the first `records` records came out."""
        await wait_until(lambda: self.complete >= records, f"the first {records} records on out")

    async def caught_up(self, seconds: float = PATIENCE) -> None:
        """Wait until what was fed up to now came out, and some more for each partition: all have owners that work."""
        target = self.fed + (40 if self._feeding else 0)
        await wait_until(lambda: self.complete >= target, f"the first {target} records on out", seconds)

    async def pause(self, low: float, high: float) -> None:
        """Let a random time pass, so that the next fault hits anywhere."""
        await asyncio.sleep(self.random.uniform(low, high))

    async def stop_feeding(self) -> None:
        """Feed nothing more."""
        self._feeding = False
        await self._tasks[0]

    def feed_again(self) -> None:
        """Feed on, after stop_feeding()."""
        self._feeding = True
        self._tasks[0] = asyncio.create_task(self._feed())

    async def finish(self, seconds: float = PATIENCE) -> Findings:
        """Stop feeding, let the workers catch up if they can within `seconds`, end them, and check the topics."""
        await self.stop_feeding()
        if not self.workers:
            self.start("a")
        with suppress(TimeoutError):  # the check says what is missing
            await self.caught_up(seconds)
        self.restarting = False
        for name in list(self.workers):
            await self.end(name)
        raw, out, new, changelog = [
            await read_all(self.bootstrap_servers, self.topic(name)) for name in ("raw", "out", "new", "changelog")
        ]
        return check(raw, out, new, _rows(changelog))

    async def _feed(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers, enable_idempotence=True, request_timeout_ms=120_000
        )
        await producer.start()
        try:
            due, sent = float(self.fed), []
            then = time.monotonic()
            while self._feeding:
                now = time.monotonic()
                due = min(due + (now - then) * self._rate, self.complete + AHEAD)
                then = now
                while self.fed < due:
                    key = b"k%d" % (self.fed * 7919 % 700)
                    value = json.dumps({"n": self.fed, **self._ballast}).encode()
                    sent.append(await producer.send(self.topic("raw"), value, key=key))
                    self.fed += 1
                await asyncio.sleep(0.02)
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def _count(self) -> None:
        consumer = AIOKafkaConsumer(
            self.topic("out"),
            bootstrap_servers=self.bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        await consumer.start()
        ahead: set[int] = set()
        try:
            while True:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    ahead.update(json.loads(record.value)["n"] for record in records)
                while self.complete in ahead:
                    ahead.remove(self.complete)
                    self.complete += 1
        finally:
            await consumer.stop()

    async def _keep_up(self) -> None:
        """The supervisor: what ended by itself is started again."""
        while True:
            for name, running in list(self.workers.items()):
                if running.exit_code is not None and self.restarting:
                    self.exits.append((name, running.exit_code))
                    self.start(name)
            await asyncio.sleep(0.05)


def _numbers(out: Log) -> list[list[int]]:
    return [[json.loads(value or b"null")["n"] for _, value in records] for records in out.values()]


def _rows(changelog: Log) -> dict[int, dict[bytes, bytes]]:
    rows: dict[int, dict[bytes, bytes]] = {}
    for partition, records in changelog.items():
        state = rows.setdefault(partition, {})
        for key, value in records:
            if key.startswith(RESERVED):
                continue
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
    return rows
