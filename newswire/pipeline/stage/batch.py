"""What the agent gets: records in order, finished work, a view of the state, and a place to put what comes out."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiokafka.partitioner import DefaultPartitioner

from newswire.pipeline.stage.attempts import Attempts
from newswire.pipeline.stage.errors import StageMisuse
from newswire.pipeline.stage.overlay import Overlay, check_size
from newswire.pipeline.stage.records import InputRecord, OutputRecord, State

if TYPE_CHECKING:
    from newswire.pipeline.stage.partition import Partition

_choose_partition = DefaultPartitioner()

LEAST_SECONDS: Final = 0.02
"""Work that is worth a transaction of its own, which takes some 5 ms of CPU here and in the broker."""
LEAST_SHARE: Final = 0.125
"""A batch may end early with this part of what waits: so a transaction delays nothing by more than a part of what the
queue before it does anyway."""


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What one stage's batches have in common.

    `partitions` is the number of partitions of each output topic. `work_seconds` ends a batch, and so do LEAST_SECONDS
    once the batch has LEAST_SHARE of `waiting()`, the records that this process has read and not committed.
    """

    partitions: Mapping[str, int]
    max_record_bytes: int
    work_seconds: float | None
    waiting: Callable[[], int]


class Batch:
    """One step of a stage; all of it is committed in one transaction, or nothing.

    `partition`, `context` (what open_partition returned), `state` (this batch's writes over the committed rows) and
    `work` (what was submitted to the partition) are for the agent to use. Iterating yields InputRecords until they end
    or, with work_seconds, enough time is spent; only yielded records are committed, the rest comes again. Work on a
    record belongs inside the loop: a process that ends there is counted against that record.
    """

    def __init__(
        self,
        partition: "Partition",
        context: object,
        overlay: Overlay,
        records: Sequence[Any],
        work: tuple[object, ...],
        attempts: Attempts,
        rules: BatchRules,
    ) -> None:
        self.partition = partition
        self.context = context
        self.work = work
        self.overlay = overlay
        self.yielded = 0
        self.outputs: dict[tuple[str, int], list[OutputRecord]] = {}
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._records = records
        self._attempts = attempts
        self._rules = rules
        self._began: float | None = None

    @property
    def state(self) -> State:
        """The rows as this batch sees them."""
        return self.overlay

    def __iter__(self) -> Iterator[InputRecord]:
        """The batch's records in order, each once; a second loop goes on where the first one stopped."""
        if self._began is None:
            self._began = time.monotonic()
        while self.yielded < len(self._records) and not (self.yielded and self._is_due()):
            record = self._records[self.yielded]
            self.yielded += 1
            self._attempts.mark(record.offset)
            yield InputRecord(
                record.topic,
                record.partition,
                record.offset,
                record.key,
                record.value,
                record.timestamp,
                record.headers,
                self._attempts.count(record.offset),
            )

    def emit(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        """Put a record on `topic` with this batch's transaction.

        Without `partition`, Kafka's default partitioner chooses by `key`; a record without a key needs a partition,
        since a random one would not be the same in a replay. Raises RecordTooLarge, and StageMisuse for a topic that is
        none of the stage's outputs.
        """
        count = self._rules.partitions.get(topic)
        if count is None:
            raise StageMisuse(f"{topic} is none of this stage's outputs {sorted(self._rules.partitions)}")
        fixed = tuple(headers)
        check_size(topic, key, value, fixed, self._rules.max_record_bytes)
        if partition is None:
            if key is None and count > 1:
                raise StageMisuse(f"a record for {topic} needs a key or a partition")
            partition = 0 if count == 1 else _choose_partition(key, range(count), ())
        elif not 0 <= partition < count:
            raise StageMisuse(f"{topic} has no partition {partition}, it has {count}")
        if key is None and value is None:
            raise StageMisuse(f"a record for {topic} needs a key or a value")
        self.outputs.setdefault((topic, partition), []).append(OutputRecord(key, value, fixed))

    def done(self) -> None:
        """The agent is through with this batch: commit it. A second call does nothing."""
        if not self.finished.done():
            self._attempts.clear()
            self.finished.set_result(None)

    def _is_due(self) -> bool:
        most = self._rules.work_seconds
        if most is None or self._began is None:
            return False
        worked = time.monotonic() - self._began
        return worked >= most or (worked >= LEAST_SECONDS and self.yielded >= LEAST_SHARE * self._rules.waiting())
