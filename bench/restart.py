"""A restart with a full window: how long until the first article goes through, and how much memory it takes.

Usage: python -m bench.restart [--articles N] [--words N] [--stories SHARE] [--out FILE]. The state that the stages of
the wire would have after N articles of some 300 words (in the window of duplicates, seven days; the part of three days
in the window of stories, of which the given share opened a story) is written into the changelogs of an embedded broker
in the stages' own row formats. Then the real service starts twice: on an empty state folder, which it fills from Kafka,
and once more on that folder. The articles that are sent then include a copy of one that the state knows, which must be
recognised. Hashes are drawn at random, as hashes of different texts are; facts, story words and names are drawn with
the frequencies of running text (Zipf's law).
"""

import argparse
import asyncio
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.articles import text_of
from bench.figures import Figure, report
from bench.processes import cpu_seconds
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.connection import Connection
from newswire.pipeline.duplicates.decide import fingerprint
from newswire.pipeline.duplicates.rows import META, META_ROW, OWN_ROW, TextRow, own_key, text_key
from newswire.pipeline.duplicates.signature import BANDS, Signature, Sketch
from newswire.pipeline.settings import DAY, Settings, load_settings
from newswire.pipeline.stage.clients import start_fenced
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.stage.transaction import commit
from newswire.pipeline.stories.resequence import NEXT
from newswire.pipeline.stories.step import ARTICLE, STORY, WATERMARK
from newswire.pipeline.stories.story import OpenStory, encode_story
from newswire.pipeline.supervisor import running_service
from newswire.pipeline.text import prepare
from newswire.schemas import Feed, Language, PreparedArticle

PROCESSES = {"wire": ("prepare", "deduplicate", "cluster"), "analyzer": ("analyze",)}
STAGES = {"prepare": "raw", "deduplicate": "prepared", "cluster": "analyzed"}
SECONDS_MAX = 60
BYTES_MAX = 1.5e9
MIB = 1 << 20
END = datetime(2026, 6, 1, tzinfo=UTC)
ROWS_AT_ONCE = 10_000
SIGNED = 300
"""Texts that are really signed: each row takes the sizes and the facts of one of them."""
WORDS = 100_000
NAMES = 30_000
DIMENSIONS = 384

Row = tuple[bytes, bytes]


@dataclass(frozen=True)
class Size:
    """How much state: `articles` in the window of duplicates, of `words` words, `stories` a share of the articles."""

    articles: int
    words: int
    stories: float

    def observed_ms(self, number: int) -> int:
        """When an article was seen: evenly over the seven days before END."""
        begin = END - timedelta(days=7)
        return int(begin.timestamp() * 1000) + number * 7 * DAY * 1000 // self.articles


def known_article(size: Size) -> PreparedArticle:
    """The article that the state knows and a copy is sent of: the last of the window."""
    return PreparedArticle(
        position=size.articles - 1,
        id="ab" * 16,
        revision=1,
        feed=Feed(url="https://feed.example/rss"),
        title="Northwind Energy reopens its plant",
        text=text_of(size.words, random.Random(7)),
        language=Language(code="en", confidence=1.0),
        observed_at=datetime.fromtimestamp(size.observed_ms(size.articles - 1) / 1000, UTC),
        content_hash="0" * 32,
    )


def prepare_rows(size: Size) -> Iterator[Row]:
    """The rows of prepare: an article each, and where the wire stands."""
    chance = np.random.default_rng(1)
    for number in range(size.articles):
        yield (
            prepare._ARTICLE + chance.bytes(16),
            prepare._ARTICLE_ROW.pack(size.observed_ms(number), 1, chance.bytes(16)),
        )
    yield prepare._META, prepare._META_ROW.pack(size.observed_ms(size.articles - 1), size.articles)


def deduplicate_rows(size: Size) -> Iterator[Row]:
    """The rows of deduplicate: two an article, its text and its id, and where the wire stands."""
    chance, numbers = random.Random(2), np.random.default_rng(2)
    texts = [text_of(size.words, chance) for _ in range(SIGNED)]
    signed = [fingerprint(known_article(size).model_copy(update={"text": text})).signature for text in texts]
    known = known_article(size)
    for number in range(size.articles):
        observed, sequence = size.observed_ms(number), number + 1
        if number == size.articles - 1:
            print_ = fingerprint(known)
            row = TextRow(observed, known.id, print_.digest, print_.url_digest, print_.signature)
        else:
            like = signed[number % SIGNED]
            row = TextRow(observed, numbers.bytes(16).hex(), numbers.bytes(16), numbers.bytes(16), _like(like, numbers))
        yield text_key(sequence), row.encode()
        yield own_key(row.id), OWN_ROW.pack(observed, sequence)
    yield META, META_ROW.pack(size.observed_ms(size.articles - 1), size.articles)


