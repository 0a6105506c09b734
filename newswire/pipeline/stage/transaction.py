"""The commit of one batch: outputs, state and input position, together or not at all.

The order, step 4 of the design: begin; the input offset first and alone (Produce and TxnOffsetCommit in flight together
make the broker answer NOT_ENOUGH_REPLICAS now and then, a retry of 20 ms and more); then outputs and changelog rows;
every future awaited, since a send that failed unseen would be a record lost; only then the commit.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from newswire.pipeline.stage.clients import TopicPartition
from newswire.pipeline.stage.records import OutputRecord


async def commit(
    producer: Any,
    *,
    group: str,
    input_offset: tuple[TopicPartition, int] | None,
    outputs: Mapping[tuple[str, int], Iterable[OutputRecord]],
    changelog: tuple[str, int],
    writes: Mapping[bytes, bytes | None],
    hook: Callable[[str], None],
) -> int | None:
    """Commit one batch and return the changelog offset after its last row, None if the broker did not tell it.

    `input_offset` is None for a batch without input. Any exception means that nothing is committed, or that nobody
    knows: the caller ends the process.
    """
    hook("before_begin")
    await producer.begin_transaction()
    if input_offset is not None:
        partition, offset = input_offset
        await producer.send_offsets_to_transaction({partition: offset}, group)
    sent: list[asyncio.Future[Any]] = []
    for (topic, number), records in outputs.items():
        sent += [future for future, _ in await _send(producer, topic, number, records)]
    rows = [OutputRecord(key, value) for key, value in writes.items()]
    logged = await _send(producer, *changelog, rows) if rows else []
    await asyncio.gather(*sent, *(future for future, _ in logged))
    hook("before_end")
    await producer.commit_transaction()
    if not logged:
        return None
    last, count = logged[-1]
    base: int = last.result().offset
    return base + count if base >= 0 else None  # -1: a repeated request, whose offset the broker no longer knows


async def _send(
    producer: Any, topic: str, partition: int, records: Iterable[OutputRecord]
) -> list[tuple[asyncio.Future[Any], int]]:
    sent = []
    builder = producer.create_batch()
    for record in records:
        if not _append(builder, record):
            sent.append((await producer.send_batch(builder, topic, partition=partition), builder.record_count()))
            builder = producer.create_batch()
            _append(builder, record)  # a builder takes its first record whatever its size
    sent.append((await producer.send_batch(builder, topic, partition=partition), builder.record_count()))
    return sent


def _append(builder: Any, record: OutputRecord) -> bool:
    taken = builder.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    return taken is not None
