"""How long `newswire ledger` takes after many articles, with and without load, and what keeping its counters costs.

Usage: python -m bench.ledger [--articles N] [--batch N] [--feeds N] [--waiting N] [--rate N] [--readings N]
[--out FILE]. The articles are only counted, by the stages' own functions, in transactions as the stages commit them
(without the articles' own rows and records); their event time goes over 90 days. That is some hundred times as fast as
a service counts, so the broker is given a moment to compact the topic. `--waiting` articles stand in raw, taken by
nobody, when the command is timed first. Then the real service begins where the counters stand, with an analysis of
CONSTANT_MS, takes them and `--rate` further articles a second, and the command is called meanwhile, over and over: each
time the ledger must balance, and at the end every article must have been counted once.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition

from bench.articles import START, articles
from bench.figures import Figure, report
from newswire.pipeline.app.stages import INPUTS, LEDGER_ROWS
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.connection import Connection
from newswire.pipeline.duplicates.rows import META, META_ROW
from newswire.pipeline.ledger.counters import COUNTED, RECENT, hour_of
from newswire.pipeline.ledger.log import open_reader
from newswire.pipeline.ledger.read import read_books
from newswire.pipeline.settings import Settings, load_settings
from newswire.pipeline.stage.config import StageConfig
from newswire.pipeline.stage.ledger import changed_rows
from newswire.pipeline.stage.overlay import Overlay
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.stage.store import DictStore
from newswire.pipeline.stage.transaction import commit
from newswire.pipeline.step import Result, count_result
from newswire.pipeline.stories.resequence import NEXT, WAITING
from newswire.pipeline.supervisor import running_service
from newswire.pipeline.text import prepare
from newswire.pipeline.text.dates import to_ms

HOURS = 90 * 24
FIRST_HOUR = hour_of(to_ms(START)) - HOURS
PROCESSES = {"wire": ("prepare", "deduplicate", "cluster"), "analyzer": ("analyze",)}
CONSTANT_MS = 2.0
SETTLE_SECONDS = 30.0
"""What the newest records are kept from compaction, and what the broker waits between two rounds of it."""
PARTITIONS = {"collect": 8, "prepare": 1, "deduplicate": 1, "analyze": 8, "cluster": 1}
COPIES = 0.1


class Partition:
    """One stage's partition: it counts articles and commits, as the stage does."""

    def __init__(self, settings: Settings, servers: str, stage: str, number: int) -> None:
        self.number = number
        self.config = StageConfig(
            namespace=settings.namespace,
            name=stage,
            bootstrap_servers=servers,
            input_topic="",
            outputs=(),
            changelog=settings.topic(f"{stage}.changelog"),
            state_dir=None,
            ledger=settings.topic("ledger"),
            ledger_rows=(*COUNTED, *LEDGER_ROWS.get(stage, ())),
            ledger_recent=RECENT,
        )
        self.input = TopicPartition(settings.topic(INPUTS[stage]), number)
        self.producer: Any = AIOKafkaProducer(
            bootstrap_servers=servers,
            transactional_id=f"{settings.namespace}.{stage}.{number}",
            acks="all",
            max_batch_size=900_000,
            retry_backoff_ms=20,
        )
        self.store = DictStore()
        self.position = InputPosition.first(0)

    async def count(self, results: list[Result], rows: dict[bytes, bytes]) -> float:
        """Count the results and commit; the CPU seconds of counting."""
        overlay = Overlay(self.store, 1 << 20)
        began = time.process_time()
        for result in results:
            count_result(overlay, result)
        spent = time.process_time() - began
        # the topics are empty: all that stands on raw waits
        self.position = self.position.advanced(0, len(results))
        writes = {**overlay.writes, **rows, POSITION_KEY: self.position.encode()}
        booked = changed_rows(self.config, self.number, self.position, writes)
        await commit(
            self.producer,
            group=self.config.group,
            input_offset=(self.input, 0),
            outputs={(str(self.config.ledger), 0): booked},
            changelog=(self.config.changelog, self.number),
            writes=writes,
            hook=lambda point: None,
        )
        self.store.apply(writes, 0, 0.0)
        return spent


