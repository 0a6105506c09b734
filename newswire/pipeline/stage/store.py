"""Where a partition's committed rows live: the protocol, and the store that keeps them in memory."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from newswire.pipeline.stage.records import RESERVED


class StateStore(Protocol):
    """The committed rows of one partition and how far they follow its changelog.

    `position` is the changelog offset up to which the rows are complete; `fresh_at` is the Unix time when they were
    last known to be at the changelog's end, 0 if never. Writes raise StateWriteFailed, reads StateReadFailed.
    """

    position: int
    fresh_at: float

    def get(self, key: bytes) -> bytes | None:
        """The row, or None; reserved rows too."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The rows with this prefix in key order, without the reserved ones."""

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """The next `limit` rows at most, in key order, round and round, without the reserved ones."""

    def apply(self, writes: Mapping[bytes, bytes | None], position: int, fresh_at: float) -> None:
        """Write rows (None deletes) together with the changelog position they bring the store to."""

    def bulk(self) -> AbstractContextManager[None]:
        """A block of many writes: what it wrote is as durable as ever after its end, and meanwhile only in order."""

    def wipe(self) -> None:
        """Forget everything: no rows, position 0."""

    def close(self) -> None:
        """Let go of files and locks; no other call follows."""


class DictStore:
    """A store in memory, for tests and small states; dropped with its partition."""

    def __init__(self) -> None:
        self.position = 0
        self.fresh_at = 0.0
        self._rows: dict[bytes, bytes] = {}
        self._sorted: list[bytes] = []
        self._unsorted: set[bytes] = set()
        self._hand = b""

    def get(self, key: bytes) -> bytes | None:
        """The row, or None."""
        return self._rows.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The rows with this prefix in key order, without the reserved ones."""
        keys = self._keys()
        for index in range(bisect_left(keys, prefix), len(keys)):
            key = keys[index]
            if not key.startswith(prefix):
                return
            value = self._rows.get(key)
            if value is not None and not key.startswith(RESERVED):
                yield key, value

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """The next `limit` rows at most, in key order, round and round, without the reserved ones."""
        keys = self._keys()
        rows: list[tuple[bytes, bytes]] = []
        for index in range(bisect_left(keys, self._hand), len(keys)):
            value = self._rows.get(keys[index])
            if value is None or keys[index].startswith(RESERVED):
                continue
            if len(rows) == limit:
                self._hand = keys[index]
                return rows
            rows.append((keys[index], value))
        self._hand = b""
        return rows

    def apply(self, writes: Mapping[bytes, bytes | None], position: int, fresh_at: float) -> None:
        """Write rows (None deletes) together with the changelog position they bring the store to."""
        for key, value in writes.items():
            if value is None:
                self._rows.pop(key, None)
            else:
                if key not in self._rows:
                    self._unsorted.add(key)
                self._rows[key] = value
        self.position, self.fresh_at = position, fresh_at

    def bulk(self) -> AbstractContextManager[None]:
        """Memory knows no other writes."""
        return nullcontext()

    def wipe(self) -> None:
        """Forget everything: no rows, position 0."""
        self.__init__()  # type: ignore[misc]

    def close(self) -> None:
        """Nothing to let go of."""

    def _keys(self) -> list[bytes]:
        # sorted once for all the scans between two commits; a new list, so a running scan keeps its own
        if self._unsorted:
            self._sorted = sorted(self._unsorted.union(key for key in self._sorted if key in self._rows))
            self._unsorted.clear()
        return self._sorted
