"""A full-speed replay against `newswire enrich` alone, both with the shipped encoder over the same 300-word articles.

Usage: python -m bench.replay [--articles N] [--rounds N] [--out FILE]. "Per core" is articles a CPU second, all that
runs counted: of enrich its one process, of the replay the command itself, its workers and the embedded Kafka. A warm-up
is left out on both sides: everything starts, and Kafka compiles its code while it begins to work. The rounds alternate,
since the machine's speed drifts.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from bench.articles import write_articles
from bench.figures import Figure, report
from bench.processes import cpu_seconds, tree
from newswire.pipeline.broker.connect import connect, make_topics
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.driver import Status, processes_of, replay
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.replay.sources import open_source
from newswire.pipeline.settings import load_settings
from newswire.pipeline.supervisor import running_service

WARM_UP = 200


def enrich_rate(lines: Path, count: int) -> float:
    """Articles a CPU second of `newswire enrich`."""
    with subprocess.Popen(
        [sys.executable, "-m", "newswire", "enrich", str(lines)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        process, begun = [psutil.Process(child.pid)], 0.0
        for number in range(1, count + 1):
            child.stdout.readline()
            if number == WARM_UP:
                begun = cpu_seconds(process)
        spent = cpu_seconds(process) - begun
        child.stdout.read()
    return (count - WARM_UP) / spent


async def replay_rate(lines: Path, count: int) -> float:
    """Articles a CPU second of a replay, Kafka included."""
    marks: list[tuple[int, float]] = []

    def note(status: Status) -> None:
        if status.ended >= WARM_UP and (not marks or count > status.ended > marks[-1][0]):
            marks.append((status.ended, cpu_seconds(tree(os.getpid()))))

    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(namespace="bench", state_dir=Path(folder), run={"port": 0})
        run = settings.run.model_copy(update={"processes": processes_of(settings.run)})
        settings = settings.model_copy(update={"run": run})
        source = open_source(lines, Selection(), settings.text)
        async with connect(settings, topics=False) as connection, capture_reader(settings) as reader:
            await make_topics(settings, connection, replay=True)

            @asynccontextmanager
            async def running() -> AsyncIterator[None]:
                async with running_service(settings, connection):
                    yield

            summary = await replay(settings, connection, source, reader, running, report=note)
    assert summary.collected == count
    (first, begun), (last, ended) = marks[0], marks[-1]
    return (last - first) / (ended - begun)


def measure(count: int, rounds: int) -> list[Figure]:
    """The two rates, each the median of the rounds, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "articles.jsonl"
        write_articles(lines, count)
        alone, replayed = [enrich_rate(lines, count)], []
        for _ in range(rounds):
            replayed.append(asyncio.run(replay_rate(lines, count)))
            alone.append(enrich_rate(lines, count))
    # each replay against the enrich before and after it
    ratios = [2 * rate / (before + after) for rate, before, after in zip(replayed, alone[:-1], alone[1:], strict=True)]
    return [
        Figure("enrich alone", statistics.median(alone), "articles a CPU second"),
        Figure(
            "replay at full speed, all its processes",
            statistics.median(replayed),
            "articles a CPU second",
            "enrich alone",
            statistics.median(ratios),
            ">= 0.85",
        ),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report(measure(options.articles, options.rounds), options.out)


if __name__ == "__main__":
    main()
