"""A stage: the group's member, which gets partitions assigned, and the tasks that work on them."""

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from newswire.pipeline.closing import close
from newswire.pipeline.stage.app import StageApp
from newswire.pipeline.stage.batch import Batch
from newswire.pipeline.stage.clients import TopicPartition, new_member
from newswire.pipeline.stage.config import StageConfig
from newswire.pipeline.stage.errors import PlaceTaken, StageMisuse, Stuck, fatal
from newswire.pipeline.stage.partition import Clock
from newswire.pipeline.stage.place import check_place, wait_for_place
from newswire.pipeline.stage.progress import StageProgress, Watchdog
from newswire.pipeline.stage.task import ClosePartition, OpenPartition, PartitionTask, Surroundings
from newswire.pipeline.stage.turns import Turns

Agent = Callable[[AsyncIterable[Batch]], Awaitable[None]]


class Stage:
    """Feeds one Faust agent with the batches of the partitions this process owns, and commits what it makes of them.

    `open_partition` is called when a partition's state is restored and returns the `context` of its batches;
    `close_partition` gets that context when the partition is given up; an open_partition that is cancelled by that
    cleans up after itself. The context may be updated in memory as the agent goes: a failed transaction ends the
    process. `hook` is called with the name of each named point (for tests). Every error ends the process, status 70.
    `counts` gives what else of its work is to be shown with the stage's progress, by name.
    """

    def __init__(
        self,
        app: StageApp,
        config: StageConfig,
        *,
        open_partition: OpenPartition | None = None,
        close_partition: ClosePartition | None = None,
        hook: Callable[[str], None] = lambda point: None,
        counts: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.config = config
        self.counts = counts
        self.channel: Any = app.channel(maxsize=1)
        self._app = app
        self._open_partition = open_partition
        self._close_partition = close_partition
        self._hook = hook
        self._log = structlog.get_logger("newswire.stage").bind(stage=config.group)
        self._registered = False
        self._tasks: dict[TopicPartition, PartitionTask] = {}
        self._clocks: dict[TopicPartition, Clock] = {}
        self._given_up = (0, 0)  # records and transactions of partitions this process no longer owns
        self._closing = False
        self._stopping = asyncio.Lock()
        self._member: Any = None
        self._polling: asyncio.Task[None] | None = None
        self._beat: float | None = None
        self._watchdog = Watchdog(self._overdue, self._fatal)

    def agent(self, fn: Agent) -> Any:
        """Register `async def fn(batches)` as the Faust agent of this stage; it calls done() on each batch.

        It is an ordinary Faust agent with a concurrency of one. Raises StageMisuse on a second one.
        """
        if self._registered:
            raise StageMisuse(f"{self.config.group} has its agent already")
        self._registered = True
        return self._app.agent(self.channel, name=self.config.group)(fn)

    async def start(self) -> None:
        """Join the group; returns when it has given this member its share, which may be nothing.

        The app has to be started before. A place in the group that another process holds ends this one; one whose
        holder died is waited for. Raises StageMisuse without an agent, and what the Kafka client raises.
        """
        if not self._registered:
            raise StageMisuse(f"{self.config.group} has no agent")
        self._app.flow_control.resume()  # without a Kafka consumer nobody else does, and the channel would block
        while not self.channel.subscriber_count:  # noqa: ASYNC110  # Faust has no event for it
            await asyncio.sleep(0.01)  # a batch sent before the agent listens would be lost
        self._around = Surroundings(
            config=self.config,
            turns=Turns(),
            send=self._send,
            committed_offset=self._committed_offset,
            waiting=self._waiting,
            open_partition=self._open_partition,
            close_partition=self._close_partition,
            hook=self._hook,
            fatal=self._fatal,
        )
        try:
            await wait_for_place(self.config)
        except PlaceTaken as error:
            self._fatal(error)
        self._watchdog.start()
        self._member = new_member(self.config)
        self._member.subscribe(
            [self.config.input_topic], listener=_Listener(self._revoked, self._assigned, lambda: self._closing)
        )
        try:
            await self._member.start()
        except KafkaError as error:
            await self._check_place(error)
            raise
        self._polling = asyncio.create_task(self._poll())

    async def stop(self) -> None:
        """Finish what runs, close everything and leave the group. Also after a start() that did not come to its end."""
        self._closing = True
        await self._stop_tasks()
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])
        if self._member is not None:
            error = await close(self._member)
            if error is not None:  # the group finds out by the session timeout
                self._log.warning("group not left", error=repr(error))
        self._watchdog.stop()

    def progress(self) -> StageProgress:
        """How this process is getting on with the stage."""
        tasks = list(self._tasks.values())
        commits = [task.last_commit for task in tasks if task.last_commit is not None]
        lags = {task.partition.partition: task.lag for task in tasks}
        return StageProgress(
            records=self._given_up[0] + sum(task.records for task in tasks),
            transactions=self._given_up[1] + sum(task.transactions for task in tasks),
            lag={number: lag for number, lag in sorted(lags.items()) if lag is not None},
            ready=tuple(sorted(task.partition.partition for task in tasks if task.ready)),
            waiting_seconds=max((task.waiting.seconds() for task in tasks), default=0.0),
            commit_seconds=time.monotonic() - max(commits) if commits else None,
            restoring=any(not task.ready for task in tasks),
        )

    async def _poll(self) -> None:
        # membership only: everything assigned is paused, so this returns nothing but the member's errors
        try:
            while True:
                self._beat = time.monotonic()
                await self._member.getmany(timeout_ms=1000)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            await self._check_place(error)
            self._fatal(error)

    async def _check_place(self, error: BaseException) -> None:
        """The client has no words for a lost place: tell whether that is behind its error."""
        try:
            await check_place(self.config)
        except PlaceTaken as taken:
            taken.__cause__ = error
            self._fatal(taken)

    async def _assigned(self, partitions: list[TopicPartition]) -> None:
        if self._closing:
            return
        self._log.info("assigned", partitions=sorted(partition.partition for partition in partitions))
        self._member.pause(*partitions)
        self._clocks = {partition: self._clocks.get(partition) or Clock() for partition in partitions}
        for partition in partitions:
            self._tasks[partition] = PartitionTask(self._around, partition, self._clocks[partition])

    async def _revoked(self, partitions: list[TopicPartition]) -> None:
        if self._tasks:
            self._log.info("revoked", partitions=sorted(partition.partition for partition in partitions))
        await self._stop_tasks()
        if partitions and not self._closing and not self._member._coordinator.member_id:
            await check_place(self.config)  # the group put this member out, and it is about to ask for its place again

    async def _stop_tasks(self) -> None:
        async with self._stopping:  # SIGTERM may come while a rebalance stops them
            tasks = list(self._tasks.values())
            await asyncio.gather(*(task.stop() for task in tasks))
            self._tasks = {}
            self._given_up = (
                self._given_up[0] + sum(task.records for task in tasks),
                self._given_up[1] + sum(task.transactions for task in tasks),
            )

    async def _send(self, batch: Batch) -> None:
        await self.channel.send(value=batch)

    async def _committed_offset(self, partition: TopicPartition) -> int | None:
        offset: int | None = await self._member.committed(partition)
        return offset

    def _waiting(self) -> int:
        return sum(task.held for task in self._tasks.values())

    def _overdue(self) -> Stuck | None:
        beat = self._beat
        if beat is not None and not self._closing and time.monotonic() - beat > self.config.stall_seconds:
            return Stuck(f"the event loop or the group stood still for more than {self.config.stall_seconds:.0f} s")
        for task in list(self._tasks.values()):
            reason = task.overdue()
            if reason is not None:
                return reason
        return None

    def _fatal(self, error: BaseException) -> None:
        fatal(error, self.config.group)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Passes rebalances on; an error in it ends the process, since aiokafka would only log it.

    So does a cancellation, unless the stage is `closing`: aiokafka's coordination would end by it and say nothing.
    """

    def __init__(
        self,
        revoked: Callable[[list[TopicPartition]], Awaitable[None]],
        assigned: Callable[[list[TopicPartition]], Awaitable[None]],
        closing: Callable[[], bool],
    ) -> None:
        self._revoked = revoked
        self._assigned = assigned
        self._closing = closing

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """The group takes these partitions away; it waits for this to return."""
        await self._or_die(self._revoked, revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The group gives these partitions to this member."""
        await self._or_die(self._assigned, assigned)

    async def _or_die(
        self, act: Callable[[list[TopicPartition]], Awaitable[None]], partitions: Iterable[TopicPartition]
    ) -> None:
        try:
            await act(list(partitions))
        except asyncio.CancelledError as error:
            if not self._closing():
                fatal(error, "rebalance")
            raise
        except Exception as error:
            fatal(error, "rebalance")
