"""What a batch yields, sees of the state, and lets out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.stage import RecordTooLarge, StageMisuse
from newswire.pipeline.stage.attempts import Attempts, AttemptsFile, NoAttempts
from newswire.pipeline.stage.batch import LEAST_SECONDS, Batch, BatchRules
from newswire.pipeline.stage.overlay import CommittedView, Overlay
from newswire.pipeline.stage.partition import Partition
from newswire.pipeline.stage.records import OutputRecord
from newswire.pipeline.stage.store import DictStore

KEYS = st.binary(min_size=1, max_size=2).filter(lambda key: key[0] != 0)
ROWS = st.dictionaries(KEYS, st.binary(max_size=2), max_size=6)
WRITES = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=2)), max_size=8)


def raw(offset: int) -> Any:
    """As much of an aiokafka record as a batch reads."""
    return SimpleNamespace(
        topic="in", partition=1, offset=offset, key=b"k", value=b"v", timestamp=5, headers=(("h", b"x"),)
    )


def make_batch(
    offsets: Sequence[int] = (),
    *,
    work_seconds: float | None = None,
    waiting: int = 1000,
    attempts: Attempts | None = None,
) -> Batch:
    store = DictStore()
    rules = BatchRules({"one": 1, "eight": 8}, 1000, work_seconds, lambda: waiting)
    return Batch(
        Partition(1, store, lambda: None),
        None,
        Overlay(store, 1000),
        [raw(offset) for offset in offsets],
        (),
        attempts or NoAttempts(),
        rules,
    )


async def test_records_come_in_order_and_once() -> None:
    batch = make_batch([3, 4, 9])
    assert [record.offset for record in batch] == [3, 4, 9]
    assert list(batch) == []
    assert batch.yielded == 3


async def test_a_loop_that_is_left_goes_on() -> None:
    batch = make_batch([3, 4, 9])
    for record in batch:
        assert record.offset == 3
        break
    assert batch.yielded == 1
    assert [record.offset for record in batch] == [4, 9]


async def test_time_ends_a_batch_but_not_before_the_first_record() -> None:
    batch = make_batch([1, 2, 3], work_seconds=0.0)
    assert [record.offset for record in batch] == [1]
    assert batch.yielded == 1


async def test_work_seconds_are_counted_from_the_first_record() -> None:
    batch = make_batch(range(1000), work_seconds=0.05)
    await asyncio.sleep(0.1)
    for _ in batch:
        await asyncio.sleep(0.01)
    assert 2 <= batch.yielded < 1000


@pytest.mark.parametrize(("waiting", "taken"), [(3, 1), (8, 1), (9, 2), (24, 3), (1000, 20)])
async def test_a_batch_is_shorter_while_little_waits(waiting: int, taken: int) -> None:
    batch = make_batch(range(20), work_seconds=60.0, waiting=waiting)
    for _ in batch:
        await asyncio.sleep(LEAST_SECONDS)
    assert batch.yielded == taken


async def test_a_batch_goes_on_while_hardly_anything_was_done() -> None:
    batch = make_batch(range(20), work_seconds=60.0, waiting=0)
    assert len(list(batch)) == 20


async def test_done_resolves_once() -> None:
    batch = make_batch([1])
    batch.done()
    batch.done()
    assert batch.finished.done()


async def test_the_record_in_work_is_noted_until_done(tmp_path: Path) -> None:
    attempts = AttemptsFile(tmp_path / "attempts")
    attempts.open(0)
    batch = make_batch([5, 6], attempts=attempts)
    assert [record.attempts for record in batch] == [0, 0]
    assert AttemptsFile(tmp_path / "attempts").open(0) == {6: 1}
    batch.done()
    assert AttemptsFile(tmp_path / "attempts").open(0) == {6: 1}


async def test_emit_chooses_kafkas_partition() -> None:
    batch = make_batch()
    for key in (b"1", b"21", b"another key", b""):
        batch.emit("eight", key=key, value=b"v")
    # Kafka's murmur2, from the Java client: toPositive(murmur2(key)) % 8
    assert {partition: [record.key for record in records] for (_, partition), records in batch.outputs.items()} == (
        expected_partitions([b"1", b"21", b"another key", b""])
    )


def expected_partitions(keys: Sequence[bytes]) -> dict[int, list[bytes]]:
    """Murmur2 written from its description, to check the one in use."""
    chosen: dict[int, list[bytes]] = {}
    for key in keys:
        m, mask = 0x5BD1E995, 0xFFFFFFFF
        h = (0x9747B28C ^ len(key)) & mask
        for index in range(0, len(key) // 4 * 4, 4):
            k = int.from_bytes(key[index : index + 4], "little") * m & mask
            h = (h * m ^ (k ^ k >> 24) * m) & mask
        rest = key[len(key) // 4 * 4 :]
        if rest:
            h = (h ^ int.from_bytes(rest, "little")) * m & mask
        h = (h ^ h >> 13) * m & mask
        chosen.setdefault(((h ^ h >> 15) & 0x7FFFFFFF) % 8, []).append(key)
    return chosen


async def test_emit_keeps_order_and_headers() -> None:
    batch = make_batch()
    batch.emit("one", key=b"a", value=b"1", headers=[("h", b"x")])
    batch.emit("one", key=None, value=b"2")
    batch.emit("eight", key=b"a", value=None, partition=3)
    assert batch.outputs == {
        ("one", 0): [OutputRecord(b"a", b"1", (("h", b"x"),)), OutputRecord(None, b"2")],
        ("eight", 3): [OutputRecord(b"a", None)],
    }


@pytest.mark.parametrize(
    "call",
    [
        {"topic": "unknown", "key": b"k", "value": b"v"},
        {"topic": "eight", "key": None, "value": b"v"},
        {"topic": "eight", "key": b"k", "value": b"v", "partition": 8},
        {"topic": "one", "key": None, "value": None},
    ],
)
async def test_emit_refuses_what_cannot_be_meant(call: dict[str, Any]) -> None:
    batch = make_batch()
    with pytest.raises(StageMisuse):
        batch.emit(call.pop("topic"), **call)
    assert batch.outputs == {}


async def test_a_record_over_the_limit_leaves_no_trace() -> None:
    batch = make_batch()
    batch.emit("one", key=b"k", value=b"x" * 800)
    with pytest.raises(RecordTooLarge, match="the limit is 1000"):
        batch.emit("one", key=b"k", value=b"x" * 1000)
    with pytest.raises(RecordTooLarge):
        batch.emit("one", key=b"k", value=b"x" * 800, headers=[("h", b"y" * 200)])
    with pytest.raises(RecordTooLarge):
        batch.state.put(b"k", b"x" * 1000)
    assert len(batch.outputs["one", 0]) == 1
    assert batch.overlay.writes == {}


@given(committed=ROWS, writes=WRITES, prefix=st.binary(max_size=1))
def test_an_overlay_is_what_the_store_will_be(
    committed: dict[bytes, bytes], writes: list[tuple[bytes, bytes | None]], prefix: bytes
) -> None:
    store = DictStore()
    store.apply(committed, 1, 0.0)
    overlay = Overlay(store, 1000)
    for key, value in writes:
        if value is None:
            overlay.delete(key)
        else:
            overlay.put(key, value)
    seen = list(overlay.scan(prefix)), {key: overlay.get(key) for key, _ in writes}
    assert list(store.scan(b"")) == sorted(committed.items())  # nothing is written before the commit
    store.apply(overlay.writes, 2, 0.0)
    assert seen == (list(store.scan(prefix)), {key: store.get(key) for key, _ in writes})


def test_a_scan_is_of_its_moment() -> None:
    store = DictStore()
    store.apply({b"a": b"1", b"c": b"3"}, 1, 0.0)
    overlay = Overlay(store, 1000)
    rows = overlay.scan(b"")
    overlay.put(b"b", b"2")
    overlay.delete(b"c")
    assert list(rows) == [(b"a", b"1"), (b"c", b"3")]


def test_reserved_keys_are_refused() -> None:
    overlay = Overlay(DictStore(), 1000)
    with pytest.raises(ValueError, match="the stage's own"):
        overlay.put(b"\0position", b"")
    with pytest.raises(ValueError, match="the stage's own"):
        overlay.delete(b"\0position")


def test_a_row_is_bytes() -> None:
    with pytest.raises(TypeError):
        Overlay(DictStore(), 1000).put(b"k", None)  # type: ignore[arg-type]


def test_the_committed_view_does_not_write() -> None:
    store = DictStore()
    store.apply({b"a": b"1"}, 1, 0.0)
    view = CommittedView(store)
    assert (view.get(b"a"), list(view.scan(b"")), view.sweep(9)) == (b"1", [(b"a", b"1")], [(b"a", b"1")])
    with pytest.raises(StageMisuse):
        view.put(b"a", b"2")
    with pytest.raises(StageMisuse):
        view.delete(b"a")
