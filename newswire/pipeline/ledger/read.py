"""Reading a namespace's books from Kafka: what its stages say on the ledger's topic, and the backlog of raw."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from newswire.pipeline.broker.topics import LEDGER_READ_MS
from newswire.pipeline.ledger.balance import STAGES, Books, Ledger, StageBook, balance
from newswire.pipeline.ledger.counters import COUNTED, RECENT, feed_key, hour_of, read_counters
from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.ledger.search import INPUTS, search
from newswire.pipeline.stage.ledger import row_key
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.stories.resequence import HELD, NEXT, WAITING
from newswire.pipeline.text.dates import to_ms
from newswire.schemas import RawDiscard, RawRetry
from newswire.schemas.common import ContractError, parse_object
from newswire.schemas.versions import is_family

WRITERS = ("collect", "replay")

SETTLE_SECONDS = 2.0
"""How long to wait for open transactions in all: a dead writer's stays until it is fenced, or times out."""

READINGS_MAX = 3
"""How often the ledger's topic is read when it takes too long."""

LOOKED_UP_MAX = 2_000
"""Articles between two stages that are looked up on their topic."""

_AGAIN = (RawRetry.NAME, RawDiscard.NAME)

Rows = Mapping[bytes, bytes]


async def read_ledger(bootstrap_servers: str, options: Mapping[str, Any], namespace: str) -> Ledger:
    """The ledger of a namespace as it stands; the service may run meanwhile.

    Where it does not balance, all that `raw` still holds is searched for what is missing. Raises BrokerError.
    """
    async with open_reader(bootstrap_servers, options) as reader:
        books = await read_books(reader, namespace)
        ledger = balance(books)
        if ledger.balanced:
            return ledger
        found = await search(reader, namespace, books)
        return replace(ledger, missing=found.missing, repeated=found.repeated, searched=found.searched)


async def read_books(reader: LogReader, namespace: str) -> Books:
    """Everything that the ledger is made of.

    The stages stand on one topic, whose beginning up to any moment is a consistent cut (see stage/ledger.py). `raw` is
    read after it, so that what moves meanwhile can only be under way. A stage that is not on the topic has not begun,
    or did not run since there is one: its changelog is read, the last stage's first.
    """
    written, stages = await _read_stages(reader, namespace)
    deadline = time.monotonic() + SETTLE_SECONDS
    backlog, settled = await _read_backlog(reader, namespace, stages["prepare"], deadline)
    faults = [*await _deleted(reader, namespace, stages), *await _vanished(reader, namespace, stages, deadline)]
    # behind another writer's open transaction stands what cannot be seen yet: nothing can be said of the writers
    return Books(stages, backlog, written if settled else {}, tuple(faults))


async def _read_stages(reader: LogReader, namespace: str) -> tuple[dict[str, Mapping[str, int]], dict[str, StageBook]]:
    shelves = _shelves(await _read_topic(reader, namespace))
    written: dict[str, Mapping[str, int]] = {}
    for writer in WRITERS:
        book = await _read_stage(reader, namespace, writer, shelves)
        wrote = {feed: row["out"] for feed, row in book.counts.items() if row.get("out")}
        if wrote:
            written[writer] = wrote
    return written, {stage: await _read_stage(reader, namespace, stage, shelves) for stage in reversed(STAGES)}


async def _read_topic(reader: LogReader, namespace: str) -> Rows:
    """The ledger's topic as it stood at one moment."""
    rows: Rows = {}
    for partition in reader.partitions(f"{namespace}.ledger"):
        for _ in range(READINGS_MAX):
            began = time.monotonic()
            rows = await reader.table(partition, lambda key: True)
            if time.monotonic() - began < LEDGER_READ_MS / 1000:
                break  # else what came meanwhile may have replaced what was to be read
    return rows


def _shelves(rows: Rows) -> dict[tuple[str, int], dict[bytes, bytes]]:
    """The rows of the ledger's topic by stage and partition, as they stand in that partition's state."""
    shelves: dict[tuple[str, int], dict[bytes, bytes]] = {}
    lives: dict[tuple[str, int], bytes] = {}
    for key, value in rows.items():
        stage, number, kind, *_ = key.split(b"/", 3)
        if kind == b"position":
            at = (stage.decode(), int(number))
            shelves[at] = {POSITION_KEY: value}
            lives[at] = row_key(*at, InputPosition.decode(value).life)
    for key, value in rows.items():
        stage, number, kind, *_ = key.split(b"/", 3)
        if kind != b"life":
            continue
        at = (stage.decode(), int(number))
        # a writer that is no stage has no position and no life
        head = lives.get(at) or row_key(*at, "")
        if key.startswith(head):
            shelves.setdefault(at, {})[key[len(head) :]] = value
    return shelves


