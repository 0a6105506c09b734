"""What ends a process, what it leaves behind, and what refuses to start."""

import asyncio
import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import CommitFailedError

from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.stage.rocks import RocksStore
from tests.stage.harness import Bench, read_all, wait_until

pytestmark = [pytest.mark.broker, pytest.mark.slow]

FATAL = 70


def bench_on(kafka: Any, namespace: str, folder: Path, **spec: Any) -> Bench:
    """A bench whose one worker is static, so that its next life begins at once."""
    return Bench(kafka.bootstrap_servers, namespace, folder, seed=1, **{"state_dir": folder, "static": True, **spec})


async def test_a_record_that_kills_is_seen_with_its_attempts(kafka: Any, namespace: str, tmp_path: Path) -> None:
    async with bench_on(kafka, namespace, tmp_path, kill_at=40) as bench:
        bench.start("a")
        await bench.reaches(80)
        assert bench.exits == [("a", -signal.SIGKILL)] * 3
        findings = await bench.finish()
        attempts = await read_all(kafka.bootstrap_servers, bench.topic("attempts"))
    assert findings.faults == 0
    noted = [json.loads(value or b"") for records in attempts.values() for _, value in records]
    assert [ends for number, ends in noted if number == 40] == [3]
    assert "processes ended on these records" in bench.log


async def test_a_static_member_that_is_killed_costs_no_session(kafka: Any, namespace: str, tmp_path: Path) -> None:
    async with bench_on(kafka, namespace, tmp_path, session_timeout_ms=30_000) as bench:
        bench.start("a")
        await bench.caught_up()
        await bench.end("a", signal.SIGKILL)
        began = time.monotonic()
        bench.start("a")
        await bench.caught_up()
        assert time.monotonic() - began < 30
        assert (await bench.finish()).faults == 0


async def test_an_idle_zombie_ends_when_its_place_is_taken(kafka: Any, namespace: str, tmp_path: Path) -> None:
    async with bench_on(kafka, namespace, tmp_path) as bench:
        zombie = bench.start("a")
        await bench.caught_up()
        await bench.stop_feeding()
        await bench.caught_up()
        zombie.send(signal.SIGSTOP)
        del bench.workers["a"]
        bench.start("elsewhere", instance="a")
        await bench.serves("elsewhere", 0, 4)
        zombie.send(signal.SIGCONT)
        assert await zombie.ended(15) == FATAL
        assert "PlaceTaken" in bench.log
        assert (await bench.finish()).faults == 0
        assert bench.exits == []


async def test_work_alone_is_exactly_once_too(kafka: Any, namespace: str, tmp_path: Path) -> None:
    signals = [signal.SIGKILL] * 4 + [signal.SIGTERM] * 2
    async with bench_on(kafka, namespace, tmp_path, ticks=True) as bench:
        for signum in signals:
            since = bench.readies("a")
            bench.start("a")
            await bench.serves("a", since, 4)
            await bench.pause(0.2, 1.0)
            await bench.end("a", signum)
        out, changelog = [await read_all(kafka.bootstrap_servers, bench.topic(name)) for name in ("out", "changelog")]
    for number, records in out.items():
        rows = dict(changelog[number])
        assert int(rows[b"tick"] or b"") == len(records) > 0
        assert [int(value or b"") for _, value in records] == list(range(len(records)))
        assert InputPosition.decode(rows[POSITION_KEY] or b"").records == 0


