"""CPU an article outside the encoder: a backlog of 300-word articles through the service, every Kafka hop included.

Usage: python -m bench.hops [--articles N] [--out FILE]. The analysis is replaced by the stated constant 0 ms. The
counterpart is one bare hop: the same records read by one consumer and written by one producer.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import orjson
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.articles import articles
from bench.figures import Figure, report
from bench.processes import cpu_seconds
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.settings import Settings, load_settings
from newswire.pipeline.supervisor import running_service

WARM_UP = 200
PROCESSES = {"wire": ("prepare", "deduplicate", "cluster"), "analyzer": ("analyze",)}


async def fill(settings: Settings, servers: str, topic: str, values: list[bytes]) -> None:
    """Write the values to a topic of the namespace."""
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    for value in values:
        await producer.send(settings.topic(topic), value)
    await producer.flush()
    await producer.stop()


async def wait_for(settings: Settings, servers: str, count: int, seconds: float = 600.0) -> None:
    """Return when `count` outcomes are committed."""
    partition = TopicPartition(settings.topic("outcomes"), 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([partition])
    seen, deadline = 0, time.monotonic() + seconds
    while seen < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{seen} of {count} outcomes in {seconds:.0f} s")
        seen += sum(map(len, (await consumer.getmany(partition, timeout_ms=200)).values()))
    await consumer.stop()


async def bare_hop(servers: str, source: str, target: str, count: int) -> float:
    """CPU seconds of this process for reading `count` records and writing them again, batches of 500."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await consumer.start()
    await producer.start()
    consumer.assign([TopicPartition(source, 0)])
    began, done = time.process_time(), 0
    while done < count:
        for records in (await consumer.getmany(timeout_ms=500, max_records=500)).values():
            for record in records:
                await producer.send(target, record.value)
            done += len(records)
            await producer.flush()
    spent = time.process_time() - began
    await consumer.stop()
    await producer.stop()
    return spent


async def measure(count: int) -> list[Figure]:
    """Run the backlog and give the figures."""
    values = [orjson.dumps(article) for article in articles(count + WARM_UP)]
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            namespace="bench",
            state_dir=Path(folder),
            run={"port": 0, "processes": PROCESSES},
            analyze={"constant_ms": 0.0},
        )
        async with connect(settings) as connection:
            servers = connection.bootstrap_servers
            running = EmbeddedBroker(settings.state_dir).status()
            assert running is not None
            broker = psutil.Process(running.pid)
            async with running_service(settings, connection) as service:
                await fill(settings, servers, "raw", values[:WARM_UP])
                await wait_for(settings, servers, WARM_UP)
                workers = [psutil.Process(state.pid) for state in service.processes if state.pid is not None]
                before, broker_before = cpu_seconds(workers), cpu_seconds([broker])
                began = time.monotonic()
                await fill(settings, servers, "raw", values[WARM_UP:])
                await wait_for(settings, servers, count + WARM_UP)
                wall = time.monotonic() - began
                ours = 1000 * (cpu_seconds(workers) - before) / count
                brokers = 1000 * (cpu_seconds([broker]) - broker_before) / count
            hop = 1000 * await bare_hop(servers, settings.topic("raw"), settings.topic("dead"), count) / count
    return [
        Figure("backlog: articles of the whole wire", count / wall, "articles/s (constant 0 ms analysis)"),
        Figure("backlog: CPU an article, agents", ours, "ms", "one bare Kafka hop", ours / hop, "<= 3"),
        Figure(
            "backlog: CPU an article, agents and broker", ours + brokers, "ms", "one bare hop", (ours + brokers) / hop
        ),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=4000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report(asyncio.run(measure(options.articles)), options.out)


if __name__ == "__main__":
    main()
