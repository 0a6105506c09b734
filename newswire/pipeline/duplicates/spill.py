"""The entries of keys whose buckets have no room: a hash table of keys with open addressing, PER_KEY cells a key.

All entries of a key are in one place, in its bucket or here. A key stays here, if need be without entries, until the
arrays are made anew.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.compiled import compiled
from newswire.pipeline.duplicates.normalise import U32
from newswire.pipeline.duplicates.table import PART_SHIFT, U64, entries

PER_KEY = 8
"""Entries that a key has at most."""

_ROWS_MIN = 1_024
_SPREAD = 0x9E37_79B1  # Knuth's multiplicative hashing: the keys of a crowded bucket are neighbours


class Spilled(NamedTuple):
    """By row a key, whether the row is taken, and the key's cells, 0 where there is none."""

    keys: U32
    taken: NDArray[np.bool_]
    cells: U32


class Spill:
    """The arrays, which are made larger in time; what is in their rows is the caller's."""

    def __init__(self) -> None:
        """Without a key. `count` is how many rows are taken."""
        self.rows = _fresh(_ROWS_MIN)
        self.count = 0

    def __len__(self) -> int:
        """Entries that are here."""
        return int(np.count_nonzero(self.rows.cells))

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.rows)

    def reserve(self, more: int) -> None:
        """Have rows for so many more keys."""
        if 2 * (self.count + more) > len(self.rows.keys):
            self._make_anew((self.rows.cells != 0).max(axis=1), more)

    def take_part(self, part: int) -> U64:
        """Take out all entries of a part of the keys (see table), as numbers that sort by key."""
        within = self.rows.taken & (self.rows.keys >> np.uint32(PART_SHIFT) == part)
        rows, columns = np.nonzero(self.rows.cells * within[:, None])
        taken = entries(self.rows.keys[rows], self.rows.cells[rows, columns])
        if within.any():
            self._make_anew(self.rows.taken & ~within, 0)
        return taken

    def _make_anew(self, kept: NDArray[np.bool_], more: int) -> None:
        size = _ROWS_MIN
        while size < 3 * (np.count_nonzero(kept) + more):
            size *= 2
        old, self.rows, self.count = self.rows, _fresh(size), int(np.count_nonzero(kept))
        _copy(*self.rows, old.keys[kept], old.cells[kept])


@compiled
def first_row(keys: U32, key: int) -> int:
    """The row where a key is looked for first."""
    return (int(key) * _SPREAD >> 7) & (len(keys) - 1)


@compiled
def row_of(keys: U32, taken: NDArray[np.bool_], key: int) -> int:
    """The row of a key, or the empty one that it would have."""
    row = first_row(keys, key)
    while taken[row] and keys[row] != key:
        row = (row + 1) & (len(keys) - 1)
    return row


@compiled
def _copy(keys: U32, taken: NDArray[np.bool_], cells: U32, some: U32, their_cells: U32) -> None:
    for place, key in enumerate(some):
        row = row_of(keys, taken, key)
        keys[row], taken[row] = key, True
        cells[row] = their_cells[place]


def _fresh(rows: int) -> Spilled:
    return Spilled(
        np.zeros(rows, dtype=np.uint32), np.zeros(rows, dtype=np.bool_), np.zeros((rows, PER_KEY), dtype=np.uint32)
    )
