"""The ledger from Kafka: while a service works, with what is still in raw, and when something is missing."""

import asyncio
import json
import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.cli.dead import command as dead_command
from newswire.pipeline.cli.ledger import command
from newswire.pipeline.ledger.balance import HOPS, STAGES
from newswire.pipeline.ledger.counters import PREFIX
from newswire.pipeline.ledger.log import open_reader
from newswire.pipeline.ledger.read import read_ledger
from newswire.pipeline.stage.ledger import position_key, row_key
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.stories.resequence import HELD, NEXT, WAITING
from newswire.schemas import RawArticle, RawRetry
from tests.unit.ledger.test_ledger_balance import Simulation

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = pytest.mark.broker


class Service:
    """A simulated service that stands on Kafka: each step is a transaction of its stage, as the real one's are.

    `booked`: the rows go to the ledger's topic too; a service of before it had one writes them to the changelogs alone.
    """

    def __init__(self, bootstrap_servers: str, namespace: str, seed: int = 1, *, booked: bool = True) -> None:
        self.simulation = Simulation(random.Random(seed))
        self.bootstrap_servers = bootstrap_servers
        self.namespace = namespace
        self.booked = booked
        self.producers: dict[str, Any] = {}
        self.waiting: dict[str, list[int]] = {hop: [] for hop in HOPS}
        self.ends: dict[str, int] = dict.fromkeys(HOPS, 0)
        self.held = 0
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> "Service":
        for name in (*STAGES, "collect"):
            producer = AIOKafkaProducer(
                bootstrap_servers=self.bootstrap_servers, transactional_id=f"{self.namespace}.test.{name}", acks="all"
            )
            self.producers[name] = producer
            await self.stack.enter_async_context(producer)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    async def step(self) -> None:
        """One step of the simulation, and its transactions."""
        before = {
            stage: {feed: Counter(row) for feed, row in rows.items()} for stage, rows in self.simulation.counts.items()
        }
        waiting = {hop: len(records) for hop, records in self.simulation.topics.items()}
        self.simulation.step()
        after = self.simulation.counts
        if len(self.simulation.topics["raw"]) > waiting["raw"]:
            await self.write_raw(*self.simulation.topics["raw"][-1], own=before["collect"] != after["collect"])
        for stage, source, target in zip(STAGES, HOPS, (*HOPS[1:-1], None), strict=False):
            if before[stage] == after[stage]:
                continue
            if len(self.simulation.topics[source]) < waiting[source]:
                self.waiting[source].pop(0)
            async with self.producers[stage].transaction():
                if target is not None and len(self.simulation.topics[target]) > waiting[target]:
                    await self.put(stage, target, b"{}")
                await self.write_rows(stage)

    async def write_raw(self, feed: str, retried: str | None, *, own: bool) -> None:
        article = RawArticle(feed_url=feed, title="An article")
        record: RawArticle | RawRetry = article
        if retried is not None:
            record = RawRetry(letter="x", position=0, supersedes=retried, article=article)
        async with self.producers["collect"].transaction():
            await self.put("collect", "raw", record.encode())
            if own:
                await self.write_rows("collect")

    async def put(self, stage: str, topic: str, value: bytes) -> None:
        sent = await self.producers[stage].send_and_wait(f"{self.namespace}.{topic}", value, partition=0)
        self.waiting[topic].append(sent.offset)
        self.ends[topic] = sent.offset + 1

    async def write_rows(self, stage: str) -> None:
        rows = {PREFIX + feed.encode(): json.dumps(row).encode() for feed, row in self.simulation.counts[stage].items()}
        taken = self.simulation.records[stage]
        if stage != "collect":
            source = HOPS[STAGES.index(stage)]
            offset = self.waiting[source][0] if self.waiting[source] else self.ends[source]
            rows[POSITION_KEY] = InputPosition(offset, taken, "life").encode()
        if stage == "cluster":
            released = self.simulation.sum("cluster", "emitted") + self.simulation.sum("cluster", "updated")
            held = len(self.simulation.topics["held"])
            rows[NEXT], rows[WAITING] = b"%d" % (released + 1), b"%d" % held
            for number in range(min(held, self.held), max(held, self.held)):
                await self.send(stage, HELD + b"%d" % number, b"waits" if held > self.held else None)
            self.held = held
        for key, value in rows.items():
            await self.send(stage, key, value)
        if self.booked:
            await self.book(stage, rows)

    async def book(self, stage: str, rows: dict[bytes, bytes]) -> None:
        """In one batch, as a stage's transaction does it."""
        producer = self.producers[stage]
        batch = producer.create_batch()
        for key, value in rows.items():
            life = "" if stage == "collect" else "life"
            place = position_key(stage, 0) if key == POSITION_KEY else row_key(stage, 0, life, key)
            assert batch.append(timestamp=None, key=place, value=value) is not None
        await (await producer.send_batch(batch, f"{self.namespace}.ledger", partition=0))

    async def send(self, stage: str, key: bytes, value: bytes | None) -> None:
        await self.producers[stage].send_and_wait(f"{self.namespace}.{stage}.changelog", value, key, partition=0)


async def make_topics(kafka: "Kafka", namespace: str) -> None:
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=2), {})