def _like(signature: Signature | None, numbers: np.random.Generator) -> Signature | None:
    if signature is None:
        return None
    drawn = numbers.integers(0, 1 << 32, len(signature.shingles.values), dtype=np.uint32)
    drawn.sort()
    bands = numbers.integers(0, 1 << 32, BANDS, dtype=np.uint32)
    return signature._replace(shingles=Sketch(drawn, signature.shingles.bound), bands=bands)


def cluster_rows(size: Size) -> Iterator[Row]:
    """The rows of cluster: an article each of the last three days, the open stories, and where the wire stands."""
    numbers = np.random.default_rng(3)
    words, names = _Zipf(WORDS, numbers), _Zipf(NAMES, numbers)
    articles = size.articles * 3 // 7
    stories = max(1, int(articles * size.stories))
    ids = [numbers.bytes(8).hex() for _ in range(stories)]
    for number, id in enumerate(ids):
        sequence = size.articles - articles + number * articles // stories + 1
        moment = size.observed_ms(sequence - 1)
        yield STORY + f"s-{id}".encode(), encode_story(_story(f"s-{id}", sequence, moment, words, names, numbers))
    for number in range(articles):
        observed = size.observed_ms(size.articles - articles + number)
        story = f"s-{ids[number * stories // articles]}"
        yield ARTICLE + numbers.bytes(16).hex().encode(), observed.to_bytes(8, signed=True) + story.encode()
    yield WATERMARK, b"%d" % size.observed_ms(size.articles - 1)
    yield NEXT, b"%d" % (size.articles + 1)


class _Zipf:
    """Draws different numbers, each as often as a word of its rank stands in running text."""

    def __init__(self, size: int, numbers: np.random.Generator) -> None:
        weights = 1.0 / (np.arange(size) + 3.0)
        self._sums = np.cumsum(weights / weights.sum())
        self._numbers = numbers

    def draw(self, count: int) -> list[int]:
        """Up to `count` different numbers."""
        return list(dict.fromkeys(np.searchsorted(self._sums, self._numbers.random(count)).tolist()))


def _story(id: str, opened: int, moment: int, words: _Zipf, names: _Zipf, numbers: np.random.Generator) -> OpenStory:
    drawn = [f"{number:06d}"[::-1] for number in words.draw(150)][:96]
    found = {f"@name{number}": (f"Name {number}", "PER") for number in names.draw(12)}
    member = numbers.bytes(16).hex()
    return OpenStory(
        id=id,
        opened=opened,
        size=1,
        first=moment,
        last=moment,
        words={word: 2 if place < 8 else 1 for place, word in enumerate(drawn)},
        entities=dict.fromkeys(found, 1),
        names=found,
        feeds={f"https://feed-{opened % 200}.example/rss": 1},
        topics={"medtop:11000000": 1, "medtop:16000000": 1},
        languages={"en": 1},
        members=(member,),
        headlines=((member, "Northwind Energy reopens its plant near Leeds after a storm", tuple(drawn[:8])),),
        vector=np.rint(numbers.normal(0, 6.5, DIMENSIONS)).astype(np.int64),
        vectors=1,
    )


async def write_state(settings: Settings, connection: Connection, stage: str, rows: Iterable[Row], count: int) -> None:
    """Put a stage's rows into its changelog, with a position in its input, which is empty, and the group's offset."""
    producer = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap_servers,
        transactional_id=f"{settings.namespace}.{stage}.bench",
        acks="all",
        max_batch_size=900_000,
        transaction_timeout_ms=120_000,
    )
    await start_fenced(producer)
    partition = TopicPartition(settings.topic(STAGES[stage]), 0)
    await producer.partitions_for(settings.topic(f"{stage}.changelog"))
    position = InputPosition(0, count, "bench")
    remaining = iter(rows)
    while some := dict(islice(remaining, ROWS_AT_ONCE)):
        await commit(
            producer,
            group=settings.topic(stage),
            input_offset=(partition, 0),
            outputs={},
            changelog=(settings.topic(f"{stage}.changelog"), 0),
            writes={**some, POSITION_KEY: position.encode()},
            hook=lambda _: None,
        )
    await producer.stop()


