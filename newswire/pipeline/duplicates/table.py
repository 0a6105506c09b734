"""The hash table of the index: cells by 32-bit keys, in two numpy arrays.

A bucket has sixteen cells, which are compared at once, 6 bytes each; a key's bucket is its share of all buckets, so
that sorted keys have sorted buckets, and a part of the keys is a part of the table.
"""

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.normalise import U32

WIDTH = 16
LOAD_BUILT = 0.55
"""The part of its cells that a table is made for."""

BUCKETS_MIN = 1 << 16
"""With so many, two keys of one bucket differ in their lower 16 bits, which are all that a cell keeps of its key."""

PARTS = 64
"""A table is laid out in so many parts, one after the other."""

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
_PART_BITS = (PARTS - 1).bit_length()
PART_SHIFT = 32 - _PART_BITS
"""The bits of a key from there on are the number of its part."""


class Table:
    """The arrays; what is in them is the caller's. A cell holds a number above 0; 0 is an empty cell."""

    def __init__(self, entries: int) -> None:
        """A table for so many entries."""
        buckets = max(BUCKETS_MIN, int(entries / (LOAD_BUILT * WIDTH)))
        buckets += -buckets % PARTS  # so that no bucket lies in two parts
        self.tags = np.zeros((buckets, WIDTH), dtype=np.uint16)
        self.cells: U32 = np.zeros((buckets, WIDTH), dtype=np.uint32)

    @property
    def size(self) -> int:
        """How many cells there are."""
        return self.cells.size

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.tags.nbytes + self.cells.nbytes

    def buckets(self, keys: U32) -> I64:
        """The bucket of each key."""
        return ((keys.astype(np.uint64) * np.uint64(len(self.cells))) >> np.uint64(32)).astype(np.int64)

    def put(self, buckets: I64, columns: I64, keys: U32, cells: U32 | int) -> None:
        """Fill cells."""
        self.tags[buckets, columns] = keys
        self.cells[buckets, columns] = cells

    def part(self, number: int) -> U64:
        """The entries of a part."""
        size = len(self.cells) // PARTS
        buckets = np.arange(number * size, (number + 1) * size, dtype=np.uint64)
        # The first key of each bucket, rounded up; a cell's key is the one from there on that ends in its tag.
        first = ((buckets << np.uint64(32)) + np.uint64(len(self.cells) - 1)) // np.uint64(len(self.cells))
        used = self.cells[number * size : (number + 1) * size]
        rows, columns = np.nonzero(used)
        begin, own = first[rows], self.tags[number * size + rows, columns].astype(np.uint64)
        return entries(begin + ((own - begin) & np.uint64(0xFFFF)), used[rows, columns])


def part_of(key: int) -> int:
    """The part that a key belongs to."""
    return key >> PART_SHIFT


def entries(keys: NDArray[np.unsignedinteger], cells: NDArray[np.integer]) -> U64:
    """Keys and cells as numbers that sort by key."""
    return (keys.astype(np.uint64) << np.uint64(32)) | cells.astype(np.uint64)


def once(numbers: U64) -> U64:
    """Sorted, each once (np.unique hashes first, and takes twelve times as long)."""
    numbers.sort()
    return numbers[np.concatenate(([True], numbers[1:] != numbers[:-1]))]


def split(numbers: U64) -> list[U64]:
    """The part of each, of entries sorted by key."""
    borders = np.arange(1, PARTS, dtype=np.uint64) << np.uint64(64 - _PART_BITS)
    return np.split(numbers, np.searchsorted(numbers, borders))


def rank(ordered: NDArray[np.integer]) -> I64:
    """The place of each element among its equals, in a sorted array."""
    places = np.arange(len(ordered))
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return places - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