async def _read_stage(
    reader: LogReader, namespace: str, stage: str, shelves: Mapping[tuple[str, int], Rows]
) -> StageBook:
    partitions: dict[int, Rows] = {}
    whole = True
    for partition in reader.partitions(f"{namespace}.{stage}.changelog"):
        rows = shelves.get((stage, partition.partition))
        if rows is None:
            rows = await reader.table(partition, _is_counted)
        elif WAITING not in rows:
            whole = False  # nothing was held back since it is counted how many rows are
        partitions[partition.partition] = rows
    book = _book(partitions)
    if stage != "cluster":
        return replace(book, waiting=None, released=None)
    return book if whole else replace(book, waiting=None)


def _is_counted(key: bytes) -> bool:
    return key.startswith((*COUNTED, *RECENT, HELD)) or key in (POSITION_KEY, NEXT)


def _book(partitions: Mapping[int, Rows]) -> StageBook:
    sums: dict[str, Counter[str]] = {}
    hours: dict[int | None, Mapping[str, int]] = {}
    feed_hours: dict[str, Mapping[int, Mapping[str, int]]] = {}
    newest: int | None = None
    records: int | None = None
    offsets: dict[int, int] = {}
    waiting, released = 0, 0
    for number, rows in partitions.items():
        counters = read_counters(rows.items())
        for feed, row in counters.feeds.items():
            sums.setdefault(feed, Counter()).update(row)
        # the stages that count hours have one partition
        hours, newest = {**hours, **counters.hours}, counters.newest if newest is None else newest
        feed_hours = {**feed_hours, **counters.feed_hours}
        if POSITION_KEY in rows:
            position = InputPosition.decode(rows[POSITION_KEY])
            records = (records or 0) + position.records
            offsets[number] = position.offset
        waiting += int(rows[WAITING]) if WAITING in rows else sum(key.startswith(HELD) for key in rows)
        released += int(rows[NEXT]) - 1 if NEXT in rows else 0
    return StageBook(sums, records, waiting, released, offsets, hours, newest, feed_hours)


async def _read_backlog(
    reader: LogReader, namespace: str, prepare: StageBook, deadline: float
) -> tuple[dict[tuple[str, int], int], bool]:
    """The articles of `raw` that prepare has not taken, by feed and hour, and whether all that stands there is seen.

    What has no hour of its own is counted where prepare stands.
    """
    backlog: Counter[tuple[str, int]] = Counter()
    settled = True
    for partition in reader.partitions(f"{namespace}.raw"):
        settled = await reader.settle(partition, deadline)
        async for record in reader.records(partition, prepare.offsets.get(0)):
            waits = _waits(record.value, prepare.newest or 0)
            if waits is not None:
                backlog[waits] += 1
    return dict(backlog), settled


async def _deleted(reader: LogReader, namespace: str, stages: Mapping[str, StageBook]) -> list[str]:
    """What was deleted from a topic before its stage took it."""
    inputs = {
        partition: stages[stage].offsets.get(partition.partition, 0)
        for stage, topic in INPUTS.items()
        for partition in reader.partitions(f"{namespace}.{topic}")
    }
    names = dict(zip(INPUTS.values(), INPUTS, strict=True))
    faults = []
    for partition, oldest in (await reader.starts(list(inputs))).items():
        if oldest > inputs[partition]:
            topic = partition.topic.removeprefix(f"{namespace}.")
            where = f"{topic} partition {partition.partition}" if partition.partition else topic
            faults.append(
                f"{where} was deleted up to offset {oldest}, but {names[topic]} stands at {inputs[partition]}:"
                " articles are lost"
            )
    return faults


async def _vanished(reader: LogReader, namespace: str, stages: Mapping[str, StageBook], deadline: float) -> list[str]:
    """What a stage passed on and the next one has not taken, and that does not stand on the topic between them.

    As long as they are few: all of a backlog is not read for it.
    """
    faults = []
    for before, stage in pairwise(STAGES):
        passed, taken = (_sum(stages[name], count) for name, count in ((before, "out"), (stage, "in")))
        if not 0 < passed - taken <= LOOKED_UP_MAX:
            continue
        found, settled = 0, True
        for partition in reader.partitions(f"{namespace}.{INPUTS[stage]}"):
            settled = settled and await reader.settle(partition, deadline)
            async for _ in reader.records(partition, stages[stage].offsets.get(partition.partition)):
                found += 1
        if settled and found < passed - taken:
            faults.append(
                f"{passed - taken} articles that {before} passed on are not taken by {stage},"
                f" but {INPUTS[stage]} holds {found} of them"
            )
    return faults


def _sum(book: StageBook, name: str) -> int:
    return sum(row.get(name, 0) for row in book.counts.values())


def _waits(value: bytes | None, reached: int) -> tuple[str, int] | None:
    """The feed and the hour that prepare will count a record for; None for one sent round again: no new article."""
    try:
        fields = parse_object(value)
    except ContractError:
        return "", reached
    if any(is_family(fields.get("schema"), name) for name in _AGAIN):
        return None
    feed, observed = fields.get("feed_url"), fields.get("observed_at")
    name = feed_key(feed).decode(errors="replace") if isinstance(feed, str) else ""
    try:
        hour = hour_of(to_ms(datetime.fromisoformat(observed))) if isinstance(observed, str) else reached
    except (ValueError, TypeError):
        hour = reached
    return name, hour
