"""The whole service under test: a real broker behind a proxy, changing feeds, hosts, and the guarantee checked."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from newswire.pipeline.analysis.opening import open_analysis
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.cli.feeds import add_feeds
from newswire.pipeline.connection import Connection
from newswire.pipeline.feeds.opml import Outline
from newswire.pipeline.settings import Settings, load_settings
from newswire.pipeline.verify import Report, Verifier, open_verifier
from newswire.schemas import RawArticle
from newswire.schemas.common import ContractError
from tests.changing_feeds import Version
from tests.conftest import Kafka
from tests.crash.host import Host
from tests.crash.news import POISON, News
from tests.proxy import Proxy
from tests.unit.feeds.site import site

FEEDS = 6
CHANGE_EVERY = 0.07
POISON_EVERY = 50
ROLES = ("collect", "prepare", "deduplicate", "analyze", "cluster")
INPUTS = ("feeds", "raw", "prepared", "unique", "analyzed")
QUIET_SECONDS = 180.0

CONFIG = """\
namespace = "{namespace}"
state_dir = "{folder}"
[kafka]
session_timeout_ms = 6000
[collect]
interval_min = 1
interval_default = 1
interval_max = 1
host_polls_at_once = 8
host_spacing = 0.0
allow_private = true
[archive]
folder = "{folder}/archive"
[analyze]
constant_ms = 1.0
[run]
port = 0
restart_delay_min = 0.2
restart_delay_max = 2.0
[run.processes]
collect = ["collect"]
prepare = ["prepare"]
deduplicate = ["deduplicate"]
analyze = ["analyze"]
cluster = ["cluster"]
"""


class Broken(AssertionError):  # noqa: N818 - says what is the case
    """The guarantee does not hold, or the service does not come back."""


class Service:
    """The service under load; made by `service_under_test`. Faults act on `hosts`, `kafka` and `proxy`."""

    def __init__(self, settings: Settings, kafka: Kafka, proxy: Proxy, folder: Path, chance: random.Random) -> None:
        self.settings = settings
        self.kafka = kafka
        self.proxy = proxy
        self.folder = folder
        self.chance = chance
        self.news = News(FEEDS, chance)
        self.collected: Counter[Version] = Counter()
        self.outcomes = 0
        self.raw = 0
        self.changing = True
        self.tasks: list[asyncio.Task[None]] = []
        self._latest = datetime.min.replace(tzinfo=UTC)
        self.here = self.host("here")

    def host(self, name: str, *roles: str) -> Host:
        """Another host of the same wire, with a state folder of its own; not started."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        config = folder / "newswire.toml"
        config.write_text(CONFIG.format(namespace=self.settings.namespace, folder=folder))
        return Host(name, config, self.proxy.address, self.folder / f"{name}.log", roles)

    def state_of(self, role: str) -> Path:
        """The state folder of a role's worker on the first host."""
        return self.folder / "here" / "workers" / self.settings.namespace / role

    async def progress(self, seconds: float) -> float:
        """Wait until an article that is seen from now on has been emitted; how long that took.

        Raises Broken after `seconds`.
        """
        began, since = time.monotonic(), datetime.now(UTC)
        while self._latest < since:
            if time.monotonic() > began + seconds:
                raise Broken(f"no progress in {seconds:.0f} s: {self.outcomes} outcomes of {self.raw} raw records")
            self._keep_up()
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def quiet(self, verifier: Verifier) -> Report:
        """Let everything come to its end and check the whole guarantee. Raises Broken."""
        self.changing = False
        deadline = time.monotonic() + QUIET_SECONDS
        while self.news.shown - self.collected.keys() or self.outcomes < self.raw:
            self._keep_up()
            if time.monotonic() > deadline:
                lost = sorted(version.title for version in self.news.shown - self.collected.keys())
                raise Broken(f"not collected: {lost[:5]}; {self.outcomes} outcomes of {self.raw} raw records")
            await asyncio.sleep(0.1)
        report = await verifier.advance()
        twice = [version.title for version, number in self.collected.items() if number != 1]
        strange = [version.title for version in self.collected.keys() - self.news.shown]
        if report.found or report.in_flight or twice or strange:
            faults = "; ".join(map(str, report.faults[:5]))
            collected = f"twice: {twice[:5]}; strange: {strange[:5]}"
            raise Broken(f"{report.found} faults: {faults}; {report.in_flight} in flight; {collected}")
        self.changing = True
        return report

    def _keep_up(self) -> None:
        """Start the supervisor again when it has ended, as a service manager does; the test's own tasks must live."""
        self.here.ensure()
        for task in self.tasks:
            if task.done():
                task.result()

    async def change_feeds(self) -> None:
        """Let the feeds change, for as long as the service is under test."""
        while True:
            if self.changing:
                self.news.change(self.collected.keys())
            await asyncio.sleep(CHANGE_EVERY)

    async def poison(self) -> None:
        """Put what is no record on every topic that a stage reads, one for each POISON_EVERY articles."""
        producer: Any = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers, request_timeout_ms=120_000)
        await producer.start()
        try:
            done = 0
            while True:
                await asyncio.sleep(0.2)
                if self.changing and len(self.news.shown) >= done + POISON_EVERY:
                    done += POISON_EVERY
                    for topic in INPUTS:
                        await producer.send_and_wait(self.settings.topic(topic), self.chance.choice(POISON), b"poison")
        finally:
            await producer.stop()

    async def watch(self) -> None:
        """Follow what is committed on `raw` and `outcomes`."""
        partitions = [TopicPartition(self.settings.topic(name), 0) for name in ("raw", "outcomes")]
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            while True:
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        self._note(partition.topic.endswith(".raw"), record.value)
        finally:
            await consumer.stop()

    def _note(self, is_raw: bool, value: bytes) -> None:
        if not is_raw:
            self.outcomes += 1
            outcome = orjson.loads(value)
            # Only what went the whole way tells that every stage works.
            if outcome["outcome"] in ("emitted", "updated"):
                self._latest = max(self._latest, datetime.fromisoformat(outcome["observed_at"]))
            return
        self.raw += 1
        try:
            article = RawArticle.decode(value)
        except ContractError:
            return
        self.collected[Version.of(article)] += 1


@asynccontextmanager
async def service_under_test(
    kafka: Kafka, namespace: str, folder: Path, seed: int
) -> AsyncIterator[tuple[Service, Verifier]]:
    """The service running over changing feeds, with poison on its topics, and the verifier of its wire."""
    settings = load_settings(namespace=namespace, state_dir=folder, analyze={"constant_ms": 1.0})
    connection = Connection(kafka.bootstrap_servers, {})
    reachable = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"bootstrap_servers": kafka.bootstrap_servers})}
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(connect(reachable))
        proxy = await stack.enter_async_context(kafka.proxy())
        service = Service(settings, kafka, proxy, folder, random.Random(seed))
        url = await stack.enter_async_context(site(service.news.answer))
        await add_feeds(connection, reachable, tuple(Outline(f"{url}/{name}") for name in service.news.names))
        service.tasks = [
            asyncio.create_task(task) for task in (service.change_feeds(), service.watch(), service.poison())
        ]
        service.here.start()
        try:
            runner = stack.enter_context(open_analysis(settings.analyze, _hang))
            verifier = await stack.enter_async_context(open_verifier(settings, connection, runner))
            await service.progress(60.0)
            yield service, verifier
        finally:
            for task in service.tasks:
                task.cancel()
            await asyncio.gather(*service.tasks, return_exceptions=True)
            await service.here.kill()


def _hang() -> None:
    raise Broken("a constant analysis hangs")
