"""What the break tests' worker does with one record: a pure function, run by the worker and again by the checker."""

import json
import random
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

SEQUENCE = b"sequence"
FORGET_EVERY = 11  # such a record's key is forgotten again, so that deletions are tested too

REWRITE_EVERY = 5


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
    """Number the record in its partition and name the first record that had its key.

    A record with `ballast`, a number of bytes, writes a row of that size too, and says what it reads in an older one.
    """
    fields = json.loads(value)
    number = fields["n"]
    sequence = int(rows.get(SEQUENCE) or b"0") + 1
    rows.put(SEQUENCE, b"%d" % sequence)
    known = rows.get(b"key:" + key)
    first = number if known is None else int(known)
    if number % FORGET_EVERY == 0:
        rows.delete(b"key:" + key)
    elif known is None:
        rows.put(b"key:" + key, b"%d" % number)
    ballast = {"ballast": _ballast(rows, number, sequence, fields["ballast"])} if "ballast" in fields else {}
    return Decision(json.dumps({"n": number, "first": first, "seq": sequence, **ballast}).encode(), known is None)


def _ballast(rows: Rows, number: int, sequence: int, size: int) -> int:
    """Write a row that does not compress and give the checksum of an older one, which is rewritten now and then."""
    rows.put(b"ballast:%d" % sequence, random.Random(sequence).randbytes(size))
    older = b"ballast:%d" % (1 + number * 7919 % sequence)
    held = rows.get(older) or b""
    if number % REWRITE_EVERY == 0:
        rows.put(older, random.Random(-sequence).randbytes(size))
    return crc32(held)


class PlainRows(dict[bytes, bytes]):
    """Rows in a plain dictionary, for the checker."""

    def put(self, key: bytes, value: bytes) -> None:
        """Write a row."""
        self[key] = value

    def delete(self, key: bytes) -> None:
        """Delete a row."""
        self.pop(key, None)
