"""The values that pass between a stage and its agent."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

RESERVED: Final = b"\0"  # keys that begin so are the stage's own rows

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One record of the input topic.

    `attempts` says how many times a process ended while it worked on this record (0 where nothing counts them).
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers
    attempts: int


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One record to be written in the batch's transaction."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class State(Protocol):
    """The rows of one partition, by key; keys that begin with a zero byte are the stage's own and refused."""

    def get(self, key: bytes) -> bytes | None:
        """The row, or None."""

    def put(self, key: bytes, value: bytes) -> None:
        """Write a row; it becomes durable with the batch's transaction. Raises RecordTooLarge, ValueError."""

    def delete(self, key: bytes) -> None:
        """Delete a row, with the batch's transaction; a missing one is no error."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The rows whose keys begin with `prefix`, in key order, as of this call."""

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """At most `limit` committed rows, going on where the last call stopped, round and round in key order.

        For lazy expiry. A call that reaches the last row returns what it has; the next begins at the first row.
        """
