"""What a stage's pure functions may ask of their state: bytes by key, and no knowledge of where they are kept."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol


class StateFormat(NamedTuple):
    """The version of a stage's rows that this code writes, and the oldest one that it reads as well."""

    version: int
    oldest: int


STATE_FORMATS: Final = MappingProxyType(
    {
        "collect": StateFormat(1, 1),
        "prepare": StateFormat(2, 1),
        "deduplicate": StateFormat(3, 1),
        "analyze": StateFormat(1, 1),
        "cluster": StateFormat(6, 1),
    }
)
"""The formats of the stages' rows, the ledger's counters included.

A version rises by one with every change that older code would misread: another layout, hash or key, a new kind of row
that it would have to keep up, a new version of a record that a row holds. `oldest` rises to it when this code cannot
read the rows of before. State of a version in between is taken over, any other is refused, never misread. Rows of every
version stand in tests/data/state.
"""


class StateUnavailable(Exception):  # noqa: N818  # the name says what is the case
    """The state cannot be read now: the fault is the machine's, and another try may find it well."""


PASSING: Final = (StateUnavailable, MemoryError)
"""What a step lets through: its record has nothing to do with it. The process ends, and the next one tries again."""


class State(Protocol):
    """The state of one partition of a stage. Writes become durable with the batch that made them.

    Reads raise StateUnavailable.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""

    def delete(self, key: bytes) -> None:
        """Remove a key; removing one that is not there is no error."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All rows whose key begins with the prefix, in no order that may be relied on."""

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` committed rows from where the last call stopped, going round for ever: for lazy expiry.

        Rows of others come too (the ledger's counters): pass over keys that are not yours.
        """


Row = tuple[bytes, bytes | None]
"""A change of the state: a key with its new value, or None to delete it."""


def apply_rows(state: State, rows: tuple[Row, ...]) -> None:
    """Carry out the changes that a decision asks for."""
    for key, value in rows:
        if value is None:
            state.delete(key)
        else:
            state.put(key, value)
