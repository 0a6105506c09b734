"""The rehearsal of the embedded broker: a short life under a load like the wire's, from which Java learns.

`aot` runs it as a process: `python -m newswire.pipeline.broker.rehearsal FILE`. A broker of its own, in a folder that
is removed, takes records through a chain of transactions for some seconds and writes FILE when it ends.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.config import EmbeddedSettings
from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.broker.quiet import quiet_aiokafka
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.connection import Connection

LINKS = ("raw", "prepared", "unique", "analyzed", "enriched")
"""The topics that a record passes: each step between two of them is one transaction."""
CHANGELOGS = ("prepare", "deduplicate", "analyze", "cluster")

_NAMESPACE = "rehearsal"
_LIMIT_SECONDS = 60.0
"""How long the broker may take to start, and to end, when it writes the file. Both are over before
whoever waits for this process ends it, which would leave the broker behind.
"""


def rehearse(file: Path, seconds: float, cache_dir: Path | None = None) -> None:
    """Have a broker learn for `seconds` and write what it learnt to `file`. Raises BrokerError."""
    with tempfile.TemporaryDirectory(prefix="newswire-rehearsal-") as folder:
        settings = EmbeddedSettings(
            start_limit=_LIMIT_SECONDS, stop_limit=_LIMIT_SECONDS, cache_dir=cache_dir, rehearsal=file
        )
        broker = EmbeddedBroker(Path(folder), settings=settings)
        running = broker.ensure()
        try:
            with quiet_aiokafka():
                asyncio.run(_load(Connection(running.bootstrap_servers), seconds))
        except BaseException:
            broker.kill()
            raise
        broker.stop()


async def _load(connection: Connection, seconds: float) -> None:
    servers = connection.bootstrap_servers
    await ensure_topics(servers, wire_topics(_NAMESPACE, partitions=1), connection.options, replication_factor=1)
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(_collect(servers, until))
        for link, changelog in enumerate(CHANGELOGS):
            group.create_task(_step(servers, LINKS[link], LINKS[link + 1], changelog, until))


async def _collect(servers: str, until: float) -> None:
    """Write records to the first topic, a transaction each, as the collector does."""
    async with _producer(servers, "collect") as producer:
        number = 0
        while time.monotonic() < until:
            number += 1
            value = b"%08d " % number * 200
            async with producer.transaction():
                for topic in (LINKS[0], "ledger", "collect.changelog"):
                    await producer.send(f"{_NAMESPACE}.{topic}", value, key=b"%d" % (number % 100), partition=0)
            await asyncio.sleep(0.005)


async def _step(servers: str, source: str, target: str, changelog: str, until: float) -> None:
    """Carry records from one topic to the next, a transaction a batch, as a stage does."""
    group, partition = f"{_NAMESPACE}.{changelog}", TopicPartition(f"{_NAMESPACE}.{source}", 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, isolation_level="read_committed", auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    member = AIOKafkaConsumer(
        partition.topic, bootstrap_servers=servers, group_id=group, enable_auto_commit=False, heartbeat_interval_ms=300
    )
    async with consumer, member, _producer(servers, changelog) as producer:
        consumer.assign([partition])
        while time.monotonic() < until:
            batch = (await consumer.getmany(timeout_ms=100)).get(partition, [])
            if not batch:
                continue
            async with producer.transaction():
                await producer.send_offsets_to_transaction({partition: batch[-1].offset + 1}, group)
                for topic in (target, "outcomes", "ledger", f"{changelog}.changelog"):
                    for record in batch:
                        await producer.send(f"{_NAMESPACE}.{topic}", record.value, key=record.key, partition=0)


def _producer(servers: str, name: str) -> Any:
    return AIOKafkaProducer(
        bootstrap_servers=servers, transactional_id=f"{_NAMESPACE}.{name}", acks="all", retry_backoff_ms=20
    )


def main() -> None:
    """The command line: writes the file or ends with code 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--cache-dir", type=Path)
    args = parser.parse_args()
    try:
        rehearse(args.file, args.seconds, args.cache_dir)
    except BrokerError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
