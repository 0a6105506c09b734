"""The collector under faults: each version of each entry that a feed shows stands on raw once, whatever dies.

A poll whose transaction came to nothing is polled again, and neither its articles nor its validators were kept.
The seed is printed; NEWSWIRE_TEST_SEED sets it, NEWSWIRE_TEST_ROUNDS the rounds of each fault.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from newswire.pipeline.app.stages import Worker
from newswire.pipeline.app.worker import encode_order
from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.cli.feeds import add_feeds
from newswire.pipeline.connection import Connection
from newswire.pipeline.feeds.opml import Outline
from newswire.pipeline.feeds.topic import read_states
from newswire.pipeline.settings import Settings
from newswire.schemas import RawArticle
from tests.changing_feeds import ChangingFeeds, Version
from tests.conftest import Kafka
from tests.proxy import Proxy
from tests.unit.feeds.site import site
from tests.wire import read_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("NEWSWIRE_TEST_ROUNDS", 1))
FEEDS = 8
PARTITIONS = 4
CHANGE_EVERY = 0.1
PROGRESS = 60.0
SESSION_SECONDS = 3.0
FATAL = 70
LEVELS = ("read_committed", "read_uncommitted")


class Poller:
    """A worker process with the collect role, started again when it ends by itself."""

    def __init__(self, worker: Worker, log: Path) -> None:
        self.exits: list[int] = []
        self._worker = worker
        self._log = log
        self._start()
        self._supervising = asyncio.create_task(self._supervise())

    def send(self, signum: int) -> None:
        """Send the process a signal."""
        self._process.send_signal(signum)

    @property
    def ready(self) -> int:
        """How often a partition became ready in it, over all its lives."""
        return self._log.read_text().count("partition ready")

    async def stop(self) -> int:
        """End it for good and return its exit status."""
        self._supervising.cancel()
        self._process.terminate()
        return await asyncio.to_thread(self._process.wait, 30)

    def kill(self) -> None:
        """End it for good, at once."""
        self._supervising.cancel()
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "newswire", "worker"], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        assert self._process.stdin is not None
        self._process.stdin.write(encode_order(self._worker))
        self._process.stdin.flush()

    async def _supervise(self) -> None:
        while True:
            if self._process.poll() is not None:
                self.exits.append(self._process.returncode)
                self._start()
            await asyncio.sleep(0.05)


class Collection:
    """Changing feeds, two pollers behind a proxy each, and what they have put on raw."""

    def __init__(self, feeds: ChangingFeeds, settings: Settings, pollers: dict[str, Poller]) -> None:
        self.feeds = feeds
        self.pollers = pollers
        self.collected: Counter[Version] = Counter()
        self.changing = True
        self.settings = settings

    async def change(self) -> None:
        """Change the feeds as long as they are to."""
        while self.changing:
            self.feeds.change(self.collected)
            await asyncio.sleep(CHANGE_EVERY)

    async def follow(self) -> None:
        """Count what comes on raw until cancelled."""
        consumer = AIOKafkaConsumer(
            self.settings.topic("raw"),
            bootstrap_servers=self.settings.kafka.bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            async for record in consumer:
                self.collected[Version.of(RawArticle.decode(record.value))] += 1
        finally:
            await consumer.stop()

    async def caught_up(self) -> None:
        """Wait until all that is shown now was collected."""
        shown = set(self.feeds.shown)
        await self.until(lambda: shown <= self.collected.keys(), "all that is shown on raw")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; raises AssertionError after PROGRESS seconds."""
        deadline = time.monotonic() + PROGRESS
        while not condition():
            missing = self.feeds.shown - self.collected.keys()
            assert time.monotonic() < deadline, f"waited {PROGRESS:.0f} s for {what}; missing: {missing}"
            await asyncio.sleep(0.05)


@asynccontextmanager
async def collecting(
    settings: Settings, feeds: ChangingFeeds, proxies: dict[str, Proxy], folder: Path
) -> AsyncIterator[Collection]:
    """The collection, running until the end of the block."""
    pollers: dict[str, Poller] = {}
    collection = Collection(feeds, settings, pollers)
    tasks = [asyncio.create_task(collection.change()), asyncio.create_task(collection.follow())]
    try:
        for name, proxy in proxies.items():
            worker = Worker(settings, Connection(proxy.address), name, ("collect",))
            pollers[name] = Poller(worker, folder / f"{name}.log")
        await collection.until(lambda: all(poller.ready for poller in pollers.values()), "two pollers")
        yield collection
    finally:
        for poller in pollers.values():
            poller.kill()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def killed(collection: Collection, chance: random.Random) -> None:
    """SIGKILL to one and the other poller, at any moment."""
    for name in ("a", "b", "a"):
        collection.pollers[name].send(signal.SIGKILL)
        await asyncio.sleep(chance.uniform(0.2, 4.0))