@dataclass(frozen=True)
class Restarted:
    """What a restart took: `seconds` until both articles had ended, of which the wire's process worked `cpu` seconds.

    `peak` and `rest` are its resident memory in bytes.
    """

    seconds: float
    cpu: float
    peak: float
    rest: float


async def restart(settings: Settings, connection: Connection, size: Size, round: int) -> Restarted:
    """Start the service and send it a new article and a copy of one that the state knows; they must end as such."""
    known = known_article(size)
    texts = {"new": text_of(size.words, random.Random(1_000 + round)), "copy": known.text}
    lines = [
        json.dumps(
            {
                "feed_url": "https://other.example/rss",
                "entry_id": f"{kind}-{round}",
                "title": f"A headline {kind} {round}",
                "content": text,
                "content_type": "text/plain",
                "observed_at": END.isoformat(),
            }
        ).encode()
        for kind, text in texts.items()
    ]
    producer = AIOKafkaProducer(bootstrap_servers=connection.bootstrap_servers)
    await producer.start()
    began = time.monotonic()
    async with running_service(settings, connection) as service:
        for line in lines:
            await producer.send(settings.topic("raw"), line)
        await producer.flush()
        outcomes = await _outcomes(settings, connection, 2 * (round + 1))
        seconds = time.monotonic() - began
        assert [outcome["outcome"] for outcome in outcomes[-2:]] in (["duplicate", "emitted"], ["emitted", "duplicate"])
        (copy,) = [outcome for outcome in outcomes[-2:] if outcome["outcome"] == "duplicate"]
        assert copy["duplicate"]["of"] == known.id
        assert all(state.restarts == 0 for state in service.processes)
        (pid,) = [state.pid for state in service.processes if state.name == "wire"]
        assert pid is not None
        done = Restarted(seconds, cpu_seconds([psutil.Process(pid)]), *_memory(pid))
    await producer.stop()
    return done


async def _outcomes(settings: Settings, connection: Connection, count: int) -> list[Any]:
    partition = TopicPartition(settings.topic("outcomes"), 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=connection.bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([partition])
    found: list[Any] = []
    while len(found) < count:
        for records in (await consumer.getmany(partition, timeout_ms=100)).values():
            found += [json.loads(record.value) for record in records]
    await consumer.stop()
    return found


def _memory(pid: int) -> tuple[float, float]:
    """The peak and the present resident memory of a process, in bytes."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    peak, rest = (int(fields[name].split()[0]) * 1024.0 for name in ("VmHWM", "VmRSS"))
    return peak, rest


async def measure(size: Size) -> list[Figure]:
    """Fill the changelogs, then restart on an empty and on a full folder."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            namespace="bench",
            state_dir=Path(folder),
            run={"port": 0, "processes": PROCESSES},
            analyze={"constant_ms": 0.0},
        )
        figures: list[Figure] = []
        async with connect(settings) as connection:
            began = time.monotonic()
            await write_state(settings, connection, "prepare", prepare_rows(size), size.articles)
            await write_state(settings, connection, "deduplicate", deduplicate_rows(size), size.articles)
            await write_state(settings, connection, "cluster", cluster_rows(size), size.articles)
            print(f"state written in {time.monotonic() - began:.0f} s", flush=True)
            for round, which in enumerate(("from Kafka", "on a warm folder")):
                if round == 0:
                    shutil.rmtree(settings.state_dir / "workers", ignore_errors=True)
                done = await restart(settings, connection, size, round)
                name = f"restart {which}, {size.articles:,} articles"
                figures += [
                    Figure(f"{name}: ready after", done.seconds, "s", goal=f"<= {SECONDS_MAX}"),
                    Figure(f"{name}: CPU until then", done.cpu, "s"),
                    Figure(
                        f"{name}: peak memory", done.peak / MIB, "MiB", "1.5 GB", done.peak / BYTES_MAX, "<= 1.5 GB"
                    ),
                    Figure(f"{name}: memory then", done.rest / MIB, "MiB"),
                ]
        EmbeddedBroker(settings.state_dir).stop()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=300)
    parser.add_argument("--stories", type=float, default=0.25)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report(asyncio.run(measure(Size(options.articles, options.words, options.stories))), options.out)


if __name__ == "__main__":
    main()