async def test_a_new_namespace_balances_at_nothing(kafka: "Kafka", namespace: str) -> None:
    ledger = await read_ledger(kafka.bootstrap_servers, {}, namespace)
    assert (ledger.balanced, ledger.feeds, ledger.total.collected) == (True, (), 0)


@pytest.mark.parametrize("booked", [True, False], ids=["ledger", "changelogs"])
async def test_it_balances_at_every_moment_of_a_working_service(kafka: "Kafka", namespace: str, booked: bool) -> None:
    await make_topics(kafka, namespace)
    async with Service(kafka.bootstrap_servers, namespace, booked=booked) as service:

        async def work() -> None:
            for _ in range(200):
                await service.step()
            while not service.simulation.topics["held"]:
                await service.step()

        working = asyncio.create_task(work())
        readings = []
        while not working.done():
            readings.append(await read_ledger(kafka.bootstrap_servers, {}, namespace))
        await working
        last = await read_ledger(kafka.bootstrap_servers, {}, namespace)
    assert len(readings) >= 5
    assert [ledger.faults for ledger in (*readings, last)] == [()] * (len(readings) + 1)
    assert readings[0].total.collected < last.total.collected
    raw = [feed for feed, retried in service.simulation.topics["raw"] if retried is None]
    assert last.total.in_flight["raw"] == len(raw) > 0
    assert last.total.in_flight["held"] == len(service.simulation.topics["held"]) > 0


async def test_a_transaction_that_is_not_committed_does_not_count(kafka: "Kafka", namespace: str) -> None:
    await make_topics(kafka, namespace)
    async with Service(kafka.bootstrap_servers, namespace) as service:
        await service.write_raw("a", None, own=False)
        producer = service.producers["collect"]
        await producer.begin_transaction()
        await producer.send_and_wait(f"{namespace}.raw", RawArticle(feed_url="a", title="No").encode())
        ledger = await read_ledger(kafka.bootstrap_servers, {}, namespace)
        await producer.abort_transaction()
        again = await read_ledger(kafka.bootstrap_servers, {}, namespace)
    assert ledger.total.collected == again.total.collected == 1


async def test_what_is_no_article_waits_under_no_feed(kafka: "Kafka", namespace: str) -> None:
    await make_topics(kafka, namespace)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for value in (b"{not json", b"[]", b'{"feed_url":7}', b'{"feed_url":"f"}', None):
            await producer.send_and_wait(f"{namespace}.raw", value, key=b"k")
    ledger = await read_ledger(kafka.bootstrap_servers, {}, namespace)
    assert {entry.feed: entry.in_flight["raw"] for entry in ledger.feeds} == {"": 4, "f": 1}


async def test_the_command(kafka: "Kafka", namespace: str, tmp_path: Path) -> None:
    await make_topics(kafka, namespace)
    config = tmp_path / "newswire.toml"
    config.write_text(f'[kafka]\nbootstrap_servers = "{kafka.bootstrap_servers}"\npartitions = 2\n')

    async def call(*options: str) -> tuple[int, str, str]:
        arguments = ["--config", str(config), "--namespace", namespace, *options]
        result = await asyncio.to_thread(CliRunner().invoke, command, arguments)
        return result.exit_code, result.stdout, result.stderr

    async with Service(kafka.bootstrap_servers, namespace, seed=3) as service:
        for _ in range(60):
            await service.step()
        code, out, _ = await call("--json")
        assert code == 0
        found = json.loads(out)
        assert found["balanced"] is True
        assert found["total"]["collected"] == sum(feed["collected"] for feed in found["feeds"]) > 0
        code, out, _ = await call()
        assert code == 0
        assert out.splitlines()[-1].startswith("balanced")
        assert out.splitlines()[-2].split("\t")[:2] == ["in all", str(found["total"]["collected"])]

        service.simulation.count("deduplicate", "a", duplicate=-1)
        async with service.producers["deduplicate"].transaction():
            await service.write_rows("deduplicate")
        code, out, err = await call("--json")
        assert code == 1
        assert json.loads(out)["balanced"] is False
        assert "does not balance: deduplicate took" in err


async def test_a_namespace_that_was_never_used_is_said_and_not_made(kafka: "Kafka", namespace: str) -> None:
    environment = {"NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    for asked, arguments in ((command, ["--json"]), (dead_command, ["list"])):
        options = [*arguments, "--namespace", namespace]
        result = await asyncio.to_thread(CliRunner().invoke, asked, options, env=environment)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"no topic {namespace}.raw" in result.stderr
    async with open_reader(kafka.bootstrap_servers, {}) as reader:
        assert not reader.partitions(f"{namespace}.raw")


async def test_records_are_read_one_by_one_without_waiting(kafka: "Kafka", namespace: str) -> None:
    await make_topics(kafka, namespace)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for number in range(40):
            await producer.send_and_wait(f"{namespace}.raw", b"%d" % number)
    async with open_reader(kafka.bootstrap_servers, {}) as reader:
        (partition,) = reader.partitions(f"{namespace}.raw")
        # far from both: each read waited for a third of a second behind a fetch at the topic's end
        async with asyncio.timeout(8):
            read = [await reader.record_at(partition, number) for number in range(40)]
    assert [record.value for record in read if record] == [b"%d" % number for number in range(40)]


def test_a_broker_that_is_not_there_is_said_in_a_line() -> None:
    environment = {"NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    result = CliRunner().invoke(command, [], env=environment)
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr
    assert "Traceback" not in result.output
