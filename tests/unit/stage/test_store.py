"""The two stores are one to the eye, a cache survives its process, and a folder has one owner."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newswire.pipeline.stage.config import StoreMemory
from newswire.pipeline.stage.errors import StateLocked, StateReadFailed, StateWriteFailed
from newswire.pipeline.stage.rocks import RocksStore, upper_bound
from newswire.pipeline.stage.store import DictStore

KEYS = st.lists(st.sampled_from(b"\x01ab\xff"), min_size=1, max_size=3).map(bytes)
WRITES = st.dictionaries(KEYS, st.none() | st.binary(max_size=4), max_size=8)
STEPS = st.lists(st.tuples(WRITES, KEYS, st.integers(0, 3)), max_size=8)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RocksStore]:
    made = RocksStore(tmp_path / "state")
    yield made
    made.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_both_stores_agree(store: RocksStore, steps: list[tuple[dict[bytes, bytes | None], bytes, int]]) -> None:
    store.wipe()
    plain = DictStore()
    for position, (writes, key, limit) in enumerate(steps):
        for each in (store, plain):
            each.apply(writes | {b"\0own": b"row"}, position, 1.0)
        assert list(store.scan(b"")) == list(plain.scan(b""))
        for prefix in (key, key[:1]):
            assert list(store.scan(prefix)) == list(plain.scan(prefix))
        assert store.get(key) == plain.get(key)
        assert store.sweep(limit) == plain.sweep(limit)
        assert (store.position, store.fresh_at) == (plain.position, plain.fresh_at)


@given(prefix=st.binary(max_size=3), key=st.binary(max_size=4))
def test_upper_bound_is_the_first_key_after_the_prefix(prefix: bytes, key: bytes) -> None:
    bound = upper_bound(prefix)
    assert key.startswith(prefix) == (key >= prefix and (bound is None or key < bound))


@pytest.mark.parametrize("kind", ["dict", "rocks"])
def test_sweep_sees_every_row_once_a_round(kind: str, store: RocksStore) -> None:
    swept = DictStore() if kind == "dict" else store
    swept.apply({b"k%02d" % n: b"v" for n in range(10)} | {b"\0own": b""}, 1, 0.0)
    calls = [swept.sweep(4) for _ in range(3)]
    assert [len(rows) for rows in calls] == [4, 4, 2]
    assert sorted(key for rows in calls for key, _ in rows) == [b"k%02d" % n for n in range(10)]
    assert swept.sweep(4) == calls[0]


def test_sweep_goes_on_behind_a_deleted_row(store: RocksStore) -> None:
    store.apply({b"a": b"1", b"b": b"2", b"c": b"3"}, 1, 0.0)
    assert store.sweep(1) == [(b"a", b"1")]
    store.apply({b"b": None}, 2, 0.0)
    assert store.sweep(1) == [(b"c", b"3")]


@pytest.mark.parametrize("kind", ["dict", "rocks"])
def test_the_hand_never_rests_on_a_deleted_row(kind: str, store: RocksStore) -> None:
    swept = DictStore() if kind == "dict" else store
    swept.apply({b"a": b"1", b"b": b"2"}, 1, 0.0)
    assert swept.sweep(1) == [(b"a", b"1")]
    swept.apply({b"b": None}, 2, 0.0)
    assert swept.sweep(0) == []
    assert swept.sweep(1) == [(b"a", b"1")]


def test_rows_and_position_survive_the_process(tmp_path: Path) -> None:
    first = RocksStore(tmp_path / "state")
    first.apply({b"a": b"1"}, 7, 99.5)
    first.close()
    second = RocksStore(tmp_path / "state")
    assert (second.get(b"a"), second.position, second.fresh_at) == (b"1", 7, 99.5)
    second.wipe()
    second.close()
    third = RocksStore(tmp_path / "state")
    assert (third.get(b"a"), third.position, third.fresh_at) == (None, 0, 0.0)
    third.close()


def test_a_bulk_that_a_kill_cuts_off_leaves_whole_writes(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from newswire.pipeline.stage.rocks import RocksStore\n"
        "store = RocksStore(Path(sys.argv[1])); store.apply({b'first': b'0'}, 1, 1.0)\n"
        "with store.bulk():\n"
        "    for n in range(2, 100):\n"
        "        store.apply({b'%d/%d' % (n, k): bytes(5_000) for k in range(100)}, n, 1.0)\n"
        "        if n == int(sys.argv[2]): os._exit(9)\n"
        "store.apply({b'last': b'1'}, 100, 2.0); os._exit(9)\n"
    )
    for end in (60, 999):
        folder = tmp_path / str(end)
        done = subprocess.run([sys.executable, "-c", code, str(folder), str(end)], check=False)
        assert done.returncode == 9
        store = RocksStore(folder)
        rows = {key: value for key, value in store.scan(b"") if b"/" in key}
        last = 99 if store.position == 100 else store.position
        assert (store.position == 100, store.get(b"last") == b"1") == (end == 999, end == 999)
        assert store.get(b"first") == b"0"
        assert set(rows) == {b"%d/%d" % (n, k) for n in range(2, last + 1) for k in range(100)}
        store.close()


def test_a_folder_has_one_owner(tmp_path: Path, store: RocksStore) -> None:
    with pytest.raises(StateLocked, match="held by another process"):
        RocksStore(tmp_path / "state")
    store.apply({b"a": b"1"}, 1, 0.0)
    assert store.get(b"a") == b"1"


def test_a_corrupt_folder_is_wiped(tmp_path: Path) -> None:
    first = RocksStore(tmp_path / "state")
    first.apply({b"a": b"1"}, 7, 1.0)
    first.close()
    (tmp_path / "state" / "CURRENT").write_text("nonsense")
    second = RocksStore(tmp_path / "state")
    assert (second.get(b"a"), second.position) == (None, 0)
    second.close()


def damaged(folder: Path, part: float = 0.5) -> RocksStore:
    """A store of 20,000 rows at position 7 with a block damaged at this part of its file, the middle one by default."""
    store = RocksStore(folder)
    with store.bulk():
        store.apply({b"k%06d" % n: os.urandom(100) for n in range(20_000)}, 7, 1.0)
    store.close()
    (file,) = folder.glob("*.sst")
    content = bytearray(file.read_bytes())
    place = int(len(content) * part)
    content[place : place + 50] = bytes(byte ^ 0xFF for byte in content[place : place + 50])
    file.write_bytes(content)
    return RocksStore(folder)


READS: dict[str, Callable[[RocksStore], object]] = {
    "get": lambda store: [store.get(b"k%06d" % n) for n in range(20_000)],
    "scan": lambda store: list(store.scan(b"k")),
    "sweep": lambda store: store.sweep(20_000),
}


@pytest.mark.parametrize("read", READS)
def test_what_cannot_be_read_is_never_taken_for_the_end_and_wiped_at_the_next_opening(
    tmp_path: Path, read: str
) -> None:
    store = damaged(tmp_path / "state")
    with pytest.raises(StateReadFailed, match="cannot be read: Corruption"):
        READS[read](store)
    store.close()
    again = RocksStore(tmp_path / "state")
    assert (again.get(b"k000000"), again.position) == (None, 0)
    again.apply({b"a": b"1"}, 1, 0.0)
    again.close()
    last = RocksStore(tmp_path / "state")
    assert (last.get(b"a"), last.position) == (b"1", 1)
    last.close()


def test_a_folder_without_a_readable_position_is_wiped_at_once(tmp_path: Path) -> None:
    store = damaged(tmp_path / "state", 0.0)
    assert (store.get(b"k000000"), store.position) == (None, 0)
    store.apply({b"a": b"1"}, 1, 0.0)
    store.close()


def test_a_read_that_fails_otherwise_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "state")
    store.apply({b"a": b"1"}, 7, 1.0)
    store._db.close()
    for read in READS.values():
        with pytest.raises(StateReadFailed, match="cannot be read"):
            read(store)
    store._db = store._open()
    store.close()
    again = RocksStore(tmp_path / "state")
    assert (again.get(b"a"), again.position) == (b"1", 7)
    again.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateWriteFailed, match="state folder"):
        RocksStore(tmp_path / "file" / "state")


def test_a_failed_write_is_named(store: RocksStore) -> None:
    store._db.close()
    with pytest.raises(StateWriteFailed, match="cannot be written"):
        store.apply({b"a": b"1"}, 1, 0.0)
    store._db = store._open()


def test_the_cache_row_is_written_with_the_rows(store: RocksStore) -> None:
    store.apply({b"a": b"1"}, 3, 4.0)
    assert json.loads(store.get(b"\0cache") or b"") == {"position": 3, "fresh_at": 4.0}


def test_a_scan_without_end_does_not_slow_the_next(store: RocksStore) -> None:
    """A run of deleted rows behind the prefix is not walked over."""
    store.apply({b"b%06d" % n: b"v" for n in range(50_000)}, 1, 0.0)
    store.apply({b"b%06d" % n: None for n in range(50_000)} | {b"z": b""}, 2, 0.0)
    began = time.perf_counter()
    for _ in range(20):
        assert list(store.scan(b"a")) == []
    bounded = time.perf_counter() - began
    began = time.perf_counter()
    assert list(store.scan(b"b")) == []
    assert bounded < 20 * (time.perf_counter() - began)


def test_the_stores_of_a_process_share_one_limit_of_memory(tmp_path: Path) -> None:
    stores = [RocksStore(tmp_path / str(number)) for number in range(6)]
    try:
        for position in range(12):
            for store in stores:
                store.apply({b"%03d" % n + b"/%d" % position: os.urandom(1 << 16) for n in range(16)}, position, 1.0)
        deadline = time.monotonic() + 20
        while (unwritten := sum(map(_unwritten, stores))) > 40 << 20 and time.monotonic() < deadline:
            time.sleep(0.05)  # a flush is under way
        assert unwritten <= 40 << 20  # each store may have 16 MB, and has been given 12
    finally:
        for store in stores:
            store.close()


def test_a_store_with_a_small_buffer_writes_its_files_sooner(tmp_path: Path) -> None:
    small, usual = RocksStore(tmp_path / "small", StoreMemory(256 << 10, 4 << 20)), RocksStore(tmp_path / "usual")
    try:
        for position in range(40):
            value = os.urandom(1 << 16)
            for store in (small, usual):
                store.apply({b"%03d" % position: value}, position, 1.0)
        deadline = time.monotonic() + 20
        while _unwritten(small) > 1 << 20 and time.monotonic() < deadline:
            time.sleep(0.05)  # a flush is under way
        assert _unwritten(small) <= 1 << 20 < _unwritten(usual)
        assert [small.get(b"%03d" % position) for position in range(40)] == [
            usual.get(b"%03d" % position) for position in range(40)
        ]
    finally:
        small.close()
        usual.close()


def _unwritten(store: RocksStore) -> int:
    """Bytes in memory that the store has not written out yet."""
    size: int = store._db.property_int_value("rocksdb.cur-size-all-mem-tables")
    return size
