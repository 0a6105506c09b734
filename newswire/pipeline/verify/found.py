"""What stands on a wire's topics, read on from where the last reading stopped."""

import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from newswire.pipeline.ledger.log import LogReader
from newswire.pipeline.verify.oracle import digest_of, letter_key
from newswire.schemas import AnalyzedArticle, EnrichedArticle, Outcome, PreparedArticle, UniqueArticle
from newswire.schemas.common import ContractError, Record

CONTRACTS: dict[str, type[Record]] = {
    "prepared": PreparedArticle,
    "unique": UniqueArticle,
    "analyzed": AnalyzedArticle,
    "enriched": EnrichedArticle,
    "outcomes": Outcome,
}
"""The topics that have one record an article."""

APART = 2_000
"""How far a record may stand from its place on the topics that several tasks write at a time."""

_UNORDERED = ("analyzed", "outcomes")
_ENDS = re.compile(r"was being worked on in (\d+) ends of the process")
_CLUSTER_ENDS = re.compile(r"RuntimeError: (\d+) processes ended while they worked on it")
_OWN_TOPICS = ("prepared", "unique", "analyzed")


@dataclass(frozen=True, slots=True)
class Found:
    """A record of a topic: `place` is its raw position (outcomes, prepared) or its sequence number from 0.

    `released`: it is the outcome of an article that went through cluster. `maker`: the model and the taxonomy of an
    enriched record, None where the analysis failed.
    """

    place: int
    digest: bytes
    id: str | None
    released: bool = False
    maker: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Stray:
    """A record that breaks its topic's contract, at its place in the log."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: of an article, by what it says (`key`), or of a stray, by the stray's place."""

    key: str
    stray: Stray | None


class Topics:
    """Reads the topics of one namespace; each reading goes on where the last one of that topic stopped."""

    def __init__(self, reader: LogReader, namespace: str) -> None:
        self._reader = reader
        self._namespace = namespace
        self._next: dict[tuple[str, int], int] = {}
        self._lowest: dict[tuple[str, int], int] = {}
        self.attempts: dict[tuple[str, int], int] = {}
        """Ends of the process that outcomes tell of, by (topic, raw position) of the record that was worked on."""

    async def records(self, topic: str) -> AsyncIterator[Found | Stray]:
        """The new records of a topic of CONTRACTS."""
        decode = CONTRACTS[topic].decode
        async for record in self.raw(topic):
            try:
                found = decode(record.value)
            except ContractError:
                yield Stray(f"{self._namespace}.{topic}", record.partition, record.offset)
                continue
            if isinstance(found, Outcome):
                self._note_ends(found)
            place, key = _place(found), (topic, record.partition)
            self._lowest[key] = min(place, self._lowest.get(key, place))
            released = isinstance(found, Outcome) and found.stage == "cluster"
            yield Found(place, digest_of(record.value), getattr(found, "id", None), released, _maker(found))

    async def is_whole(self, topic: str) -> bool:
        """Whether retention has taken nothing of a topic."""
        starts = await self._reader.starts(self._reader.partitions(f"{self._namespace}.{topic}"))
        return not any(starts.values())

    async def lost_before(self, topic: str) -> int:
        """The first place from which on retention has taken none of the records of a topic that were read; 0 if none.

        Partitions lose theirs one by one, and some topics are not in order, so some that stand before it are there.
        """
        apart = APART if topic in _UNORDERED else 0
        starts = await self._reader.starts(self._reader.partitions(f"{self._namespace}.{topic}"))
        lost = [partition.partition for partition, start in starts.items() if start]
        return max((self._lowest.get((topic, number), sys.maxsize) + apart for number in lost), default=0)

    async def letters(self) -> AsyncIterator[Letter]:
        """The new dead letters; the marks of closed ones, and what others wrote there, are left out."""
        async for record in self.raw("dead"):
            letter = _object(record.value)
            if letter is None or letter.get("state") != "open" or "letter" not in letter:
                continue
            if letter.get("position") is not None:
                yield Letter(letter_key(letter), None)
            elif letter["topic"].removeprefix(f"{self._namespace}.") in _OWN_TOPICS:
                yield Letter("", Stray(letter["topic"], letter["partition"], letter["offset"]))

    async def stories(self) -> AsyncIterator[tuple[str, bytes]]:
        """The new records of `stories`, by id; tombstones are left out."""
        async for record in self.raw("stories"):
            if record.key is not None and record.value is not None:
                yield record.key.decode(errors="replace"), digest_of(record.value)

    async def raw(self, topic: str, limit: int | None = None) -> AsyncIterator[Any]:
        """The new records of a topic as they are, partition by partition, at most `limit` of them."""
        left = limit
        for partition in self._reader.partitions(f"{self._namespace}.{topic}"):
            key = (topic, partition.partition)
            async for record in self._reader.records(partition, self._next.get(key)):
                self._next[key] = record.offset + 1
                yield record
                if left is not None and (left := left - 1) == 0:
                    return

    async def peek(self, topic: str) -> AsyncIterator[Any]:
        """All records of a topic as they are, whatever was read before; the next reading goes on as it would have."""
        for partition in self._reader.partitions(f"{self._namespace}.{topic}"):
            async for record in self._reader.records(partition):
                yield record

    def _note_ends(self, outcome: Outcome) -> None:
        reason = outcome.reason or ""
        own = {"prepare": "raw", "deduplicate": "prepared", "cluster": "unique"}[outcome.stage]
        for pattern, topic in ((_ENDS, own), (_CLUSTER_ENDS, "analyzed")):
            if found := pattern.search(reason):
                self.attempts[topic, outcome.position] = int(found[1])


def _place(record: Record) -> int:
    match record:
        case Outcome():
            return record.position
        case UniqueArticle() | EnrichedArticle():
            return record.sequence - 1
        case PreparedArticle():
            return record.position
    raise TypeError(f"{record.NAME} has no place in the wire")


def _maker(record: Record) -> tuple[str, str] | None:
    if not isinstance(record, EnrichedArticle) or record.degraded is not None:
        return None
    return record.provenance.model, record.provenance.taxonomy


def _object(value: bytes | None) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None
