"""Where a subscriber is in the log: what it has done, what its group remembers, and what expired before it came."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata

from newswire.pipeline.broker.client import admin_client
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.subscribe.gaps import Gap, Mark
from newswire.schemas import EnrichedArticle

Start = Literal["earliest", "latest"] | datetime

AHEAD_MS = 7 * 86_400_000
"""How long before its `observed_at` an article may have been written: feeds' clocks, and future_seconds of prepare."""

POSITION_SECONDS = 5.0
"""How long the client may look for its position in a partition that it was just given."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Expired:
    """A range of offsets that is gone, and the last article before it (None: not known)."""

    first: int
    last: int
    after: Mark | None


class Place(ConsumerRebalanceListener):  # type: ignore[misc]
    """A subscriber's place in each partition that it reads. A group's is committed now and then.

    `life` changes with every loss of partitions: what was fetched before may not be handed out after it. Both the
    group's listener and the reader, whom the client tells that a place is not in the log, move the consumer: one at a
    time, and once, since a second seek would hand out again what was read after the first.
    """

    def __init__(
        self, consumer: Any, servers: str, topic: str, group: str | None, start: Start, options: Mapping[str, Any]
    ) -> None:
        self.life = 0
        self._consumer = consumer
        self._servers = servers
        self._topic = topic
        self._group = group
        self._start = start
        self._options = options
        self._assigned = group is None
        self._done: dict[TopicPartition, int] = {}
        self._marks: dict[TopicPartition, Mark] = {}
        self._expired: dict[TopicPartition, _Expired] = {}
        self._fresh: set[TopicPartition] = set()
        self._moving = asyncio.Lock()
        self._placed: set[TopicPartition] = set()
        self._left: dict[TopicPartition, int] = {}
        self._committed_at = time.monotonic()

    def gap(self, partition: TopicPartition, offset: int, article: EnrichedArticle) -> Gap | None:
        """The gap before this article, which stands at `offset`, if there is one; it is told once.

        Everything before the article counts as done then.
        """
        expired = self._expired.pop(partition, None)
        if expired is None:
            return None
        before = Mark.of(article)
        gap = Gap(self._topic, expired.first, expired.last, expired.after, before)
        self._done[partition] = offset
        self._marks[partition] = Mark(before.sequence - 1, before.observed_at)
        # what expired may have been marks of transactions alone
        return None if gap.lost == 0 else gap

    def done(self, partition: TopicPartition, offset: int, article: EnrichedArticle | None) -> None:
        """Everything before the offset is done; `article` is the last of it, None for a record that is none."""
        self._done[partition] = offset
        self._fresh.discard(partition)
        self._left.pop(partition, None)
        if article is not None:
            self._marks[partition] = Mark.of(article)

    async def commit(self, every: float = 0.0) -> None:
        """Commit what is done, unless the last commit is less than `every` seconds ago. Without a group, nothing."""
        if self._group is None or not self._done or time.monotonic() < self._committed_at + every:
            return
        done, self._done = self._done, {}
        self._committed_at = time.monotonic()
        places = {
            partition: OffsetAndMetadata(offset, self._marks[partition].encode() if partition in self._marks else "")
            for partition, offset in done.items()
        }
        try:
            await self._consumer.commit(places)
        except (CommitFailedError, IllegalStateError) as error:
            # Another member owns the partition: it sees these records again, which the contract allows.
            _log.warning("the group's place was not kept", group=self._group, error=str(error))

    async def begin(self, partition: TopicPartition) -> None:
        """Put the consumer where the start says, unless it has its place. The partition is assigned."""
        async with self._moving:
            if partition not in self._placed:
                await self._begin(partition)

    async def _begin(self, partition: TopicPartition) -> None:
        start = self._start
        if start == "earliest":
            offset = await self._beginning(partition)
        elif start == "latest":
            offset = await self._end(partition)
        else:
            assert isinstance(start, datetime)
            moment = max(0, int(start.timestamp() * 1000) - AHEAD_MS)
            found = (await self._consumer.offsets_for_times({partition: moment}))[partition]
            offset = await self._end(partition) if found is None else found.offset
        self._consumer.seek(partition, offset)
        self._placed.add(partition)
        self._fresh.add(partition)
        # kept at once: a group that saw nothing yet must not begin anew, behind what comes while it is away
        self._done[partition] = offset

    async def is_behind(self) -> bool:
        """Whether committed records wait that the consumer was not given yet.

        So do they until its group has told it for the first time which partitions it has. Raises KafkaError when the
        broker does not say where the log ends.
        """
        if not self._assigned:
            return True
        try:
            for partition in self._consumer.assignment():
                position = await asyncio.wait_for(self._consumer.position(partition), POSITION_SECONDS)
                if position < await self._end(partition):
                    return True
        except (IllegalStateError, TimeoutError):
            return True  # the group moves its partitions about
        return False

    async def recover(self, error: OffsetOutOfRangeError) -> None:
        """Go on after retention deleted the records that were to be read next."""
        async with self._moving:
            for partition, offset in error.args[0].items():
                if partition not in self._consumer.assignment() or self._left.get(partition) == offset:
                    continue
                if partition in self._fresh:
                    await self._begin(partition)  # nothing was read yet, so nothing was missed
                else:
                    await self._move_in(partition, offset)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """The group gives partitions to others: keep the place while it still can be."""
        await self.commit()
        self.life += 1
        for partition in revoked:
            self._marks.pop(partition, None)
            self._expired.pop(partition, None)
            self._fresh.discard(partition)
            self._placed.discard(partition)
            self._left.pop(partition, None)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Take up the group's place, or begin where there is none."""
        async with self._moving:
            for partition in assigned - self._placed:
                committed = await self._consumer.committed(partition)
                if committed is None:
                    await self._begin(partition)
                elif committed < await self._beginning(partition):
                    await self._move_in(partition, committed)
                self._placed.add(partition)
        self._assigned = True

    async def _move_in(self, partition: TopicPartition, offset: int) -> None:
        """From an offset that the log does not have to its beginning."""
        begins = await self._beginning(partition)
        if offset < begins:
            mark = self._marks.get(partition) or await self._mark(partition)
            self._expired[partition] = _Expired(offset, begins - 1, mark)
        else:
            _log.warning("the place lies behind the log's end: the wire was made anew", topic=self._topic, place=offset)
        self._consumer.seek(partition, begins)
        self._placed.add(partition)
        self._left[partition] = offset

    async def _mark(self, partition: TopicPartition) -> Mark | None:
        """The last article that the group had: the consumer tells a place without its metadata."""
        if self._group is None:
            return None
        try:
            async with admin_client(self._servers, self._options) as admin:
                places = await admin.list_consumer_group_offsets(self._group, partitions=[partition])
        except (BrokerError, KafkaError) as error:
            _log.warning("the group's last article is not known", group=self._group, error=str(error))
            return None
        return Mark.decode(places[partition].metadata) if partition in places else None

    async def _beginning(self, partition: TopicPartition) -> int:
        return int((await self._consumer.beginning_offsets([partition]))[partition])

    async def _end(self, partition: TopicPartition) -> int:
        return int((await self._consumer.end_offsets([partition]))[partition])
