"""A stage in this process: what flows through it when nothing is broken."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from newswire.pipeline.stage import Batch, Partition, RecordTooLarge, Stage, StageApp, StageConfig, run_stages
from tests.stage.harness import COMPACTING, create_topics, read_all, wait_until

pytestmark = pytest.mark.broker

Agent = Callable[[AsyncIterable[Batch]], Awaitable[None]]


class Flow:
    """Topics of one namespace, and stages over them."""

    def __init__(self, bootstrap_servers: str, namespace: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.namespace = namespace

    def topic(self, name: str) -> str:
        """The full name."""
        return f"{self.namespace}.{name}"

    async def topics(self, **settings: dict[str, str]) -> None:
        """Create in, out and changelog with one partition each."""
        every: dict[str, dict[str, str]] = {"in": {}, "out": {}, "changelog": {"cleanup.policy": "compact"}} | settings
        await create_topics(self.bootstrap_servers, {self.topic(name): (1, conf) for name, conf in every.items()})

    @asynccontextmanager
    async def producer(self, **options: Any) -> AsyncIterator[Any]:
        """A producer for the input."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers, **options)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def feed(self, *values: bytes) -> None:
        """Put values on the input, their own keys."""
        async with self.producer() as producer:
            for value in values:
                await producer.send(self.topic("in"), value, key=value)

    @asynccontextmanager
    async def stage(self, agent: Agent, state_dir: Path | None = None, **options: Any) -> AsyncIterator[Stage]:
        """The stage, running until the end of the block."""
        config = StageConfig(
            self.namespace,
            "s",
            self.bootstrap_servers,
            self.topic("in"),
            (self.topic("out"),),
            self.topic("changelog"),
            state_dir,
        )
        app = StageApp(self.namespace)
        stage = Stage(app, config, **options)
        stage.agent(agent)
        shutdown = asyncio.Event()
        running = asyncio.create_task(run_stages(app, [stage], shutdown=shutdown))
        try:
            yield stage
        finally:
            shutdown.set()
            await asyncio.wait_for(running, 60)

    async def out(self) -> list[bytes | None]:
        """The values on the output."""
        return [value for _, value in (await read_all(self.bootstrap_servers, self.topic("out")))[0]]

    async def committed_and_end(self) -> tuple[int, int]:
        """The group's offset and the end of the input."""
        partition = TopicPartition(self.topic("in"), 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers, group_id=f"{self.namespace}.s")
        await consumer.start()
        try:
            ends = await consumer.end_offsets([partition])
            return await consumer.committed(partition), ends[partition]
        finally:
            await consumer.stop()


@pytest.fixture
def flow(kafka: Any, namespace: str) -> Flow:
    return Flow(kafka.bootstrap_servers, namespace)


