"""How long `newswire ledger` takes after many articles, and what keeping its counters costs.

Usage: python -m bench.ledger [--articles N] [--batch N] [--feeds N] [--waiting N] [--out FILE]. The articles are only
counted, by the stages' own functions, in transactions as the stages commit them (without the articles' own rows and
records); their event time goes over 90 days. `--waiting` articles stand in raw, taken by nobody.
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
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition

from bench.articles import articles
from bench.figures import Figure, report
from newswire.pipeline.app.stages import LEDGER_ROWS
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.ledger.counters import COUNTED
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

HOURS = 90 * 24
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
        )
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
            input_offset=None,
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
            hours = [480_000 + (first + n) * HOURS // count for n in range(size)]
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
                rows = {NEXT: b"%d" % (released + 1), WAITING: b"0"} if stage == "cluster" else {}
                spent += await partitions[turn % len(partitions)].count(ended[stage], rows)
    return spent


def _counted(feeds: list[str], hours: list[int], which: Any, counts: dict[str, int]) -> list[Result]:
    return [Result((), feeds[n], counts, ((hours[n], counts),)) for n in which]


async def measure(count: int, batch: int, feeds: int, waiting: int) -> list[Figure]:
    """Write the books and read them."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(namespace="bench", state_dir=Path(folder))
        async with connect(settings) as connection:
            servers = connection.bootstrap_servers
            spent = await count_articles(settings, servers, count, batch, feeds)
            await _fill(settings, servers, waiting)
            began = time.monotonic()
            told = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "newswire", "ledger", "--json", "--by", "hour"],
                env={
                    **os.environ,
                    "NEWSWIRE_NAMESPACE": settings.namespace,
                    "NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS": servers,
                },
                stdout=subprocess.PIPE,
                check=True,
            )
            wall = time.monotonic() - began
            size, records = _size(Path(folder), settings.topic("ledger")), 0
            async with open_reader(servers, {}) as reader:
                async for _ in reader.records(TopicPartition(settings.topic("ledger"), 0)):
                    records += 1
                began = time.monotonic()
                await read_books(reader, settings.namespace)
                read = time.monotonic() - began
    ledger = orjson.loads(told.stdout)
    assert ledger["total"]["in_flight"] == waiting
    assert len(ledger["hours"]) >= min(HOURS, count)
    name = f"ledger: {count:,} articles of {feeds} feeds in 90 days"
    return [
        Figure(f"{name}, the command", wall, "s", goal="<= 5"),
        Figure("ledger: the reading in it", read, "s"),
        Figure("ledger: its topic", size / (1 << 20), "MiB on disk"),
        Figure("ledger: records read", records, "records"),
        Figure("ledger: counting an article in all stages", 1e6 * spent / count, "us CPU"),
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
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report(asyncio.run(measure(options.articles, options.batch, options.feeds, options.waiting)), options.out)


if __name__ == "__main__":
    main()
