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
from numpy.typing import NDArray

from newswire.pipeline.duplicates.boilerplate import NO_FEED, boilerplate
from newswire.pipeline.duplicates.compiled import compiled
from newswire.pipeline.duplicates.normalise import U8, U32
from newswire.pipeline.duplicates.signature import (
    BANDS,
    Signature,
    Sketch,
    key_of,
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
_FILTER = 1 << 13
_FLAGS, _BOUND, _COUNT, _BODY = 56, 57, 65, HEAD.size
_TAIL, _FEED = TAIL.size, 8
"""Where a row has its flags, the bound and the count of its shingles, and these themselves; the bytes of its tail, and
of the feed's digest, with which it begins."""


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


def shared_with(new: Sketch, rows: Sequence[bytes], sequences: Sequence[int]) -> list[list[int]]:
    """What a text shares with signed text rows, which are not decoded for it: for each row the shingles in common, and
    how many the text and the row have where both are complete, boilerplate left out.

    `sequences`: the rows' sequence numbers.
    """
    ends = np.fromiter(accumulate(map(len, rows)), dtype=np.int64, count=len(rows))
    joined = np.frombuffer(b"".join(rows), dtype=np.uint8)
    shared: list[list[int]] = _shared(new.values, new.bound, joined, ends, np.array(sequences)).tolist()
    return shared


@compiled
def _shared(values: U32, bound: int, rows: U8, ends: I64, sequences: I64) -> I64:
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1]
    articles = np.empty((len(starts), 2), dtype=np.int64)
    for number, start in enumerate(starts):
        # As origin_of has it; a feed's number is that of its first row.
        articles[number, 0], articles[number, 1] = -1, sequences[number]
        tail = ends[number] - _TAIL
        if rows[start + _FLAGS] & TAILED and rows[tail : tail + _FEED].any():
            articles[number, 0] = number
            for before in range(number - 1, -1, -1):
                other = ends[before] - _TAIL
                if articles[before, 0] >= 0 and (rows[other : other + _FEED] == rows[tail : tail + _FEED]).all():
                    articles[number, 0] = articles[before, 0]
            root = _big_endian(rows[tail + _FEED : ends[number]])
            articles[number, 1] = root if root else sequences[number]
    held = np.zeros((len(starts), len(values)), dtype=np.bool_)
    bounds, counts = np.empty(len(starts), dtype=np.int64), np.zeros((len(starts), 3), dtype=np.int64)
    # The text's shingles in a set with open addressing, where each stands, and a filter that spares most look-ups.
    size = 16
    while size < 2 * len(values):
        size *= 2
    members, places = np.empty(size, dtype=np.uint32), np.full(size, -1, dtype=np.int32)
    maybe = np.zeros(_FILTER, dtype=np.bool_)
    for place, value in enumerate(values):
        cell = _cell(value, members, places)
        members[cell], places[cell] = value, place
        maybe[value & (_FILTER - 1)] = True
    for number, start in enumerate(starts):
        below = min(bound, _big_endian(rows[start + _BOUND : start + _COUNT]))
        bounds[number] = below
        # Not signed, since for signed places compiled code looks whether they count from the end.
        common, old_count, at = 0, 0, np.uint64(start + _BODY)
        for _ in range(_big_endian(rows[start + _COUNT : start + _COUNT + 2])):
            # Of four bytes the compiler makes one load.
            value = (
                np.uint32(rows[at])
                | np.uint32(rows[at + np.uint64(1)]) << np.uint32(8)
                | np.uint32(rows[at + np.uint64(2)]) << np.uint32(16)
                | np.uint32(rows[at + np.uint64(3)]) << np.uint32(24)
            )
            at += np.uint64(4)
            old_count += 1 if value < below else 0
            if maybe[value & (_FILTER - 1)]:
                found = int(places[_cell(value, members, places)])
                if found >= 0:
                    held[number, found] = True
                    common += 1
        counts[number, 0], counts[number, 1], counts[number, 2] = common, len(values), old_count
        while counts[number, 1] and values[counts[number, 1] - 1] >= below:
            counts[number, 1] -= 1
    for shingle in np.flatnonzero(boilerplate(held, articles)):
        for number in range(len(starts)):
            counts[number, 0] -= held[number, shingle]
            counts[number, 1] -= values[shingle] < bounds[number]
            counts[number, 2] -= held[number, shingle]
    return counts


@compiled
def _cell(value: np.uint32, members: U32, places: NDArray[np.int32]) -> int:
    """The cell of a shingle in a set, or the empty one that it would have. Its lower bits: the upper ones are alike."""
    cell = int(value) & (len(members) - 1)
    while places[cell] >= 0 and members[cell] != value:
        cell = (cell + 1) & (len(members) - 1)
    return cell


@compiled
def _big_endian(data: U8) -> int:
    number = 0
    for byte in data:
        number = number << 8 | int(byte)
    return number


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