async def move_group(bench: Bench, partition: TopicPartition, by: int) -> None:
    """Change the group's committed offset from outside, as an operator could."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bench.bootstrap_servers,
        group_id=f"{partition.topic.split('.')[0]}.s",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        consumer.assign([partition])
        committed = await consumer.committed(partition)
        async with asyncio.timeout(60):
            while True:
                try:
                    await consumer.commit({partition: committed + by})
                    break
                except CommitFailedError:  # a member that died is in the group until its session ends
                    await asyncio.sleep(0.2)
    finally:
        await consumer.stop()


async def test_an_offset_changed_from_outside_refuses_to_start(kafka: Any, namespace: str, tmp_path: Path) -> None:
    async with bench_on(kafka, namespace, tmp_path, static=False) as bench:
        bench.start("a")
        await bench.reaches(80)
        assert await bench.end("a") == 0
        partition = TopicPartition(bench.topic("raw"), 1)
        await move_group(bench, partition, -5)
        bench.restarting = False
        assert await bench.start("a").ended() == FATAL
        assert "StateMismatch" in bench.log
        assert "--to-offset" in bench.log
        await move_group(bench, partition, 5)
        bench.start("a")
        assert (await bench.finish()).faults == 0


async def test_a_changelog_that_was_emptied_refuses_to_start(kafka: Any, namespace: str, tmp_path: Path) -> None:
    changelog = {"cleanup.policy": "compact,delete"}
    async with bench_on(kafka, namespace, tmp_path, static=False, changelog=changelog) as bench:
        bench.start("a")
        await bench.reaches(80)
        assert await bench.end("a") == 0
        admin = AIOKafkaAdminClient(bootstrap_servers=bench.bootstrap_servers)
        await admin.start()
        await admin.delete_records({TopicPartition(bench.topic("changelog"), 2): RecordsToDelete(before_offset=-1)})
        await admin.close()
        bench.restarting = False
        assert await bench.start("a").ended() == FATAL
        assert "StateMismatch" in bench.log
        assert "was emptied" in bench.log


async def test_more_partitions_in_place_refuse_to_start(kafka: Any, namespace: str, tmp_path: Path) -> None:
    async with bench_on(kafka, namespace, tmp_path, static=False) as bench:
        bench.start("a")
        await bench.reaches(80)
        assert await bench.end("a") == 0
        admin = AIOKafkaAdminClient(bootstrap_servers=bench.bootstrap_servers)
        await admin.start()
        await admin.create_partitions({bench.topic("raw"): NewPartitions(total_count=5)})
        await admin.close()
        bench.restarting = False
        assert await bench.start("a").ended() == FATAL
        assert "TopicMismatch" in bench.log


async def test_a_cache_that_cannot_be_trusted_is_wiped(kafka: Any, namespace: str, tmp_path: Path) -> None:
    def spoil(number: int, *, ahead: int = 0, fresh_at: float | None = None, life: str | None = None) -> None:
        store = RocksStore(bench.state_dir("a") / f"{namespace}.s.{number}")
        writes: dict[bytes, bytes | None] = {b"junk": b"1"}
        if life:
            row = InputPosition.decode(store.get(POSITION_KEY) or b"")
            writes[POSITION_KEY] = InputPosition(row.offset, row.records, life).encode()
        position = 1 if life else store.position + ahead
        store.apply(writes, position, store.fresh_at if fresh_at is None else fresh_at)
        store.close()

    async with bench_on(kafka, namespace, tmp_path) as bench:
        bench.start("a")
        await bench.reaches(80)
        assert await bench.end("a") == 0
        spoil(0, ahead=1_000_000)
        spoil(1, fresh_at=time.time() - 21 * 3600)
        spoil(2, life="another")
        spoil(3)  # trusted: what a test cannot tell from a sound cache has to stay
        assert (await bench.finish()).faults == 0
        for reason in ("ahead of the changelog's end", "older than the changelog keeps", "another life"):
            assert reason in bench.log
        kept = {}
        for number in range(4):
            store = RocksStore(bench.state_dir("a") / f"{namespace}.s.{number}")
            kept[number] = store.get(b"junk")
            store.close()
    assert kept == {0: None, 1: None, 2: None, 3: b"1"}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"block_at": 30, "transaction_timeout_ms": 3000}, "the agent held a batch"),
        ({"wait_at": 30, "stall_seconds": 2.0}, "no commit for 2 s"),
    ],
)
async def test_a_stuck_process_ends_itself(
    kafka: Any, namespace: str, tmp_path: Path, spec: dict[str, Any], says: str
) -> None:
    async with bench_on(kafka, namespace, tmp_path) as bench:
        assert await bench.start("a", **spec).ended() == FATAL
        assert says in bench.log
        assert re.search(r"it hangs.*task\.py:\d+ _serve", bench.log), "the log does not say where it stood"
        assert (await bench.finish()).faults == 0


async def test_an_idle_process_whose_event_loop_stands_still_ends_itself(
    kafka: Any, namespace: str, tmp_path: Path
) -> None:
    async with bench_on(kafka, namespace, tmp_path) as bench:
        stuck = bench.start("a", stall_seconds=5.0)
        await bench.caught_up()
        await bench.stop_feeding()
        await bench.caught_up()
        await bench.pause(0.5, 1.0)  # nothing is to be done any more, so that only the loop is overdue
        stuck.send(signal.SIGUSR1)
        assert await stuck.ended() == FATAL
        assert "the event loop or the group stood still for more than 5 s" in bench.log
        assert re.search(r"it hangs.*'thread: \w+\.py:\d+ \w+ < ", bench.log), "the log does not say where it stood"
        bench.feed_again()
        await bench.caught_up()
        assert (await bench.finish()).faults == 0
        assert bench.exits == [("a", FATAL)]


async def test_two_processes_on_one_state_folder(kafka: Any, namespace: str, tmp_path: Path) -> None:
    async with bench_on(kafka, namespace, tmp_path) as bench:
        held = RocksStore(bench.state_dir("a") / f"{namespace}.s.0")
        bench.restarting = False
        assert await bench.start("a").ended() == FATAL
        assert "StateLocked" in bench.log
        held.close()
        bench.start("a")
        assert (await bench.finish()).faults == 0


async def test_a_full_disk_and_room_again(kafka: Any, namespace: str, tmp_path: Path) -> None:
    async with bench_on(kafka, namespace, tmp_path, rate=300, interval=0.03) as bench:
        bench.start("a")
        await bench.caught_up()
        bench.fill_disk(3_000)
        await wait_until(lambda: len(bench.exits) >= 2, "two processes that end on a full disk")
        bench.free_disk()
        await bench.caught_up()
        assert (await bench.finish()).faults == 0
        assert {code for _, code in bench.exits} == {FATAL}
        assert "StateWriteFailed" in bench.log
        assert "disk full" in bench.log


async def test_batches_that_end_by_time_lose_nothing(kafka: Any, namespace: str, tmp_path: Path) -> None:
    async with bench_on(kafka, namespace, tmp_path, work_seconds=0.03, rate=40) as bench:
        for _ in range(3):
            bench.start("a")
            await bench.caught_up()
            await bench.pause(0.1, 0.5)
            await bench.end("a", signal.SIGKILL)
        assert (await bench.finish()).faults == 0
