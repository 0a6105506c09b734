"""Submitted work: in order, bounded, and refused once the partition is gone."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Generator

import pytest

from newswire.pipeline.stage import PartitionClosed, Stuck
from newswire.pipeline.stage.partition import Clock, Partition
from newswire.pipeline.stage.progress import Watchdog
from newswire.pipeline.stage.store import DictStore


async def test_work_wakes_the_stage_and_comes_in_order() -> None:
    woken: list[int] = []
    partition = Partition(3, DictStore(), lambda: woken.append(1))
    for item in ("a", "b", "c"):
        await partition.submit(item)
    assert len(woken) == 3
    assert partition.pending == 3
    assert partition.take_work(2) == ("a", "b")
    assert partition.take_work(2) == ("c",)


async def test_work_in_turns_lets_others_work_and_tells_of_progress() -> None:
    moved: list[int] = []
    turns: list[int] = []

    def work() -> Generator[None, None, str]:
        for _ in range(5):
            asyncio.get_running_loop().call_soon(turns.append, len(moved))
            yield
        return "done"

    partition = Partition(0, DictStore(), lambda: None, lambda: moved.append(1))
    assert await partition.in_turns(work()) == "done"
    assert (len(moved), turns) == (5, [0, 1, 2, 3, 4])


async def test_a_full_queue_waits() -> None:
    partition = Partition(0, DictStore(), lambda: None)
    for item in range(1000):
        await partition.submit(item)
    waiting = asyncio.create_task(partition.submit(1000))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    assert partition.take_work(1) == (0,)
    await asyncio.wait_for(waiting, 5)
    assert partition.take_work(2000)[-1] == 1000


async def test_a_closed_partition_refuses_who_comes_and_who_waits() -> None:
    partition = Partition(0, DictStore(), lambda: None)
    for item in range(1000):
        await partition.submit(item)
    waiting = asyncio.create_task(partition.submit(1000))
    await asyncio.sleep(0.01)
    partition.close()
    with pytest.raises(PartitionClosed):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(PartitionClosed):
        await partition.submit(1001)


def test_a_clock_keeps_its_first_beginning() -> None:
    clock = Clock()
    assert clock.seconds() == 0.0
    clock.begin()
    since = clock.since
    clock.begin()
    assert clock.since == since
    clock.restart()
    assert clock.since is not None
    assert since is not None
    assert clock.since >= since
    clock.end()
    assert clock.seconds() == 0.0


async def test_the_watchdog_sees_what_the_event_loop_cannot() -> None:
    told, late = threading.Event(), threading.Event()
    watchdog = Watchdog(lambda: Stuck("too long") if late.is_set() else None, lambda error: told.set())
    watchdog.start()
    assert not told.wait(0.7)
    late.set()
    assert told.wait(10)
    watchdog.stop()


def test_fatal_ends_the_process_with_70_and_says_why() -> None:
    code = "from newswire.pipeline.stage import fatal\nfatal(ValueError('broken thing'), 'ns.s')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 70
    assert "broken thing" in ended.stdout + ended.stderr
    assert "ns.s" in ended.stdout + ended.stderr


def test_a_cancelled_rebalance_ends_the_process() -> None:
    code = """
import asyncio
from newswire.pipeline.stage.membership import _Listener
async def cancelled(partitions):
    raise asyncio.CancelledError
asyncio.run(_Listener(cancelled, cancelled, lambda: False).on_partitions_revoked([]))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 70, ended.stderr
    assert "rebalance" in ended.stdout + ended.stderr
