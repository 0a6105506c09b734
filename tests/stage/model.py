"""What the break tests' worker does with one record: a pure function, run by the worker and again by the checker."""

import json
from dataclasses import dataclass
from typing import Protocol

SEQUENCE = b"sequence"
FORGET_EVERY = 11  # such a record's key is forgotten again, so that deletions are tested too


class Rows(Protocol):
    """As much of a state as the model needs."""

    def get(self, key: bytes) -> bytes | None:
        """The row."""

    def put(self, key: bytes, value: bytes) -> None:
        """Write a row."""

    def delete(self, key: bytes) -> None:
        """Delete a row."""


@dataclass(frozen=True)
class Decision:
    """The record for `out`, and whether the key was new and goes to `new` as well."""

    value: bytes
    is_new: bool


def decide(rows: Rows, key: bytes, value: bytes) -> Decision:
    """Number the record in its partition and name the first record that had its key."""
    number = json.loads(value)["n"]
    sequence = int(rows.get(SEQUENCE) or b"0") + 1
    rows.put(SEQUENCE, b"%d" % sequence)
    known = rows.get(b"key:" + key)
    first = number if known is None else int(known)
    if number % FORGET_EVERY == 0:
        rows.delete(b"key:" + key)
    elif known is None:
        rows.put(b"key:" + key, b"%d" % number)
    return Decision(json.dumps({"n": number, "first": first, "seq": sequence}).encode(), known is None)


class PlainRows(dict[bytes, bytes]):
    """Rows in a plain dictionary, for the checker."""

    def put(self, key: bytes, value: bytes) -> None:
        """Write a row."""
        self[key] = value

    def delete(self, key: bytes) -> None:
        """Delete a row."""
        self.pop(key, None)
