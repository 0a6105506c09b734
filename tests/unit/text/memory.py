"""A state in memory for the steps' tests: writes are seen at once, the sweep sees committed rows only."""

from collections.abc import Iterator


class MemoryState:
    """Implements newswire.pipeline.state.State."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self._committed: dict[bytes, bytes] = {}
        self._hand = 0

    def commit(self) -> None:
        """What was written so far is what the sweep sees."""
        self._committed = dict(self.rows)

    def get(self, key: bytes) -> bytes | None:
        """The row, or None."""
        return self.rows.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a row; keys that begin with a zero byte are the stage's own."""
        assert not key.startswith(b"\0")
        assert isinstance(value, bytes)
        self.rows[key] = value

    def delete(self, key: bytes) -> None:
        """Delete a row."""
        self.rows.pop(key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows with this prefix."""
        return iter([(key, value) for key, value in self.rows.items() if key.startswith(prefix)])

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """The next committed rows, going round."""
        rows = sorted(self._committed.items())
        if not rows:
            return []
        start = self._hand % len(rows)
        self._hand = start + limit
        return rows[start : start + limit]
