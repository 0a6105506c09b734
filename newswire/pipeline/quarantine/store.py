"""The quarantine's edge: reading the topic `dead`, and closing letters in Kafka transactions."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.quarantine.letters import closing_mark, open_letters, value_of
from newswire.pipeline.quarantine.retry import RetryError, check_letter, discard_of, key_of, retry_of
from newswire.pipeline.quarantine.wanted import Wanted
from newswire.schemas import DeadLetter, RawDiscard, RawRetry
from newswire.schemas.common import ContractError

RECORD_MAX = 8_000_000
"""Bytes of a record of `raw`: what the stages send at most."""

BATCH = 50
"""Letters of one transaction, so that it stays within the transaction timeout."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The open letters (without their records), and how many records of `dead` are no letters."""

    letters: tuple[DeadLetter, ...]
    unreadable: int


@dataclass(frozen=True, slots=True)
class Closed:
    """What a retry or a discard did: letters that are closed by it, and the others with the reason."""

    letters: tuple[str, ...]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Closing:
    """One letter's way out: the record for `raw`, if there is one, and the marks that go with it."""

    record: RawRetry | RawDiscard | None
    marks: tuple[DeadLetter, ...]


async def read_quarantine(bootstrap_servers: str, options: Mapping[str, Any], namespace: str) -> Quarantine:
    """The open letters of a namespace. Raises BrokerError."""
    async with open_reader(bootstrap_servers, options) as reader:
        quarantine, _ = await _read(reader, namespace)
        return quarantine


async def read_letters(
    bootstrap_servers: str, options: Mapping[str, Any], namespace: str, wanted: Wanted
) -> list[DeadLetter]:
    """The open letters that are wanted, with their records. Raises BrokerError."""
    async with open_reader(bootstrap_servers, options) as reader:
        quarantine, offsets = await _read(reader, namespace)
        chosen = wanted.choose(quarantine.letters)
        whole = [await _whole(reader, namespace, offsets[letter.letter]) for letter in chosen]
        return [letter for letter in whole if letter is not None]


async def retry_letters(bootstrap_servers: str, options: Mapping[str, Any], namespace: str, wanted: Wanted) -> Closed:
    """Send the open letters that are wanted round again: to `raw`, with their marks in the same transaction.

    A letter that cannot be retried stays as it is. Where a record has two letters (its analysis failed, and the search
    for its story too), it goes round once and both are closed. Raises BrokerError, or KafkaError where a transaction
    fails: then the letters of that transaction are still open.
    """

    async def closing(reader: LogReader, offset: int, letter: DeadLetter, open_now: Iterable[DeadLetter]) -> _Closing:
        check_letter(letter)
        together = [other for other in open_now if other.position == letter.position]
        marks = tuple(closing_mark(one, "retried") for one in together)
        return _Closing(await _retry(reader, namespace, offset), marks)

    return await _close(bootstrap_servers, options, namespace, wanted, closing)


async def discard_letters(
    bootstrap_servers: str,
    options: Mapping[str, Any],
    namespace: str,
    wanted: Wanted,
    reason: str | None = None,
) -> Closed:
    """Close the open letters that are wanted for good; a dead article's outcome becomes `rejected`, with the reason.

    Raises as `retry_letters`.
    """

    async def closing(reader: LogReader, offset: int, letter: DeadLetter, open_now: Iterable[DeadLetter]) -> _Closing:
        return _Closing(discard_of(letter, reason), (closing_mark(letter, "discarded"),))

    return await _close(bootstrap_servers, options, namespace, wanted, closing)


async def _close(
    bootstrap_servers: str,
    options: Mapping[str, Any],
    namespace: str,
    wanted: Wanted,
    closing: Callable[[LogReader, int, DeadLetter, Iterable[DeadLetter]], Awaitable[_Closing]],
) -> Closed:
    closed: list[str] = []
    refused: dict[str, str] = {}
    async with (
        _transactions(bootstrap_servers, options, namespace) as producer,
        open_reader(bootstrap_servers, options) as reader,
    ):
        # read after the producer has fenced any other command, which could still close letters otherwise
        quarantine, offsets = await _read(reader, namespace)
        refused = dict.fromkeys(wanted.unknown(quarantine.letters), "there is no such open letter")
        open_now = {letter.letter: letter for letter in quarantine.letters}
        chosen = wanted.choose(quarantine.letters)
        for at in range(0, len(chosen), BATCH):
            batch: list[_Closing] = []
            for letter in chosen[at : at + BATCH]:
                if letter.letter not in open_now:
                    continue  # closed with another one
                try:
                    one = await closing(reader, offsets[letter.letter], letter, open_now.values())
                except RetryError as error:
                    refused[letter.letter] = str(error)
                    continue
                batch.append(one)
                for mark in one.marks:
                    del open_now[mark.letter]
            await _send(producer, namespace, batch)
            closed += [mark.letter for one in batch for mark in one.marks]
    return Closed(tuple(closed), refused)


async def _read(reader: LogReader, namespace: str) -> tuple[Quarantine, dict[str, int]]:
    """The open letters without their records, which may be large, and where each stands."""
    records: list[DeadLetter] = []
    offsets: dict[str, int] = {}
    unreadable = 0
    for partition in reader.partitions(f"{namespace}.dead"):
        async for record in reader.records(partition):
            try:
                letter = DeadLetter.decode(record.value)
            except ContractError:
                unreadable += 1
                continue
            records.append(letter.model_copy(update={"value": None}))
            if letter.state == "open":
                offsets[letter.letter] = record.offset
    letters = tuple(open_letters(records))
    return Quarantine(letters, unreadable), {letter.letter: offsets[letter.letter] for letter in letters}


async def _whole(reader: LogReader, namespace: str, offset: int) -> DeadLetter | None:
    record = await reader.record_at(TopicPartition(f"{namespace}.dead", 0), offset)
    return DeadLetter.decode(record.value) if record is not None else None


async def _retry(reader: LogReader, namespace: str, offset: int) -> RawRetry:
    letter = await _whole(reader, namespace, offset)
    if letter is None:
        raise RetryError("the letter is no longer kept")
    value = value_of(letter)
    if letter.cut:
        record = await reader.record_at(TopicPartition(letter.topic, letter.partition), letter.offset)
        if record is None:
            raise RetryError(f"its record was too large for the letter and is no longer on {letter.topic}")
        value = record.value
    retry = retry_of(letter, value)
    if len(retry.encode()) > RECORD_MAX:
        raise RetryError(f"with what says that it is a retry it would be over {RECORD_MAX} bytes")
    return retry


@asynccontextmanager
async def _transactions(
    bootstrap_servers: str, options: Mapping[str, Any], namespace: str
) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        transactional_id=f"{namespace}.dead-retry",
        acks="all",
        max_request_size=RECORD_MAX + (1 << 20),
        **options,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, namespace: str, batch: Sequence[_Closing]) -> None:
    if not batch:
        return
    async with producer.transaction():
        for one in batch:
            if one.record is not None:
                key = key_of(one.record).encode()
                await producer.send_and_wait(f"{namespace}.raw", key=key, value=one.record.encode())
            for mark in one.marks:
                await producer.send_and_wait(f"{namespace}.dead", key=mark.letter.encode(), value=mark.encode())
