"""What a batch has written but not committed, laid over the store; and the view that cannot write."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from newswire.pipeline.stage.errors import RecordTooLarge, StageMisuse
from newswire.pipeline.stage.records import RESERVED, Headers
from newswire.pipeline.stage.store import StateStore

_RECORD_OVERHEAD = 100  # an upper bound of what the log's format adds to a record


def check_size(what: str, key: bytes | None, value: bytes | None, headers: Headers, limit: int) -> None:
    """Raise RecordTooLarge if this record is over `limit` bytes in the log."""
    size = _RECORD_OVERHEAD + len(key or b"") + len(value or b"")
    size += sum(len(name.encode()) + len(content) + 10 for name, content in headers)
    if size > limit:
        raise RecordTooLarge(f"{what}: a record of {size} bytes, the limit is {limit}")


class Overlay:
    """A State: reads see the batch's own writes first, `writes` is what the transaction will carry (None deletes)."""

    def __init__(self, store: StateStore, max_record_bytes: int) -> None:
        self.writes: dict[bytes, bytes | None] = {}
        self._keys: list[bytes] = []  # of writes, sorted
        self._store = store
        self._limit = max_record_bytes

    def get(self, key: bytes) -> bytes | None:
        """The row as this batch sees it, or None."""
        if key in self.writes:
            return self.writes[key]
        return self._store.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Write a row. Raises RecordTooLarge, ValueError for a reserved key, TypeError for anything but bytes."""
        if not isinstance(value, bytes):
            raise TypeError(f"a row is bytes, not {type(value).__name__}; delete() deletes")
        check_size("state row", key, value, (), self._limit)
        self._write(key, value)

    def delete(self, key: bytes) -> None:
        """Delete a row; a missing one is no error."""
        self._write(key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The rows with this prefix in key order, as of this call."""
        mine: list[tuple[bytes, bytes | None]] = []
        for index in range(bisect_left(self._keys, prefix), len(self._keys)):
            key = self._keys[index]
            if not key.startswith(prefix):
                break
            mine.append((key, self.writes[key]))
        return _merge(mine, self._store.scan(prefix))

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """The next committed rows; see State."""
        return self._store.sweep(limit)

    def _write(self, key: bytes, value: bytes | None) -> None:
        if key.startswith(RESERVED):
            raise ValueError(f"keys that begin with a zero byte are the stage's own: {key!r}")
        if key not in self.writes:
            insort(self._keys, key)
        self.writes[key] = value


def _merge(
    mine: list[tuple[bytes, bytes | None]], committed: Iterator[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes]]:
    index = 0
    for key, value in committed:
        while index < len(mine) and mine[index][0] < key:
            written = mine[index][1]
            if written is not None:
                yield mine[index][0], written
            index += 1
        if index < len(mine) and mine[index][0] == key:
            continue  # this batch's version comes in its turn
        yield key, value
    for own_key, own_value in mine[index:]:
        if own_value is not None:
            yield own_key, own_value


class CommittedView:
    """A State of the committed rows only, for the code that opens a partition; put and delete raise StageMisuse."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def get(self, key: bytes) -> bytes | None:
        """The committed row, or None."""
        return self._store.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Refused: rows are written in a batch."""
        raise StageMisuse("rows are written by a batch, through batch.state")

    def delete(self, key: bytes) -> None:
        """Refused: rows are deleted in a batch."""
        raise StageMisuse("rows are deleted by a batch, through batch.state")

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The committed rows with this prefix in key order."""
        return self._store.scan(prefix)

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """The next committed rows; see State."""
        return self._store.sweep(limit)