async def killed_within_a_poll(collection: Collection, chance: random.Random) -> None:
    """SIGKILL to both pollers while the articles of a poll stand on raw in a transaction that is still open."""
    topic = TopicPartition(collection.settings.topic("raw"), 0)
    servers = collection.settings.kafka.bootstrap_servers
    ends = {level: AIOKafkaConsumer(bootstrap_servers=servers, isolation_level=level) for level in LEVELS}
    for consumer in ends.values():
        await consumer.start()
    try:
        deadline = time.monotonic() + PROGRESS
        while True:
            assert time.monotonic() < deadline, "no poll was met within its transaction"
            for poller in collection.pollers.values():
                poller.send(signal.SIGSTOP)
            stable, written = [(await ends[level].end_offsets([topic]))[topic] for level in LEVELS]
            for poller in collection.pollers.values():
                poller.send(signal.SIGKILL if stable < written else signal.SIGCONT)
            if stable < written:
                return
            await asyncio.sleep(chance.uniform(0.01, 0.1))
    finally:
        for consumer in ends.values():
            await consumer.stop()


async def unreachable(collection: Collection, chance: random.Random, *, proxies: dict[str, Proxy]) -> None:
    """The broker cannot be reached by any poller, while the feeds go on."""
    worsen = chance.choice([Proxy.stall, Proxy.cut])
    for proxy in proxies.values():
        worsen(proxy)
    await asyncio.sleep(chance.uniform(5.0, 7.0))
    for proxy in proxies.values():
        proxy.heal()


async def zombie(collection: Collection, chance: random.Random) -> None:
    """One poller stands still until the other has its feeds, then goes on with polls that it had begun."""
    poller = collection.pollers[chance.choice("ab")]
    poller.send(signal.SIGSTOP)
    await asyncio.sleep(SESSION_SECONDS + 1.0)  # what is shown at first may all be collected, or be the other's
    await collection.caught_up()  # only the other can see to that
    await asyncio.sleep(chance.uniform(0.0, 1.0))
    since = poller.ready
    poller.send(signal.SIGCONT)
    await collection.until(lambda: poller.ready > since, "the zombie to end or to go on")


async def test_each_version_of_each_entry_stands_on_raw_once(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("NEWSWIRE_TEST_SEED", time.time()))
    print(f"NEWSWIRE_TEST_SEED={seed}")
    chance = random.Random(seed)
    feeds = ChangingFeeds(FEEDS, random.Random(seed))
    proxies = {name: kafka.proxy(number) for number, name in enumerate("ab")}
    faults: dict[str, Callable[[Collection, random.Random], Awaitable[None]]] = {
        "killed": killed,
        "killed within a poll": killed_within_a_poll,
        "unreachable": partial(unreachable, proxies=proxies),
        "zombie": zombie,
    }
    settings = Settings(
        namespace=namespace,
        state_dir=tmp_path,
        kafka={"bootstrap_servers": kafka.bootstrap_servers, "session_timeout_ms": round(1000 * SESSION_SECONDS)},
        collect={"allow_private": True, "host_spacing": 0.0, "host_polls_at_once": FEEDS, "parse_timeout": 30.0},
        run={"port": 0},
    )
    connection = Connection(kafka.bootstrap_servers)
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=PARTITIONS), {})
    async with AsyncExitStack() as stack:
        for proxy in proxies.values():
            await stack.enter_async_context(proxy)
        url = await stack.enter_async_context(site(feeds.answer))
        outlines = tuple(Outline(f"{url}/{name}") for name in feeds.names)
        assert (await add_feeds(connection, settings, outlines, interval=1))[0] == FEEDS
        collection = await stack.enter_async_context(collecting(settings, feeds, proxies, tmp_path))
        await collection.caught_up()
        for _ in range(ROUNDS):
            for name, fault in faults.items():
                began = time.monotonic()
                await fault(collection, chance)
                ended = time.monotonic()
                await collection.caught_up()
                print(f"{name}: {ended - began:.1f} s, caught up {time.monotonic() - ended:.1f} s after")
        collection.changing = False
        await collection.caught_up()
        exits = {name: poller.exits for name, poller in collection.pollers.items()}
        assert [await poller.stop() for poller in collection.pollers.values()] == [0, 0]
    raw = [RawArticle.decode(value) for value in await read_topic(settings, "raw")]
    states = await read_states(connection, settings)
    print(
        f"{len(feeds.shown)} versions, {feeds.answers[200]} documents, {feeds.answers[304]} not modified, exits {exits}"
    )
    assert Counter(map(Version.of, raw)) == dict.fromkeys(feeds.shown, 1)
    assert sum(state.new + state.changed for state in states.values()) == len(raw)
    assert all(code in (FATAL, -signal.SIGKILL) for codes in exits.values() for code in codes)
