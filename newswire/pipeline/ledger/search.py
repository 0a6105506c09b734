"""Which articles are missing: the records that `raw` still holds, against their outcomes and what is in flight.

A slow path, taken only where the counters do not balance: it reads all of `raw`, what waits between the stages, and the
outcomes of that time.
"""

from array import array
from dataclasses import dataclass
from typing import Any

from newswire.pipeline.feeds.identity import raw_article_id
from newswire.pipeline.ledger.balance import HOPS, STAGES, Books, Named, StageBook
from newswire.pipeline.ledger.log import LogReader
from newswire.pipeline.stories.resequence import HELD
from newswire.schemas import PreparedArticle, RawArticle, RawRetry, decode_raw
from newswire.schemas.common import ContractError, parse_object

INPUTS = dict(zip(STAGES, HOPS, strict=False))
"""Each stage's input topic, without its namespace."""

MARGIN_MS = 86_400_000
"""Outcomes are read from so long before the oldest record of raw: the two timestamps are of different clocks."""


@dataclass(frozen=True, slots=True)
class Search:
    """Records without an outcome that are not in flight, those with more than one, and the positions looked at.

    `searched` is None when raw holds no record that prepare took.
    """

    missing: tuple[Named, ...] = ()
    repeated: tuple[Named, ...] = ()
    searched: tuple[int, int] | None = None


async def search(reader: LogReader, namespace: str, books: Books) -> Search:
    """Look for what is missing among the records that prepare had taken at the moment of the books.

    What was in flight then is read before the outcomes, so that what ends meanwhile is found in one of them.
    """
    flying = await _in_flight(reader, namespace, books)
    prepare = books.stages.get("prepare", StageBook())
    offsets, since_ms = await _taken(reader, namespace, prepare.offsets.get(0, 0))
    if not offsets:
        return Search()
    first = (prepare.records or 0) - len(offsets)
    seen = await _outcomes(reader, namespace, first, len(offsets), since_ms)
    missing = [n for n, times in enumerate(seen) if not times and first + n not in flying]
    repeated = [n for n, times in enumerate(seen) if times > 1]
    named = await _named(reader, namespace, first, {n: offsets[n] for n in (*missing, *repeated)})
    return Search(
        tuple(named[n] for n in missing if n in named),
        tuple(named[n] for n in repeated if n in named),
        (first, first + len(offsets) - 1),
    )


async def _in_flight(reader: LogReader, namespace: str, books: Books) -> set[int]:
    """The positions of articles that are behind prepare and without outcome, or were at the moment of the books."""
    flying: set[int] = set()
    for partition in reader.partitions(f"{namespace}.cluster.changelog"):
        held = await reader.table(partition, lambda key: key.startswith(HELD))
        # a held row is a line about the record, then the record
        flying.update(_position(row.partition(b"\n")[2]) for row in held.values())
    for stage, topic in INPUTS.items():
        if topic == "raw":
            continue
        for partition in reader.partitions(f"{namespace}.{topic}"):
            offset = books.stages.get(stage, StageBook()).offsets.get(partition.partition)
            async for record in reader.records(partition, offset):
                flying.add(_position(record.value))
    return flying


def _position(value: bytes | None) -> int:
    """The position that a record of ours carries; -1 for another."""
    try:
        position = parse_object(value).get("position")
    except ContractError:
        return -1
    return position if isinstance(position, int) else -1


async def _taken(reader: LogReader, namespace: str, end: int) -> tuple["array[int]", int]:
    """The offsets of the records of raw before `end`, and when the oldest was written (Unix milliseconds)."""
    offsets, since_ms = array("q"), 0
    for partition in reader.partitions(f"{namespace}.raw"):
        async for record in reader.records(partition):
            if record.offset >= end:
                break
            if not offsets:
                since_ms = record.timestamp
            offsets.append(record.offset)
    return offsets, since_ms


async def _outcomes(reader: LogReader, namespace: str, first: int, count: int, since_ms: int) -> bytearray:
    """How many outcomes each of `count` positions from `first` on has (255: that many or more)."""
    seen = bytearray(count)
    for partition in reader.partitions(f"{namespace}.outcomes"):
        start = await reader.at_time(partition, max(0, since_ms - MARGIN_MS))
        async for record in reader.records(partition, start):
            number = _position(record.value) - first
            if 0 <= number < count:
                seen[number] = min(255, seen[number] + 1)
    return seen


async def _named(reader: LogReader, namespace: str, first: int, wanted: dict[int, int]) -> dict[int, Named]:
    named: dict[int, Named] = {}
    if not wanted:
        return named
    numbers = {offset: number for number, offset in wanted.items()}
    last = max(numbers)
    for partition in reader.partitions(f"{namespace}.raw"):
        async for record in reader.records(partition, min(numbers)):
            if record.offset in numbers:
                number = numbers[record.offset]
                named[number] = _name(record, first + number)
            if record.offset >= last:
                break
    return named


def _name(record: Any, position: int) -> Named:
    try:
        raw = decode_raw(record.value)
    except ContractError:
        return Named(position, None, record.offset, "")
    if isinstance(raw, RawRetry):
        raw_or_prepared = raw.article or raw.prepared
    else:
        raw_or_prepared = raw if isinstance(raw, RawArticle) else None
    if isinstance(raw_or_prepared, PreparedArticle):
        return Named(position, raw_or_prepared.id, record.offset, raw_or_prepared.feed.url)
    if isinstance(raw_or_prepared, RawArticle):
        return Named(position, raw_article_id(raw_or_prepared), record.offset, raw_or_prepared.feed_url)
    return Named(position, getattr(raw, "id", None), record.offset, getattr(raw, "feed_url", ""))
