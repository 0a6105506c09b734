"""The quarantine's edge: reading the topic `dead`, and sending letters round again in a Kafka transaction."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.quarantine.letters import closing_mark, open_letters, value_of
from newswire.pipeline.quarantine.retry import RetryError, check_letter, key_of, retry_of
from newswire.schemas import DeadLetter, RawRetry
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
class Retried:
    """What a retry did: letters that went round again, and the others with the reason."""

    sent: tuple[str, ...]
    refused: Mapping[str, str]


async def read_quarantine(bootstrap_servers: str, options: Mapping[str, Any], namespace: str) -> Quarantine:
    """The open letters of a namespace. Raises BrokerError."""
    async with open_reader(bootstrap_servers, options) as reader:
        quarantine, _ = await _read(reader, namespace)
        return quarantine


async def read_letter(
    bootstrap_servers: str, options: Mapping[str, Any], namespace: str, letter: str
) -> DeadLetter | None:
    """One open letter with its record, or None. Raises BrokerError."""
    async with open_reader(bootstrap_servers, options) as reader:
        _, offsets = await _read(reader, namespace)
        return await _whole(reader, namespace, offsets[letter]) if letter in offsets else None


async def retry_letters(
    bootstrap_servers: str, options: Mapping[str, Any], namespace: str, letters: Sequence[str] | None
) -> Retried:
    """Send these open letters (None: all) round again: to `raw`, with their marks in the same transaction.

    A letter that cannot be retried stays as it is. Raises BrokerError, or KafkaError where a transaction fails: then
    the letters of that transaction are still open.
    """
    sent: list[str] = []
    refused: dict[str, str] = {}
    async with (
        _transactions(bootstrap_servers, options, namespace) as producer,
        open_reader(bootstrap_servers, options) as reader,
    ):
        # read after the producer has fenced any other retry, which could still close letters otherwise
        quarantine, offsets = await _read(reader, namespace)
        known = {letter.letter: letter for letter in quarantine.letters}
        chosen = list(known) if letters is None else list(dict.fromkeys(letters))
        for at in range(0, len(chosen), BATCH):
            batch: list[tuple[DeadLetter, RawRetry]] = []
            for name in chosen[at : at + BATCH]:
                try:
                    if name not in known:
                        raise RetryError("there is no such open letter")
                    check_letter(known[name])
                    batch.append((known[name], await _retry(reader, namespace, offsets[name])))
                except RetryError as error:
                    refused[name] = str(error)
            await _send(producer, namespace, batch)
            sent += [letter.letter for letter, _ in batch]
    return Retried(tuple(sent), refused)


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


async def _send(producer: AIOKafkaProducer, namespace: str, batch: Sequence[tuple[DeadLetter, RawRetry]]) -> None:
    if not batch:
        return
    async with producer.transaction():
        for letter, retry in batch:
            await producer.send_and_wait(f"{namespace}.raw", key=key_of(retry).encode(), value=retry.encode())
            mark = closing_mark(letter)
            await producer.send_and_wait(f"{namespace}.dead", key=mark.letter.encode(), value=mark.encode())
