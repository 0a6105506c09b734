"""Transactions that were left open: readers of committed records would wait before them for ever."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from newswire.pipeline.closing import close
from newswire.pipeline.verify.report import Fault

PAUSE = 0.2


async def open_transactions(
    bootstrap_servers: str,
    options: Mapping[str, Any],
    partitions: Sequence[TopicPartition],
    seconds: float,
) -> tuple[Fault, ...]:
    """The partitions whose committed end does not reach, within `seconds`, what they held at the call.

    A transaction that is under way ends within its timeout, by a commit or by the broker.
    """
    every = await _ends(bootstrap_servers, options, partitions, "read_uncommitted")
    deadline = time.monotonic() + seconds
    while True:
        committed = await _ends(bootstrap_servers, options, partitions, "read_committed")
        behind = [one for one in partitions if committed[one] < every[one]]
        if not behind or time.monotonic() > deadline:
            break
        await asyncio.sleep(PAUSE)
    return tuple(
        Fault(
            "open transaction",
            one.topic.partition(".")[2],
            f"partition {one.partition}, offset {committed[one]}",
            detail=f"{every[one] - committed[one]} records and marks behind it cannot be read",
        )
        for one in behind
    )


async def _ends(
    bootstrap_servers: str, options: Mapping[str, Any], partitions: Sequence[TopicPartition], isolation_level: str
) -> dict[TopicPartition, int]:
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, enable_auto_commit=False, isolation_level=isolation_level, **options
    )
    await consumer.start()
    await asyncio.sleep(0)  # aiokafka 0.14: stop() raises CancelledError when its background task never had a turn
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return ends
    finally:
        await close(consumer)
