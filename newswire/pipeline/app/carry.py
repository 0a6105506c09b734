"""Carrying out in a stage's batch what a step decided."""

from newswire.pipeline.settings import Settings
from newswire.pipeline.stage import Batch, InputRecord
from newswire.pipeline.step import Result, Source, count_result


def source_of(record: InputRecord) -> Source:
    """The record as steps see it."""
    return Source(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        received_ms=record.timestamp_ms,
        attempts=record.attempts,
    )


def carry_out(batch: Batch, settings: Settings, *results: Result) -> None:
    """Emit and count what the steps decided, in the batch's own transaction."""
    for result in results:
        for sent in result.emissions:
            batch.emit(settings.topic(sent.topic), key=sent.key, value=sent.value)
        count_result(batch.state, result)
