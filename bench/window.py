"""State over many windows: rows, local files, changelogs and memory stop growing once the window is full.

Usage: python -m bench.window [--articles N] [--windows N] [--out FILE]. The service takes articles of 100 words, one
a second of event time, as fast as it can; all windows are N articles long and the changelogs' topics are compacted
within seconds instead of hours. What stands there is measured after each window, at rest and compacted. Rows and
changelogs of the last third of the windows are compared with those of the third before. Local files and memory rise and
fall with RocksDB's buffers, so that their most is compared with what these may hold at most.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import orjson
import psutil

from bench.articles import START, text_of
from bench.figures import Figure, report
from bench.hops import fill, wait_for
from bench.processes import memory_mib
from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.connection import Connection
from newswire.pipeline.ledger.log import open_reader
from newswire.pipeline.settings import Settings, load_settings
from newswire.pipeline.stage.config import STORE_MEMORY
from newswire.pipeline.supervisor import running_service

PROCESSES = {"wire": ("prepare", "deduplicate", "cluster"), "analyzer": ("analyze",)}
STAGES = ("prepare", "deduplicate", "cluster")
WORDS = 100
QUICKLY = {
    "segment.ms": "2000",
    "segment.bytes": str(1 << 20),
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "2000",
    "delete.retention.ms": "1000",
}
FILES_MAX = len(STAGES) * 8 * STORE_MEMORY.write_buffer / (1 << 20)
"""A store's log and fresh files (RocksDB merges these once there are four), twice while it does that."""
BUFFERS = ("buffers and caches", STORE_MEMORY.shared / (1 << 20))
COMPACTED_SECONDS = 20.0
"""The broker's cleaner looks every 15 seconds."""


@dataclass(frozen=True)
class Sizes:
    """What stands after a window: rows in the changelogs, MiB of local files and of changelogs, MiB of the process."""

    rows: int
    local: float
    changelogs: float
    memory: float


async def look(settings: Settings, connection: Connection, process: psutil.Process) -> Sizes:
    """Measure."""
    rows = 0
    async with open_reader(connection.bootstrap_servers, connection.options) as reader:
        for stage in STAGES:
            for partition in reader.partitions(settings.topic(f"{stage}.changelog")):
                rows += len(await reader.table(partition, lambda _: True))
    logs = [settings.topic(f"{stage}.changelog") for stage in STAGES]
    broker = [file for name in logs for file in settings.state_dir.rglob(f"{name}-*/*.log")]
    local = [file for file in (settings.state_dir / "workers").rglob("*") if file.is_file()]
    return Sizes(rows, _mib(local), _mib(broker), memory_mib([process]))


def _mib(files: list[Path]) -> float:
    # What is being compacted may be gone meanwhile.
    return sum(file.stat().st_blocks * 512 for file in files if file.exists()) / (1 << 20)


async def measure(articles: int, windows: int) -> list[Figure]:
    """Run the windows and compare."""
    chance = random.Random(5)
    length = {"window_seconds": articles}
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            namespace="bench",
            state_dir=Path(folder),
            run={"port": 0, "processes": PROCESSES},
            analyze={"constant_ms": 0.0},
            prepare=length,
            deduplicate=length,
            cluster=length,
        )
        measured: list[Sizes] = []
        async with connect(settings, topics=False) as connection:
            specs = [
                replace(spec, extra={**spec.extra, **QUICKLY}) if spec.name.endswith(".changelog") else spec
                for spec in wire_topics(settings.namespace, partitions=settings.kafka.partitions)
            ]
            await ensure_topics(connection.bootstrap_servers, specs)
            async with running_service(settings, connection) as service:
                for window in range(windows):
                    numbers = range(window * articles, (window + 1) * articles)
                    await fill(settings, connection.bootstrap_servers, "raw", [_line(n, chance) for n in numbers])
                    await wait_for(settings, connection.bootstrap_servers, numbers.stop)
                    await asyncio.sleep(COMPACTED_SECONDS)
                    (pid,) = [state.pid for state in service.processes if state.name == "wire"]
                    measured.append(await look(settings, connection, psutil.Process(pid)))
                    print(f"window {window + 1}: {measured[-1]}", flush=True)
        EmbeddedBroker(settings.state_dir).stop()
    third = windows // 3
    before, last = measured[-2 * third : -third], measured[-third:]
    return [
        _compare("state: rows", "rows", [s.rows for s in before], [s.rows for s in last]),
        _compare("state: changelogs", "MiB", [s.changelogs for s in before], [s.changelogs for s in last]),
        _bounded("state: local files, the most", [s.local for s in measured], 0.0, "what it may hold", FILES_MAX),
        _bounded("memory gained since the first window", [s.memory for s in measured], measured[0].memory, *BUFFERS),
    ]


def _line(number: int, chance: random.Random) -> bytes:
    return orjson.dumps(
        {
            "feed_url": f"https://feed-{number % 20}.example/rss",
            "entry_id": f"window-{number}",
            "title": f"Report {number}",
            "content": text_of(WORDS, chance),
            "content_type": "text/plain",
            "observed_at": (START + timedelta(seconds=number)).isoformat(),
        }
    )


def _bounded(name: str, values: list[float], since: float, bound: str, limit: float) -> Figure:
    most = max(values) - since
    return Figure(f"over many windows, {name}", most, "MiB", f"{bound} ({limit:,.0f} MiB)", most / limit, "<= 1")


def _compare(name: str, unit: str, before: list[float] | list[int], last: list[float] | list[int]) -> Figure:
    now, then = statistics.mean(last), statistics.mean(before)
    return Figure(f"over many windows, {name}", now, unit, "the third before", now / then, "<= 1.05")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=10_000, help="articles in a window")
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report(asyncio.run(measure(options.articles, options.windows)), options.out)


if __name__ == "__main__":
    main()