def copying(flow: Flow) -> Agent:
    """An agent that copies its input."""

    async def agent(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            for record in batch:
                batch.emit(flow.topic("out"), key=record.key, value=record.value)
            batch.done()

    return agent


async def test_a_record_over_the_limit_is_one_records_fault(flow: Flow) -> None:
    big = b"x" * 5_000_000
    await flow.topics(out={"max.message.bytes": "8388608"}, changelog={"max.message.bytes": "8388608"})

    async def agent(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            for record in batch:
                value = big * 2 if record.value == b"too large" else big if record.value == b"large" else record.value
                try:
                    batch.emit(flow.topic("out"), key=record.key, value=value)
                except RecordTooLarge as error:
                    batch.emit(flow.topic("out"), key=record.key, value=str(error).encode())
            batch.done()

    await flow.feed(b"a", b"too large", b"large", b"b")
    async with flow.stage(agent) as stage:
        await wait_until(lambda: stage.progress().records == 4, "four records")
    first, fault, large, last = await flow.out()
    assert (first, large == big, last) == (b"a", True, b"b")
    assert b"the limit is 8000000" in (fault or b"")


async def test_aborted_records_and_marks_leave_no_lag(flow: Flow) -> None:
    await flow.topics()
    async with flow.stage(copying(flow)) as stage, flow.producer(transactional_id=flow.namespace) as producer:
        for number in range(6):
            await producer.begin_transaction()
            await producer.send_and_wait(flow.topic("in"), b"%d" % number, key=b"k")
            await (producer.abort_transaction() if number % 2 else producer.commit_transaction())
        await wait_until(lambda: stage.progress().records == 3, "three committed records")
        await wait_until(
            lambda: stage.progress().waiting_seconds == 0.0 == sum(stage.progress().lag.values()), "no lag"
        )
        assert stage.progress().ready == (0,)
        assert not stage.progress().restoring
        # The last abort may come after a moment without lag.
        async with asyncio.timeout(60):
            while await flow.committed_and_end() != (12, 12):  # noqa: ASYNC110 - the broker has no event for it
                await asyncio.sleep(0.1)
    assert await flow.out() == [b"0", b"2", b"4"]


@pytest.mark.slow
async def test_a_compacted_input(flow: Flow) -> None:
    await flow.topics(**{"in": {"cleanup.policy": "compact", **COMPACTING, "segment.ms": "500"}})
    latest = {b"k%d" % key: b"" for key in range(5)}
    written, kept = 0, 1 << 30
    async with flow.producer() as producer:
        while kept >= written:  # until the broker's cleaner has been there
            for key in latest:
                latest[key] = b"%d" % written
                await producer.send_and_wait(flow.topic("in"), latest[key], key=key)
                written += 1
            await asyncio.sleep(0.3)
            kept = len((await read_all(flow.bootstrap_servers, flow.topic("in")))[0])
    async with flow.stage(copying(flow)) as stage:
        await wait_until(lambda: stage.progress().ready == (0,) and not stage.progress().waiting_seconds, "all of it")
        await wait_until(lambda: stage.progress().records > 0 == sum(stage.progress().lag.values()), "no lag")
        assert stage.progress().records < written
    out = (await read_all(flow.bootstrap_servers, flow.topic("out")))[0]
    assert dict(out) == latest
    committed, end = await flow.committed_and_end()
    assert committed == end


async def test_state_context_and_work_through_two_lives(flow: Flow, tmp_path: Path) -> None:
    await flow.topics()
    told: list[object] = []

    async def opened(partition: Partition) -> dict[bytes, bytes]:
        rows = dict(partition.state.scan(b""))
        told.append(("opened", rows))
        await partition.submit("ready")
        return rows

    async def agent(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            told.extend(batch.work)
            for record in batch:
                assert record.key is not None
                assert isinstance(batch.context, dict)
                batch.state.put(record.key, record.value or b"")
                assert batch.state.get(record.key) == record.value
                assert batch.partition.state.get(record.key) is None  # not before the commit
                batch.context[record.key] = record.value
            batch.done()

    for life in (b"a", b"b"):
        async with flow.stage(agent, tmp_path, open_partition=opened, close_partition=told.append) as stage:
            await flow.feed(life)
            await wait_until(lambda: stage.progress().records == 1, "the record")
    assert told == [
        ("opened", {b"a": b"a"}),
        "ready",
        {b"a": b"a"},
        ("opened", {b"a": b"a", b"b": b"b"}),
        "ready",
        {b"a": b"a", b"b": b"b"},
    ]


async def test_the_hook_names_each_point_in_order(flow: Flow) -> None:
    await flow.topics()
    points: list[str] = []
    async with flow.stage(copying(flow), hook=points.append) as stage:
        await wait_until(lambda: stage.progress().ready == (0,), "the partition")
        assert points == [
            *("before_fence", "after_fence", "after_offset", "after_restore"),
            *("before_begin", "before_end", "after_commit"),  # where the partition begins
        ]
        await flow.feed(b"a")
        await wait_until(lambda: stage.progress().records == 1, "the record")
    assert points[7:] == ["before_begin", "before_end", "after_commit"]
