"""What a new text shares with the rows of emitted ones: a compiled pass over the bytes of the rows."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.boilerplate import boilerplate
from newswire.pipeline.duplicates.compiled import compiled
from newswire.pipeline.duplicates.normalise import U8, U32
from newswire.pipeline.duplicates.rows import BODY, BOUND, COUNT, FLAGS, TAIL, TAILED
from newswire.pipeline.duplicates.signature import Sketch
from newswire.pipeline.duplicates.table import I64

_FILTER = 1 << 13
_TAIL, _FEED = TAIL.size, 8
"""Bytes of a row's tail, and of the feed's digest, with which it begins."""


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
        if rows[start + FLAGS] & TAILED and rows[tail : tail + _FEED].any():
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
        below = min(bound, _big_endian(rows[start + BOUND : start + COUNT]))
        bounds[number] = below
        # Not signed, since for signed places compiled code looks whether they count from the end.
        common, old_count, at = 0, 0, np.uint64(start + BODY)
        for _ in range(_big_endian(rows[start + COUNT : start + COUNT + 2])):
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
