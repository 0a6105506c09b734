"""What the tests of the whole wire share: raw lines of every kind, settings, and what stands on the topics."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from newswire.pipeline.settings import Settings, load_settings

WORDS = (  # noqa: SIM905
    "harbour council minister river market budget railway hospital storm election vaccine orchestra satellite drought "
    "wheat bridge tribunal glacier strike festival reactor turbine refugee library verdict pipeline senate museum "
    "chemist airline tunnel ferry mayor treaty forest copper lithium goalkeeper marathon archive census curfew"
).split()

WIRE = {"wire": ("prepare", "deduplicate", "cluster"), "analyzer": ("analyze",)}


def raw_lines(count: int, seed: int = 1) -> list[bytes]:
    """Raw records as JSON lines: new articles, and among them copies, revisions, repeats, rejected and poison ones."""
    chance = random.Random(seed)
    made: list[dict[str, str]] = []
    lines: list[bytes] = []
    for number in range(count):
        kind = chance.choices(("new", "copy", "revision", "repeat", "future", "poison"), (70, 8, 8, 6, 3, 5))[0]
        second = (
            f"2026-02-{1 + number // 86400:02d}T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
        )
        if kind == "poison":
            lines.append(chance.choice((b"{not json", b"[]", b'{"schema":"newswire.raw.v9"}', b"\xff\xfe", b"{}")))
            continue
        if kind == "new" or not made:
            text = " ".join(chance.choice(WORDS) for _ in range(chance.randint(40, 120)))
            record = {
                "feed_url": f"https://feed{number % 7}.example/rss",
                "entry_id": f"{seed}-{number}",
                "title": " ".join(chance.choice(WORDS) for _ in range(7)),
                "content": f"<p>{text}</p><p>Report {number}.</p>",
            }
            made.append(record)
        else:
            record = dict(chance.choice(made))
            if kind == "copy":
                record |= {"feed_url": "https://copies.example/rss", "entry_id": f"copy-{number}"}
            elif kind == "revision":
                record["content"] += f"<p>Correction {number}: {chance.choice(WORDS)} {chance.choice(WORDS)}.</p>"
                made.append(record)
        record["observed_at"] = "2199-01-01T00:00:00Z" if kind == "future" else second
        lines.append(json.dumps(record).encode())
    return lines


def wire_settings(namespace: str, state_dir: Path, bootstrap_servers: str, **sections: Any) -> Settings:
    """Settings of a service on a test's Kafka: free ports, quick restarts, an analysis that takes a constant 1 ms."""
    given: dict[str, Any] = {
        "kafka": {"bootstrap_servers": bootstrap_servers, "session_timeout_ms": 6000},
        "run": {"port": 0, "processes": WIRE, "restart_delay_min": 0.1, "restart_delay_max": 1.0},
        "analyze": {"constant_ms": 1.0},
    }
    merged = given | {
        name: {**given.get(name, {}), **values} if isinstance(values, dict) else values
        for name, values in sections.items()
    }
    return load_settings(namespace=namespace, state_dir=state_dir, **merged)


async def produce(settings: Settings, topic: str, values: Iterable[bytes], pause: float = 0.0) -> None:
    """Write the values to a topic of the namespace, in order, each `pause` seconds after the last."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers, enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send(settings.topic(topic), value)
            if pause:
                await asyncio.sleep(pause)
        await producer.flush()
    finally:
        await producer.stop()


async def read_topic(settings: Settings, topic: str, *, count: int = 0, seconds: float = 90.0) -> list[bytes]:
    """All committed values of a topic with one partition; waits until there are `count` of them, else fails."""
    partition = TopicPartition(settings.topic(topic), 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    values: list[bytes] = []
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        deadline = time.monotonic() + seconds
        while True:
            end = (await consumer.end_offsets([partition]))[partition]
            for records in (await consumer.getmany(partition, timeout_ms=300)).values():
                values += [record.value for record in records]
            if len(values) >= count and await consumer.position(partition) >= end:
                return values
            if time.monotonic() > deadline:
                raise AssertionError(f"{topic}: {len(values)} of {count} records in {seconds:.0f} s")
    finally:
        await consumer.stop()


def enrich(lines: Iterable[bytes], constant_ms: float = 0.0) -> list[bytes]:
    """What `newswire enrich` makes of the lines, one for each."""
    done = subprocess.run(
        [sys.executable, "-m", "newswire", "enrich", "-"],
        input=b"".join(line + b"\n" for line in lines),
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "NEWSWIRE_ANALYZE__CONSTANT_MS": str(constant_ms)},
        timeout=120,
        check=True,
    )
    return done.stdout.splitlines()


def enriched_of(lines: Iterable[bytes]) -> list[bytes]:
    """The enriched records among the output lines of enrich."""
    return [line for line in lines if line.startswith(b'{"schema":"newswire.enriched.v1"')]
