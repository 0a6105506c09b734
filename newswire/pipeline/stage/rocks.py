"""The state cache on the local disk: RocksDB, with the changelog position in the same write as the rows."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from rocksdict import (
    BlockBasedOptions,
    Cache,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from newswire.pipeline.stage.config import STORE_MEMORY, StoreMemory
from newswire.pipeline.stage.errors import StateLocked, StateReadFailed, StateWriteFailed
from newswire.pipeline.stage.records import RESERVED

OPEN_FILES: Final = 256
"""Files of a store that are open at most; of each its index stays in memory, some 15 bytes a row."""
_FILES_MANY: Final = 10_000
_CACHE_ROW: Final = b"\0cache"
_BLOCK: Final = 128 << 10  # of a buffer: with the default, 1 MB, eight stores would fill the buffers with nothing
_log = structlog.get_logger("newswire.stage")
_T = TypeVar("_T")


def upper_bound(prefix: bytes) -> bytes | None:
    """The first key after all keys that begin with `prefix`, or None if no key comes after them."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


class RocksStore:
    """A StateStore in the folder `path`, which one process at a time may hold.

    Raises StateLocked if another process holds it, StateWriteFailed if it cannot be opened or written, StateReadFailed
    if it cannot be read. A folder that RocksDB calls corrupt is a cache and wiped, at once or when it is opened next.
    """

    def __init__(self, path: Path, memory: StoreMemory = STORE_MEMORY) -> None:
        self._path = path
        self._corrupt = path.with_name(path.name + ".corrupt")
        self._memory = memory
        self._hand = b""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StateWriteFailed(f"state folder {path}: {error}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._db = self._open()
            try:
                self.position, self.fresh_at = self._read_cache_row()
            except StateReadFailed:
                self._db.close()
                self._db = self._open()  # which wipes what is corrupt
                self.position, self.fresh_at = self._read_cache_row()
        except BlockingIOError:
            os.close(self._lock)
            raise StateLocked(
                f"state folder {path} is held by another process: end that process, or give this one a state folder of"
                " its own"
            ) from None
        except BaseException:
            os.close(self._lock)
            raise

    def get(self, key: bytes) -> bytes | None:
        """The row, or None."""
        try:
            row: bytes | None = self._db.get(key)
        except Exception as error:
            raise self._unreadable(error) from error
        return row

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The rows with this prefix in key order, without the reserved ones."""
        options = ReadOptions()
        # A third faster for a scan, which reads each row once, and the cache is left to look-ups.
        options.fill_cache(False)  # type: ignore[call-arg]
        bound = upper_bound(prefix)
        if bound is not None:  # without it an empty prefix would walk over the tombstones of its neighbours
            options.set_iterate_upper_bound(bound)
        return self._rows(prefix, options)

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """The next `limit` rows at most, in key order, round and round, without the reserved ones."""
        rows: list[tuple[bytes, bytes]] = []
        for key, value in self._rows(self._hand, ReadOptions()):
            if len(rows) == limit:
                self._hand = key
                return rows
            rows.append((key, value))
        self._hand = b""
        return rows

    def _rows(self, first: bytes, options: ReadOptions) -> Iterator[tuple[bytes, bytes]]:
        """The rows from `first` on, without the reserved ones."""
        try:
            # Not rocksdict's own iteration, which ends at a fault as it does behind the last row.
            rows = self._db.iter(options)
            rows.seek(first)
            while rows.valid():
                key: bytes = rows.key()
                if not key.startswith(RESERVED):
                    yield key, rows.value()
                rows.next()
            rows.status()
        except Exception as error:
            raise self._unreadable(error) from error

    def apply(self, writes: Mapping[bytes, bytes | None], position: int, fresh_at: float) -> None:
        """Write rows (None deletes) and the changelog position in one atomic write."""
        batch = WriteBatch(raw_mode=True)
        for key, value in writes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_CACHE_ROW, json.dumps({"position": position, "fresh_at": fresh_at}).encode())
        self._guard(lambda: self._db.write(batch))
        self.position, self.fresh_at = position, fresh_at

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """A block of many writes, without RocksDB's own log and without merging files before its end.

        That takes a million rows of 1.4 kB from 6.4 to 2.5 s. A process that ends within it leaves the rows up to one
        of the writes, with the position of that write.
        """
        self._db.set_write_options(_write_options(logged=False))
        self._db.set_options({"disable_auto_compactions": "true"})
        try:
            yield
            # Before the next logged write, which would come back after a crash without these.
            self._guard(lambda: self._db.flush(True))
        finally:
            self._db.set_options({"disable_auto_compactions": "false"})
            self._db.set_write_options(_write_options(logged=True))

    def wipe(self) -> None:
        """Forget everything: no rows, position 0."""
        self._db.close()
        self._guard(lambda: shutil.rmtree(self._path))
        self._db = self._open()
        self.position, self.fresh_at, self._hand = 0, 0.0, b""

    def close(self) -> None:
        """Close the database and release the lock."""
        try:
            self._guard(self._db.close)
        finally:
            os.close(self._lock)

    def _open(self) -> Any:
        if self._corrupt.exists():
            self._wipe_corrupt(self._guard(lambda: self._corrupt.read_text(encoding="utf-8")))
            self._guard(self._corrupt.unlink)
        try:
            return Rdict(str(self._path), _options(self._memory))
        except Exception as error:  # rocksdict raises nothing more special
            if "Corruption" not in str(error):
                raise StateWriteFailed(f"state folder {self._path}: {error}") from error
            self._wipe_corrupt(str(error))
            return self._guard(lambda: Rdict(str(self._path), _options(self._memory)))

    def _wipe_corrupt(self, error: str) -> None:
        _log.warning("state cache corrupt, wiped", path=str(self._path), error=error)
        if self._path.exists():
            self._guard(lambda: shutil.rmtree(self._path))

    def _read_cache_row(self) -> tuple[int, float]:
        row = self.get(_CACHE_ROW)
        if row is None:
            return 0, 0.0
        fields = json.loads(row)
        return int(fields["position"]), float(fields["fresh_at"])

    def _guard(self, write: Callable[[], _T]) -> _T:
        try:
            return write()
        except Exception as error:
            self._note(error)
            raise StateWriteFailed(f"state folder {self._path} cannot be written (disk full?): {error}") from error

    def _unreadable(self, error: Exception) -> StateReadFailed:
        self._note(error)
        return StateReadFailed(f"state folder {self._path} cannot be read: {error}")

    def _note(self, error: Exception) -> None:
        """Have a corrupt folder wiped when it is opened next: by then the process has ended, for it cannot go on."""
        if "Corruption" in str(error):
            with suppress(OSError):
                self._corrupt.write_text(str(error), encoding="utf-8")


def _write_options(*, logged: bool) -> Any:
    options = WriteOptions()
    options.disable_wal = not logged  # type: ignore[method-assign, assignment]
    return options


@cache
def _shared(size: int) -> tuple[Any, Any]:
    """The cache of blocks, and the buffers of what is not written out yet, which are half of it: one for all stores of
    a process. With its own, each store grows by up to 64 MB, over a day where it writes little, and a poller has eight.
    It fills up under any load, with blocks that nobody reads again too, and so it is small.
    """
    blocks = Cache(size)
    return blocks, WriteBufferManager.new_write_buffer_manager_with_cache(size // 2, False, blocks)


def _options(memory: StoreMemory) -> Any:
    blocks, buffers = _shared(memory.shared)
    table = BlockBasedOptions()
    table.set_block_cache(blocks)
    table.set_bloom_filter(10, block_based=False)  # most look-ups are of keys never seen
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_manager(buffers)
    options.set_write_buffer_size(memory.write_buffer)
    options.set_arena_block_size(min(_BLOCK, memory.write_buffer // 8))
    options.set_max_open_files(OPEN_FILES)
    # Merged early, so that few files are open: with RocksDB's 4, a poller's eight stores open 16 more in minutes.
    options.set_level_zero_file_num_compaction_trigger(2)
    # After a bulk there are many files to merge: a write must not wait for that in the event loop.
    options.set_level_zero_slowdown_writes_trigger(_FILES_MANY)
    options.set_level_zero_stop_writes_trigger(_FILES_MANY)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1 << 20)
    return options
