"""What every stage's step takes and gives, so that the service, `enrich` and replay run the same functions.

A step takes one record and its state and returns a frozen result: what to emit and what to count. An agent
carries the result out inside its transaction; `enrich` carries it out in memory.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from newswire.pipeline.ledger.counters import count, count_feed_hour, count_hour
from newswire.pipeline.state import State
from newswire.schemas import DeadLetter, Outcome
from newswire.schemas.common import Record
from newswire.version import __version__

LETTER_VALUE_MAX = 1_000_000
"""Bytes of a record that a dead letter keeps; a longer one is cut."""

SOFTWARE = f"newswire {__version__}"


@dataclass(frozen=True, slots=True)
class Source:
    """A record as a step sees it. `received_ms` is when its log took it (Unix milliseconds): no step reads a clock.

    `attempts` counts the ends of the process while it worked on this record.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    received_ms: int
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Emission:
    """A record to send: `topic` without its namespace."""

    topic: str
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What a step decided: records to emit, and what to count for the feed in the ledger.

    `hours` are the same counts by hours of event time; empty in stages that count no hours.
    """

    emissions: tuple[Emission, ...]
    feed: str = ""
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    hours: tuple[tuple[int, Mapping[str, int]], ...] = ()


def emission(topic: str, key: str, record: Record) -> Emission:
    """A record of a contract, encoded for its topic."""
    return Emission(topic, key.encode(), record.encode())


def outcome_emission(outcome: Outcome) -> Emission:
    """An outcome, keyed by article id (by position for a record that could not be read)."""
    return emission("outcomes", outcome.id or f"position-{outcome.position}", outcome)


def dead_letter(
    source: Source,
    stage: str,
    error: str,
    *,
    id: str | None = None,
    feed_url: str = "",
    position: int | None = None,
    supersedes: Literal["dead", "emitted", "updated"] | None = None,
    observed_at: datetime | None = None,
) -> Emission:
    """The dead letter of a record that a stage could not do; it keeps the record, cut to LETTER_VALUE_MAX bytes.

    `observed_at` is the event time that its outcome is counted under.
    """
    kept = source.value[:LETTER_VALUE_MAX] if source.value is not None else None
    text, encoding = _as_text(kept)
    letter = DeadLetter(
        letter=f"{stage}-{source.partition}-{source.offset}",
        stage=stage,
        topic=source.topic,
        partition=source.partition,
        offset=source.offset,
        error=error[:2000],
        software=SOFTWARE,
        attempts=max(1, source.attempts),
        id=id,
        feed_url=feed_url,
        position=position,
        supersedes=supersedes,
        observed_at=observed_at,
        key=source.key.decode(errors="replace")[:1000] if source.key is not None else None,
        value=text,
        encoding=encoding,
        cut=source.value is not None and len(source.value) > LETTER_VALUE_MAX,
    )
    return emission("dead", letter.letter, letter)


def stray(source: Source, stage: str, error: str) -> Result:
    """A record that is none of ours on a topic that only newswire writes: kept as a dead letter, no outcome."""
    return Result((dead_letter(source, stage, error),), counts={"stray": 1})


def count_result(state: State, result: Result) -> None:
    """Add a result's counts to the ledger rows of its stage."""
    count(state, result.feed, result.counts)
    for hour, counts in result.hours:
        count_hour(state, hour, counts)
        count_feed_hour(state, result.feed, hour, counts)


def _as_text(value: bytes | None) -> tuple[str | None, Literal["text", "base64"]]:
    if value is None:
        return None, "text"
    try:
        return value.decode(), "text"
    except UnicodeDecodeError:
        return b64encode(value).decode(), "base64"
