"""The rows of the deduplicate stage's state.

`b"m"` -> watermark and last sequence number; `b"i"` + article id -> when it was last emitted and its newest sequence
number; `b"t"` + sequence number -> what copies of that text are told by. Integers of keys, heads and tails are
big-endian, arrays little-endian. Text rows of the first format have no tail.
"""

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from newswire.pipeline.duplicates.boilerplate import NO_FEED
from newswire.pipeline.duplicates.compiled import compiled
from newswire.pipeline.duplicates.normalise import U8, U32
from newswire.pipeline.duplicates.signature import (
    BANDS,
    Overlap,
    Signature,
    Sketch,
    key_of,
    overlap_of,
    search_keys,
)
from newswire.pipeline.duplicates.table import I64

META = b"m"
OWN = b"i"
TEXT = b"t"

META_ROW = struct.Struct(">qQ")
OWN_ROW = struct.Struct(">qQ")
NEVER = -(2**63)
HEAD = struct.Struct(">q16s16s16sBQHQHQHQH")
TAIL = struct.Struct(">8sQ")
SIGNED = 1
TAILED = 2
"""Flags of a head: the row has a signature, the row has a tail."""
_U32 = np.dtype("<u4")
_FLAGS, _BOUND, _COUNT, _BODY = 56, 57, 65, HEAD.size
"""Where a row has its flags, the bound and the count of its shingles, and these themselves."""


class TextRow(NamedTuple):
    """An emitted text: observed (Unix ms), article id (hex), digests of text and URL, signature (None: short text).

    `feed` is a digest of its feed's URL. `root` is the sequence number of the article that it is a revision or an
    update of, else its own; 0 where it is not known.
    """

    observed_ms: int
    id: str
    digest: bytes
    url_digest: bytes
    signature: Signature | None
    feed: bytes = NO_FEED
    root: int = 0

    def keys(self) -> U32:
        """All keys under which the index holds this row, each once."""
        whole = [key_of(b"text", self.digest)]
        if self.url_digest != NO_URL:
            whole.append(key_of(b"url", self.url_digest))
        if self.signature is None:
            return np.array(sorted(set(whole)), dtype=np.uint32)
        return search_keys(self.signature, *whole)

    def encode(self) -> bytes:
        """The row's bytes, in the newest format: about 1.4 kB for a text of 300 words."""
        sketches = _EMPTY if self.signature is None else _sketches(self.signature)
        bounds = [part for sketch in sketches for part in (sketch.bound, len(sketch.values))]
        flags = TAILED | (SIGNED if self.signature is not None else 0)
        head = (bytes.fromhex(self.id), self.digest, self.url_digest, flags)
        arrays = [sketch.values for sketch in sketches]
        if self.signature is not None:
            arrays.append(self.signature.bands)
        body = b"".join(a.astype(_U32).tobytes() for a in arrays)
        return HEAD.pack(self.observed_ms, *head, *bounds) + body + TAIL.pack(self.feed, self.root)


NO_URL = bytes(16)
_NONE = Sketch(np.zeros(0, dtype=np.uint32), 0)
_EMPTY = (_NONE,) * 4


def decode_text(row: bytes) -> TextRow:
    """Read a text row back. Raises struct.error or ValueError for other bytes."""
    observed, id, digest, url, flags, *bounds = HEAD.unpack_from(row)
    until = len(row) - (TAIL.size if flags & TAILED else 0)
    feed, root = TAIL.unpack_from(row, until) if flags & TAILED else (NO_FEED, 0)
    if not flags & SIGNED:
        return TextRow(observed, id.hex(), digest, url, None, feed, root)
    # Of a bytearray, since arrays that cannot be written are another type to compiled code.
    values = np.frombuffer(bytearray(row[HEAD.size : until]), dtype=_U32, count=(until - HEAD.size) // _U32.itemsize)
    end = 0

    def sketch(place: int) -> Sketch:
        nonlocal end
        start, end = end, end + bounds[2 * place + 1]
        return Sketch(values[start:end], bounds[2 * place])

    shingles, numbers, names, starts = sketch(0), sketch(1), sketch(2), sketch(3)
    bands = values[end:]
    if len(bands) != BANDS:
        raise ValueError(f"a text row with {len(bands)} bands")
    return TextRow(observed, id.hex(), digest, url, Signature(shingles, numbers, names, starts, bands), feed, root)


def origin_of(row: bytes) -> tuple[bytes, int]:
    """Feed and root of a text row, as TextRow has them."""
    return TAIL.unpack_from(row, len(row) - TAIL.size) if row[_FLAGS] & TAILED else (NO_FEED, 0)


def is_signed(row: bytes) -> bool:
    """Whether a text row has a signature."""
    return bool(row[_FLAGS] & SIGNED)


def overlaps_with(new: Sketch, rows: Sequence[bytes]) -> list[Overlap]:
    """As signature.overlaps with the shingles of signed text rows, which are not decoded for it."""
    starts = np.fromiter(accumulate(map(len, rows[:-1]), initial=0), dtype=np.int64, count=len(rows))
    joined = np.frombuffer(b"".join(rows), dtype=np.uint8)
    return [overlap_of(*counts) for counts in _overlaps(new.values, new.bound, joined, starts).tolist()]


@compiled
def _overlaps(values: U32, bound: int, rows: U8, starts: I64) -> I64:
    """For each row: the shingles in common, and how many the new text and the row have below both bounds."""
    counts = np.empty((len(starts), 3), dtype=np.int64)
    for number, start in enumerate(starts):
        below = min(bound, _big_endian(rows[start + _BOUND : start + _COUNT]))
        old = np.empty(_big_endian(rows[start + _COUNT : start + _COUNT + 2]), dtype=np.uint32)
        at = start + _BODY
        for place in range(len(old)):
            # Of four bytes the compiler makes one load.
            old[place] = (
                np.uint32(rows[at])
                | np.uint32(rows[at + 1]) << np.uint32(8)
                | np.uint32(rows[at + 2]) << np.uint32(16)
                | np.uint32(rows[at + 3]) << np.uint32(24)
            )
            at += 4
        new_count, old_count = _count_below(values, below), _count_below(old, below)
        new_at, old_at, common = 0, 0, 0
        while new_at < new_count and old_at < old_count:
            # Without a branch, whose way could not be foretold.
            one, other = values[new_at], old[old_at]
            common += one == other
            new_at += one <= other
            old_at += other <= one
        counts[number, 0], counts[number, 1], counts[number, 2] = common, new_count, old_count
    return counts


@compiled
def _big_endian(data: U8) -> int:
    number = 0
    for byte in data:
        number = number << 8 | int(byte)
    return number


@compiled
def _count_below(values: U32, bound: int) -> int:
    count = len(values)
    while count and values[count - 1] >= bound:
        count -= 1
    return count


def observed_of(row: bytes) -> int:
    """When the article of a text row or an own row was observed (Unix ms)."""
    return int.from_bytes(row[:8], signed=True)


def text_key(sequence: int) -> bytes:
    """The state key of a sequence number's text."""
    return TEXT + sequence.to_bytes(8)


def own_key(id: str) -> bytes:
    """The state key of an article id. Raises ValueError when it is not 32 hex digits."""
    key = OWN + bytes.fromhex(id)
    if len(key) != 17:
        raise ValueError(f"not an article id: {id[:80]!r}")
    return key


def _sketches(signature: Signature) -> tuple[Sketch, ...]:
    return signature.shingles, signature.numbers, signature.names, signature.starts
