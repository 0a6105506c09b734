"""The search index over the emitted texts: which of them share keys with a new one, newest 8 a key.

A hash table in two numpy arrays, buckets of eight cells that are compared at once, 8 bytes a cell and about 18 bytes
an entry (a Python dict takes 80). A key keeps only the PER_KEY entries that are newest by (event time, sequence), so
that work and memory are bounded whatever repeats. That rule makes the index a function of the rows that are alive:
expired rows are the oldest, so whether they are removed yet cannot change what is found.
"""

from bisect import insort
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.signature import U32

PER_KEY = 8
WIDTH = 8
LOAD_MAX = 0.6
_BITS_MIN = 6

I64 = NDArray[np.int64]


class CopyIndex:
    """Maps 32-bit keys to sequence numbers. Not thread-safe; memory only, rebuilt with `build`."""

    def __init__(self) -> None:
        self._bits = _BITS_MIN
        self._tags: U32 = np.zeros((1 << self._bits, WIDTH), dtype=np.uint32)
        # A cell holds its slot's number plus one; 0 is an empty cell.
        self._cells: U32 = np.zeros((1 << self._bits, WIDTH), dtype=np.uint32)
        self._overflow: dict[int, list[int]] = {}
        self._filled = 0
        self._sequences: I64 = np.zeros(16, dtype=np.int64)
        self._observed: I64 = np.zeros(16, dtype=np.int64)
        self._free: list[int] = []
        self._slots = 0

    def __len__(self) -> int:
        """Texts in the index."""
        return self._slots - len(self._free)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self._tags.nbytes + self._cells.nbytes + self._sequences.nbytes + self._observed.nbytes

    def build(self, rows: Iterable[tuple[int, int, U32]]) -> None:
        """Fill an empty index from (sequence, observed in Unix ms, unique keys), in any order."""
        keys: list[U32] = []
        for sequence, observed, own in rows:
            self._new_slot(sequence, observed)
            keys.append(own)
        if not keys:
            return
        tags = np.concatenate(keys)
        slots = np.repeat(np.arange(len(keys), dtype=np.uint32), [len(own) for own in keys])
        order = np.lexsort((-self._sequences[slots], -self._observed[slots], tags))
        tags, slots = tags[order], slots[order]
        kept = _rank(tags) < PER_KEY
        tags, slots = tags[kept], slots[kept]
        while len(tags) > LOAD_MAX * WIDTH * (1 << self._bits):
            self._bits += 1
        self._place(tags, slots + np.uint32(1))

    def find(self, keys: U32, earliest_ms: int, limit: int) -> list[int]:
        """Sequence numbers of up to `limit` texts that share keys, those with the most shared first.

        Only texts observed at `earliest_ms` or later; ties go to the smaller number. `keys` must be unique.
        """
        slots = self._match(keys)
        slots = slots[self._observed[slots] >= earliest_ms]
        if not len(slots):
            return []
        slots.sort()
        starts = np.flatnonzero(np.concatenate(([True], slots[1:] != slots[:-1])))
        counts = np.diff(np.append(starts, len(slots)))
        sequences = self._sequences[slots[starts]]
        found: list[int] = sequences[np.lexsort((sequences, -counts))[:limit]].tolist()
        return found

    def add(self, sequence: int, observed_ms: int, keys: U32) -> None:
        """Put a text in under its keys, unique and in order, at least one."""
        if self._filled + len(keys) > LOAD_MAX * self._cells.size:
            self._grow()
        cell = self._new_slot(sequence, observed_ms) + 1
        buckets = keys >> np.uint32(32 - self._bits)
        tags, cells = self._tags[buckets], self._cells[buckets]
        empty = cells == 0
        same = np.count_nonzero((tags == keys[:, None]) & ~empty, axis=1)
        # Sorted keys have sorted buckets: of those that meet in one, the first is placed here and the rest slowly.
        quick = np.concatenate(([True], buckets[1:] != buckets[:-1]))
        spilled = self._spilled(keys)
        simple = quick & ~spilled & empty.any(axis=1) & (same < PER_KEY)
        columns = empty.argmax(axis=1)[simple]
        self._tags[buckets[simple], columns] = keys[simple]
        self._cells[buckets[simple], columns] = cell
        self._filled += len(columns)
        # A full key has its bucket to itself, since a bucket is as wide.
        full = quick & ~spilled & (same == WIDTH)
        self._replace_oldest(buckets[full], cells[full], cell)
        for key in keys[~(simple | full)].tolist():
            self._add_slowly(key, cell)

    def remove(self, sequence: int, keys: U32) -> None:
        """Take a text out; `keys` are those it was put in with. Nothing happens when it is not there."""
        buckets = keys >> np.uint32(32 - self._bits)
        cells = self._cells[buckets]
        mine = (self._tags[buckets] == keys[:, None]) & (cells != 0)
        mine[mine] = self._sequences[cells[mine] - 1] == sequence
        gone = set(cells[mine].tolist())
        rows, columns = np.nonzero(mine)
        self._cells[buckets[rows], columns] = 0
        self._filled -= len(columns)
        for key in keys[self._spilled(keys)].tolist():
            held = self._overflow.pop(key)
            gone.update(cell for cell in held if self._sequences[cell - 1] == sequence)
            if left := [cell for cell in held if self._sequences[cell - 1] != sequence]:
                self._overflow[key] = left
        self._free.extend(cell - 1 for cell in gone)

    def _match(self, keys: U32) -> I64:
        buckets = keys >> np.uint32(32 - self._bits)
        cells = self._cells[buckets]
        found = cells[(self._tags[buckets] == keys[:, None]) & (cells != 0)].astype(np.int64) - 1
        spilled = [cell - 1 for key in keys.tolist() if key in self._overflow for cell in self._overflow[key]]
        return np.concatenate((found, np.array(spilled, dtype=np.int64))) if spilled else found

    def _spilled(self, keys: U32) -> NDArray[np.bool_]:
        return np.fromiter((key in self._overflow for key in keys.tolist()), dtype=np.bool_, count=len(keys))

    def _replace_oldest(self, buckets: U32, cells: U32, cell: int) -> None:
        """Put an entry in the place of each bucket's oldest one; `cells` are what the buckets hold, all of it."""
        if not len(buckets):
            return
        observed, sequences = self._observed[cells - np.uint32(1)], self._sequences[cells - np.uint32(1)]
        oldest = observed.min(axis=1)
        sequences[observed != oldest[:, None]] = np.iinfo(np.int64).max
        columns, own = sequences.argmin(axis=1), self._age(cell)
        older = [age < own for age in zip(oldest.tolist(), sequences.min(axis=1).tolist(), strict=True)]
        self._cells[buckets[older], columns[older]] = cell

    def _add_slowly(self, key: int, cell: int) -> None:
        """For a key that has spilled, and for one that meets others in its bucket."""
        if (held := self._overflow.get(key)) is not None:
            if self._age(held[-1]) < self._age(cell):
                held.append(cell)
            else:
                insort(held, cell, key=self._age)
            del held[:-PER_KEY]
            return
        bucket = key >> (32 - self._bits)
        tags, cells = self._tags[bucket], self._cells[bucket]
        own = np.flatnonzero((tags == key) & (cells != 0))
        empty = np.flatnonzero(cells == 0)
        if len(own) == WIDTH:
            self._replace_oldest(np.array([bucket], dtype=np.uint32), cells[None], cell)
        elif len(empty):
            tags[empty[0]], cells[empty[0]] = key, cell
            self._filled += 1
        else:
            self._spill(key, [*cells[own].tolist(), cell])
            cells[own] = 0
            self._filled -= len(own)

    def _spill(self, key: int, cells: list[int]) -> None:
        """Keep all entries of a key beside the table, the oldest first."""
        self._overflow[key] = sorted(cells, key=self._age)

    def _age(self, cell: int) -> tuple[int, int]:
        return int(self._observed[cell - 1]), int(self._sequences[cell - 1])

    def _new_slot(self, sequence: int, observed_ms: int) -> int:
        if self._free:
            slot = self._free.pop()
        else:
            slot = self._slots
            self._slots += 1
            if slot == len(self._sequences):
                self._sequences = np.concatenate((self._sequences, np.zeros_like(self._sequences)))
                self._observed = np.concatenate((self._observed, np.zeros_like(self._observed)))
        self._sequences[slot], self._observed[slot] = sequence, observed_ms
        return slot

    def _grow(self) -> None:
        used = self._cells != 0
        tags, cells = self._tags[used], self._cells[used]
        spilled = [(key, cell) for key, held in self._overflow.items() for cell in held]
        if spilled:
            tags = np.concatenate((tags, np.array([key for key, _ in spilled], dtype=np.uint32)))
            cells = np.concatenate((cells, np.array([cell for _, cell in spilled], dtype=np.uint32)))
        order = np.argsort(tags, kind="stable")
        self._bits += 1
        self._place(tags[order], cells[order])

    def _place(self, tags: U32, cells: U32) -> None:
        """Lay out entries, sorted by key, in fresh arrays of 2^bits buckets."""
        self._tags = np.zeros((1 << self._bits, WIDTH), dtype=np.uint32)
        self._cells = np.zeros((1 << self._bits, WIDTH), dtype=np.uint32)
        buckets = tags >> np.uint32(32 - self._bits)
        ranks = _rank(buckets)
        # All entries of a key are in one place: in its bucket, or, when that has no room for them, beside the table.
        fits = ~np.isin(tags, tags[ranks >= WIDTH])
        self._tags[buckets[fits], ranks[fits]] = tags[fits]
        self._cells[buckets[fits], ranks[fits]] = cells[fits]
        self._filled = int(np.count_nonzero(fits))
        spilled: dict[int, list[int]] = {}
        for key, cell in zip(tags[~fits].tolist(), cells[~fits].tolist(), strict=True):
            spilled.setdefault(key, []).append(cell)
        self._overflow = {}
        for key, held in spilled.items():
            self._spill(key, held)


def _rank(ordered: U32) -> I64:
    """The place of each element among its equals, in a sorted array."""
    places = np.arange(len(ordered))
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return places - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
