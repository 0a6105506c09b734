"""Bringing a partition's state up to the end of its changelog."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final

import structlog

from newswire.pipeline.stage.clients import TopicPartition
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.stage.store import StateStore

_CHUNK: Final = 20_000
_POLL_MS: Final = 20  # short: a transaction mark moves the position and yields no record to return for
_log = structlog.get_logger("newswire.stage")


class _OtherLifeError(Exception):
    """The cache belongs to a changelog that was deleted and made again under the same name."""


async def restore(
    consumer: Any,
    changelog: TopicPartition,
    store: StateStore,
    *,
    max_age_s: float,
    now: float,
    step: Callable[[], None],
) -> int:
    """Apply the changelog from the store's position to its end; return the number of rows read.

    The store is wiped first where it cannot be trusted: ahead of the changelog's end, behind its start, or last fresh
    more than `max_age_s` before `now` (Unix time), since a deletion it has not seen may be gone from the changelog.
    `step` is called after each piece, as a sign of progress. The consumer is left assigned to `changelog`.
    """
    consumer.assign([changelog])
    end = (await consumer.end_offsets([changelog]))[changelog]
    start = (await consumer.beginning_offsets([changelog]))[changelog]
    reason = _distrust(store, start, end, now - max_age_s)
    if reason:
        _wipe(store, changelog, reason)
    try:
        return await _read(consumer, changelog, store, start, end, now, step)
    except _OtherLifeError:
        _wipe(store, changelog, "of another life of the changelog")
        return await _read(consumer, changelog, store, start, end, now, step)


def _distrust(store: StateStore, start: int, end: int, fresh_since: float) -> str | None:
    if store.position == 0:
        return None
    if store.position > end:
        return "ahead of the changelog's end"
    if store.position < start:
        return "behind the changelog's start"
    if store.fresh_at < fresh_since:
        return "older than the changelog keeps deletions"
    return None


def _wipe(store: StateStore, changelog: TopicPartition, reason: str) -> None:
    _log.warning("state cache wiped", changelog=changelog.topic, partition=changelog.partition, reason=reason)
    store.wipe()


async def _read(
    consumer: Any,
    changelog: TopicPartition,
    store: StateStore,
    start: int,
    end: int,
    now: float,
    step: Callable[[], None],
) -> int:
    position, rows = max(store.position, start), 0
    known = _life(store.get(POSITION_KEY))
    consumer.seek(changelog, position)
    with store.bulk() if end - position > _CHUNK else nullcontext():
        while position < end:
            polled = await consumer.getmany(changelog, timeout_ms=_POLL_MS, max_records=_CHUNK)
            records = polled.get(changelog, [])
            position = await consumer.position(changelog)
            rows += len(records)
            if records:
                writes = {record.key: record.value for record in records}
                life = _life(writes.get(POSITION_KEY))
                if known is not None and life is not None and life != known:
                    raise _OtherLifeError
                known = known or life
                # not fresh before the end is reached: a deletion not read yet may be gone when the next start reads on
                store.apply(writes, position, store.fresh_at)
            step()
    store.apply({}, position, now)
    return rows


def _life(row: bytes | None) -> str | None:
    return None if row is None else InputPosition.decode(row).life
