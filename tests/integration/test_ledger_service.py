"""The ledger of the real service: balanced at every moment though workers are killed, and what is missing is named."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.client import admin_client, existing_topics
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.ledger.balance import OUTCOMES, Ledger
from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.ledger.read import read_books, read_ledger
from newswire.pipeline.settings import Settings
from newswire.pipeline.subscribe import subscribe
from newswire.pipeline.supervisor import Service, running_service
from tests.integration.test_ledger import Service as Simulated
from tests.wire import produce, raw_lines, read_topic, wire_settings

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def ledger_of(settings: Settings) -> Ledger:
    return await read_ledger(str(settings.kafka.bootstrap_servers), {}, settings.namespace)


class SlowSubscriber:
    """A subscriber that does not go on from its first article until it is told, and ends with the wanted one."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.wanted = 0
        self.go_on = asyncio.Event()

    async def read(self, settings: Settings) -> None:
        servers = str(settings.kafka.bootstrap_servers)
        async with aclosing(subscribe(servers, settings.namespace, group="slow")) as articles:
            async for article in articles:
                self.seen.append(article.sequence)
                await self.go_on.wait()
                if len(self.seen) >= self.wanted:
                    return


async def test_it_balances_at_every_moment_though_workers_are_killed(
    kafka: "Kafka", namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = raw_lines(300, seed=21)
    chance = random.Random(21)
    settings = wire_settings(namespace, tmp_path, kafka.bootstrap_servers)
    readings: list[Ledger] = []
    slow = SlowSubscriber()
    all_done = asyncio.Event()

    async def read_on() -> None:
        while not all_done.is_set():
            readings.append(await ledger_of(settings))

    async with connect(settings) as connection, running_service(settings, connection) as service:
        reading = asyncio.create_task(read_on())
        subscribing = asyncio.create_task(slow.read(settings))
        feeding = asyncio.create_task(produce(settings, "raw", lines, pause=0.01))
        for name in ("wire", "analyzer", "wire"):
            await asyncio.sleep(chance.uniform(0.5, 2.0))
            kill(service, name)
        await feeding
        outcomes = [json.loads(value) for value in await read_topic(settings, "outcomes", count=len(lines))]
        assert len(slow.seen) == 1, "all of it was done while a subscriber stood still"
        emitted = slow.wanted = sum(outcome["outcome"] in ("emitted", "updated") for outcome in outcomes)
        slow.go_on.set()
        # Not cancelled: aiokafka's close swallows a cancellation that comes while it awaits its own tasks.
        all_done.set()
        _, open_still = await asyncio.wait([reading, subscribing], timeout=30)
        assert not open_still
        await reading
        await subscribing
    assert slow.seen == list(range(1, emitted + 1))
    assert [ledger.faults for ledger in readings if ledger.faults] == []
    assert len(readings) >= 20
    assert any(ledger.total.under_way for ledger in readings)

    last = await ledger_of(settings)
    ended = Counter(outcome["outcome"] for outcome in outcomes)
    assert (last.faults, last.total.under_way, last.hours_complete) == ((), 0, True)
    assert last.total.outcomes == {name: ended[name] for name in OUTCOMES}
    assert sum(entry.collected for entry in last.hours) == last.total.collected == len(lines)
    for entry in last.hours:
        if entry.hour is not None and entry.outcomes["emitted"]:
            hour = entry.hour.isoformat()[:13]
            theirs = [o for o in outcomes if o["outcome"] == "emitted" and o["observed_at"][:13] == hour]
            assert entry.outcomes["emitted"] == len(theirs)
    assert any(entry.under_way for ledger in readings for rows in ledger.feed_hours.entries.values() for entry in rows)
    since = last.feed_hours.since
    assert since is not None
    recent = [o for o in outcomes if o["observed_at"] and datetime.fromisoformat(o["observed_at"]) >= since]
    assert len(recent) > len(lines) // 2
    for name in ("emitted", "updated", "duplicate", "seen"):  # the others may have no time of their own
        assert Counter(
            {
                (feed, entry.hour.isoformat()[:13]): entry.outcomes[name]
                for feed, entries in last.feed_hours.entries.items()
                for entry in entries
                if entry.hour is not None and entry.outcomes[name]
            }
        ) == Counter((o["feed_url"], o["observed_at"][:13]) for o in recent if o["outcome"] == name)

    await without_the_topic(settings, last, monkeypatch)


async def without_the_topic(settings: Settings, last: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace of before it: the changelogs say the same, and a service that starts brings all of it there."""
    servers = str(settings.kafka.bootstrap_servers)
    async with admin_client(servers) as admin:
        await admin.delete_topics([settings.topic("ledger")])
        while settings.topic("ledger") in await existing_topics(admin):  # noqa: ASYNC110 - Kafka has no event for it
            await asyncio.sleep(0.05)
    assert await ledger_of(settings) == last
    async with connect(settings) as connection, running_service(settings, connection) as service:
        await ready(service)

        async def only_the_topic(self: LogReader, partition: TopicPartition, wanted: Any) -> dict[bytes, bytes]:
            assert "changelog" not in partition.topic or partition.topic.split(".")[1] in ("collect", "replay")
            return await table(self, partition, wanted)

        table = LogReader.table
        monkeypatch.setattr(LogReader, "table", only_the_topic)
        # of one hour all: a feed's newest stands in its row, those before it are not brought there
        assert await ledger_of(settings) == last


def kill(service: Service, name: str) -> None:
    pid = next(state.pid for state in service.processes if state.name == name)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


async def ready(service: Service, seconds: float = 60.0) -> None:
    """Wait until every stage of the service has all of its partitions."""
    wanted = {"prepare": 1, "deduplicate": 1, "cluster": 1, "analyze": 8}
    deadline = time.monotonic() + seconds
    while True:
        stages = {name: stage for state in service.processes for name, stage in (state.stages or {}).items()}
        if {name: len(stage["partitions_ready"]) for name, stage in stages.items()} == wanted:
            return
        assert time.monotonic() < deadline, stages
        await asyncio.sleep(0.1)


async def test_what_is_missing_is_named(kafka: "Kafka", namespace: str, tmp_path: Path) -> None:
    lines = raw_lines(60, seed=22)
    settings = wire_settings(namespace, tmp_path, kafka.bootstrap_servers, run={"processes": {"wire": ["prepare"]}})
    servers = str(settings.kafka.bootstrap_servers)
    async with connect(settings) as connection, running_service(settings, connection, ["prepare"]):
        await produce(settings, "raw", lines)
        ended = [json.loads(value) for value in await read_topic(settings, "outcomes", count=1)]
        deadline = time.monotonic() + 60
        while (ledger := await ledger_of(settings)).total.in_flight["raw"]:
            assert time.monotonic() < deadline
        assert ledger.faults == ()
        ended = [json.loads(value) for value in await read_topic(settings, "outcomes")]
        prepared = [json.loads(value) for value in await read_topic(settings, "prepared")]
    assert ledger.total.in_flight["prepared"] == len(prepared) == len(lines) - len(ended)

    partition = TopicPartition(settings.topic("prepared"), 0)
    async with open_reader(servers, {}) as reader:
        offsets = [record.offset async for record in reader.records(partition)]
    async with admin_client(servers) as admin:
        await admin.delete_records({partition: RecordsToDelete(before_offset=offsets[7])})
    ledger = await ledger_of(settings)
    assert ledger.faults[0] == (
        f"prepared was deleted up to offset {offsets[7]}, but deduplicate stands at 0: articles are lost"
    )
    assert [named.id for named in ledger.missing] == [article["id"] for article in prepared[:7]]
    assert [named.position for named in ledger.missing] == [article["position"] for article in prepared[:7]]
    assert {named.feed for named in ledger.missing} <= {article["feed"]["url"] for article in prepared}
    assert (ledger.repeated, ledger.searched) == ((), (0, len(lines) - 1))


async def test_records_that_vanished_from_between_two_stages_are_found(kafka: "Kafka", namespace: str) -> None:
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=2), {})
    async with Simulated(kafka.bootstrap_servers, namespace, seed=5) as service:
        while not service.simulation.topics["prepared"]:
            await service.step()
        async with open_reader(kafka.bootstrap_servers, {}) as reader:
            assert (await read_books(reader, namespace)).faults == ()
        service.simulation.count("prepare", "a", **{"in": 1, "out": 1})
        service.simulation.records["prepare"] += 1
        async with service.producers["prepare"].transaction():
            await service.write_rows("prepare")
        ledger = await read_ledger(kafka.bootstrap_servers, {}, namespace)
    number = len(service.simulation.topics["prepared"])
    assert ledger.faults == (
        f"{number + 1} articles that prepare passed on are not taken by deduplicate,"
        f" but prepared holds {number} of them",
    )