async def count_articles(settings: Settings, servers: str, count: int, batch: int, feeds: int) -> float:
    """Count articles through all stages; the CPU seconds of counting."""
    draw = random.Random(1)
    spent, released = 0.0, 0
    async with AsyncExitStack() as stack:
        stages = {
            stage: [Partition(settings, servers, stage, number) for number in range(partitions)]
            for stage, partitions in PARTITIONS.items()
        }
        for partitions in stages.values():
            for partition in partitions:
                await stack.enter_async_context(partition.producer)
        for first in range(0, count, batch):
            size = min(batch, count - first)
            turn = first // batch
            taken = [f"https://feed{draw.randrange(feeds)}.example/news/rss.xml" for _ in range(size)]
            hours = [FIRST_HOUR + (first + n) * HOURS // count for n in range(size)]
            copies = [draw.random() < COPIES for _ in range(size)]
            on = [n for n in range(size) if not copies[n]]
            released += len(on)
            ended = {"prepare": _counted(taken, hours, range(size), {"in": 1, "out": 1})}
            kinds = [{"in": 1, "duplicate" if copy else "out": 1} for copy in copies]
            ended["deduplicate"] = [Result((), f, k, ((h, k),)) for f, h, k in zip(taken, hours, kinds, strict=True)]
            ended["collect"] = [Result((), feed, {"out": 1}) for feed in taken]
            ended["analyze"] = [Result((), taken[n], {"in": 1, "out": 1}) for n in on]
            ended["cluster"] = _counted(taken, hours, on, {"in": 1, "emitted": 1})
            for stage, partitions in stages.items():
                rows = _meta_rows(stage, first + size, released)
                spent += await partitions[turn % len(partitions)].count(ended[stage], rows)
    return spent


def _meta_rows(stage: str, taken: int, released: int) -> dict[bytes, bytes]:
    """Where a stage's own numbering stands, so that the service goes on from there."""
    match stage:
        case "prepare":
            return {prepare._META: prepare._META_ROW.pack(to_ms(START), taken)}
        case "deduplicate":
            return {META: META_ROW.pack(to_ms(START), released)}
        case "cluster":
            return {NEXT: b"%d" % (released + 1), WAITING: b"0"}
        case _:
            return {}


def _counted(feeds: list[str], hours: list[int], which: Any, counts: dict[str, int]) -> list[Result]:
    return [Result((), feeds[n], counts, ((hours[n], counts),)) for n in which]


@dataclass(frozen=True)
class Reading:
    """One call of the command: how long it took in seconds, and what it said."""

    seconds: float
    ledger: dict[str, Any]


async def call(settings: Settings, servers: str) -> Reading:
    """Call `newswire ledger`, which must find it balanced."""
    began = time.monotonic()
    told = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "newswire", "ledger", "--json", "--by", "hour"],
        env={**os.environ, "NEWSWIRE_NAMESPACE": settings.namespace, "NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS": servers},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Reading(time.monotonic() - began, orjson.loads(told.stdout))


async def call_under_load(settings: Settings, connection: Connection, options: argparse.Namespace) -> list[Reading]:
    """Call it while the service works, then see that every article was counted once."""
    servers, sent = connection.bootstrap_servers, 0
    readings: list[Reading] = []
    more = articles(options.waiting + 120 * options.rate)[options.waiting :]
    async with running_service(settings, connection), AIOKafkaProducer(bootstrap_servers=servers) as producer:
        began = time.monotonic()

        async def send() -> None:
            nonlocal sent
            for sent, article in enumerate(more, 1):
                await producer.send(settings.topic("raw"), orjson.dumps(article))
                await asyncio.sleep(max(0.0, began + sent / options.rate - time.monotonic()))

        sending = asyncio.create_task(send())
        while len(readings) < options.readings:
            readings.append(await call(settings, servers))
        sending.cancel()
        await asyncio.wait([sending])
        await producer.flush()
        last = (await call(settings, servers)).ledger["total"]
        while last["in_flight"]:
            last = (await call(settings, servers)).ledger["total"]
    # the article whose sending was cancelled may have been sent
    assert last["collected"] - options.articles - options.waiting - sent in (0, 1), last
    assert any(reading.ledger["total"]["in_flight"] for reading in readings)
    return readings


async def measure(options: argparse.Namespace) -> list[Figure]:
    """Write the books and read them, without a service and with one at work."""
    count, feeds, waiting = options.articles, options.feeds, options.waiting
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            namespace="bench",
            state_dir=Path(folder),
            run={"port": 0, "processes": PROCESSES},
            analyze={"constant_ms": CONSTANT_MS},
        )
        async with connect(settings) as connection:
            servers = connection.bootstrap_servers
            spent = await count_articles(settings, servers, count, options.batch, feeds)
            await _fill(settings, servers, waiting)
            await asyncio.sleep(SETTLE_SECONDS)
            alone = await call(settings, servers)
            size, records = _size(Path(folder), settings.topic("ledger")), 0
            async with open_reader(servers, {}) as reader:
                async for _ in reader.records(TopicPartition(settings.topic("ledger"), 0)):
                    records += 1
                began = time.monotonic()
                await read_books(reader, settings.namespace)
                read = time.monotonic() - began
            loaded = await call_under_load(settings, connection, options)
    assert alone.ledger["total"]["in_flight"] == waiting
    assert len(alone.ledger["hours"]) >= min(HOURS, count)
    name = f"ledger: {count:,} articles of {feeds} feeds in 90 days"
    longest = max(reading.seconds for reading in loaded)
    flying = [reading.ledger["total"]["in_flight"] for reading in loaded]
    return [
        Figure(f"{name}, the command", alone.seconds, "s", goal="<= 5"),
        Figure("ledger: the reading in it", read, "s"),
        Figure("ledger: its topic", size / (1 << 20), "MiB on disk"),
        Figure("ledger: records read", records, "records"),
        Figure("ledger: counting an article in all stages", 1e6 * spent / count, "us CPU"),
        Figure(
            f"ledger: the command under {options.rate} articles/s, longest of {len(loaded)}", longest, "s", goal="<= 5"
        ),
        Figure("ledger: in flight then, at least", min(flying), "articles"),
        Figure("ledger: in flight then, at most", max(flying), "articles"),
    ]


def _size(folder: Path, topic: str) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.log") if file.parent.name == f"{topic}-0")


async def _fill(settings: Settings, servers: str, count: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for article in articles(count):
            await producer.send(settings.topic("raw"), orjson.dumps(article))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--feeds", type=int, default=500)
    parser.add_argument("--waiting", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=200, help="articles a second that the service takes meanwhile")
    parser.add_argument("--readings", type=int, default=10, help="calls of the command meanwhile")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report(asyncio.run(measure(options)), options.out)


if __name__ == "__main__":
    main()
