"""The search index over the emitted texts: which of them share keys with a new one, newest 8 a key.

Its hash table takes about 11 bytes an entry (a Python dict takes 80). A key keeps only the PER_KEY entries that are
newest by (event time, sequence), so that work and memory are bounded whatever repeats. That rule makes the index a
function of the rows that are alive: expired rows are the oldest, so whether they are removed yet cannot change what is
found.
"""

import math
from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from newswire.pipeline.duplicates.cells import Cells, Slots, cells_of, find_shared, put_in, spill, take_out
from newswire.pipeline.duplicates.normalise import U32
from newswire.pipeline.duplicates.spill import PER_KEY, Spill
from newswire.pipeline.duplicates.table import (
    I64,
    LOAD_BUILT,
    PARTS,
    U64,
    WIDTH,
    Table,
    entries,
    once,
    rank,
    split,
)
from newswire.pipeline.freed import give_back

LOAD_MAX = 0.65
"""The part of the cells that is taken when a larger table is begun,"""
MOVED_WITHIN = 0.05
"""and how much more of them when the last entry has moved there: a million articles' at once would take seconds."""

GROWTH = 1.5


class Texts(NamedTuple):
    """Some texts for the index: sequence and observed (Unix ms) of each; all their keys, with the text's place here."""

    sequences: I64
    observed: I64
    keys: U32
    owners: I64


class CopyIndex:
    """Maps 32-bit keys to sequence numbers. Not thread-safe; memory only, rebuilt with `build`."""

    def __init__(self) -> None:
        # The new table and, while it grows, the one that entries still move from, part by part.
        self._table = Table(0)
        self._old: Table | None = None
        self._moved = 0
        self._grows_from = 0
        self._spill = Spill()
        self._filled = 0
        self._sequences: I64 = np.zeros(16, dtype=np.int64)
        self._observed: I64 = np.zeros(16, dtype=np.int64)
        # How many entries each text has: one that newer texts have displaced from all its keys gives its slot back.
        self._entries = np.zeros(16, dtype=np.uint16)
        self._free: list[int] = []
        self._slots = 0

    def __len__(self) -> int:
        """Texts in the index."""
        return self._slots - len(self._free)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        old = self._old.nbytes if self._old is not None else 0
        slots = self._sequences.nbytes + self._observed.nbytes + self._entries.nbytes
        return self._table.nbytes + old + self._spill.nbytes + slots

    def build(self, texts: Iterable[Texts]) -> None:
        """Fill an empty index, in any order."""
        for _ in self.building(texts):
            pass

    def building(self, texts: Iterable[Texts]) -> Iterator[None]:
        """Fill an empty index, in any order; stops after each piece of the work, so that others get their turn."""
        parts = [array("Q") for _ in range(PARTS)]
        for some in texts:
            slots = self._new_slots(some.sequences, some.observed)
            sorted_ = once(entries(some.keys, slots[some.owners] + 1))
            for part, own in zip(parts, split(sorted_), strict=True):
                part.frombytes(own.tobytes())
            yield
        self._table = Table(sum(map(len, parts)))
        while parts:
            # What it is made of goes as the table comes.
            cells = self._lay_out(np.sort(np.frombuffer(parts.pop(0), dtype=np.uint64)))
            counts = np.bincount(cells, minlength=self._slots + 1)[1:]
            self._entries[: self._slots] += counts.astype(np.uint16)
            yield
        self._free.extend(np.flatnonzero(self._entries[: self._slots] == 0).tolist())
        give_back()

    def find(self, keys: U32, earliest_ms: int, limit: int) -> list[int]:
        """Sequence numbers of up to `limit` texts that share keys, those with the most shared first.

        Only texts observed at `earliest_ms` or later; ties go to the smaller number. `keys` must be unique.
        """
        found: list[int] = find_shared(*self._cells(), *self._by_slot(), keys, earliest_ms, limit).tolist()
        return found

    def add(self, sequence: int, observed_ms: int, keys: U32) -> None:
        """Put a text in under its keys, unique and in order, at least one."""
        self._grow(len(keys))
        cell = self._new_slot(sequence, observed_ms) + 1
        self._spill.reserve(len(keys))
        filled, rows, freed = put_in(*self._cells(), *self._by_slot(), keys, cell)
        self._filled += filled
        self._spill.count += rows
        self._free.extend(freed.tolist())
        if not self._entries[cell - 1]:
            self._free.append(cell - 1)

    def remove(self, sequence: int, keys: U32) -> None:
        """Take a text out; `keys` are those it was put in with. Nothing happens when it is not there."""
        count, in_table, slot = take_out(*self._cells(), self._sequences, keys, sequence)
        self._filled -= in_table
        if count:
            # A sequence number has one slot.
            self._entries[slot] -= count
            if not self._entries[slot]:
                self._free.append(slot)

    def _cells(self) -> Cells:
        return cells_of(self._table, self._old, self._moved, self._spill.rows)

    def _by_slot(self) -> Slots:
        return Slots(self._sequences, self._observed, self._entries)

    def _new_slot(self, sequence: int, observed_ms: int) -> int:
        if not self._free:
            self._make_room(1)
            self._free.append(self._slots)
            self._slots += 1
        slot = self._free.pop()
        self._sequences[slot], self._observed[slot] = sequence, observed_ms
        return slot

    def _new_slots(self, sequences: I64, observed: I64) -> I64:
        self._make_room(len(sequences))
        slots = np.arange(self._slots, self._slots + len(sequences))
        self._slots += len(sequences)
        self._sequences[slots], self._observed[slots] = sequences, observed
        return slots

    def _make_room(self, more: int) -> None:
        needed = self._slots + more
        if needed > len(self._sequences):
            more = max(needed, len(self._sequences) * 5 // 4) - len(self._sequences)
            self._sequences = np.concatenate((self._sequences, np.zeros(more, dtype=np.int64)))
            self._observed = np.concatenate((self._observed, np.zeros(more, dtype=np.int64)))
            self._entries = np.concatenate((self._entries, np.zeros(more, dtype=np.uint16)))

    def _grow(self, more: int) -> None:
        """Begin a larger table where so many more entries are too many, and move what is due to move there."""
        if self._old is None:
            if self._filled + more <= LOAD_MAX * self._table.size:
                return
            self._old, self._table = self._table, Table(int(GROWTH * LOAD_BUILT * self._table.size))
            self._moved, self._grows_from = 0, self._filled
        due = math.ceil(PARTS * (self._filled + more - self._grows_from) / (MOVED_WITHIN * self._old.size))
        while self._moved < min(due, PARTS):
            entered = self._old.part(self._moved)
            self._filled -= len(entered)
            self._lay_out(np.sort(np.concatenate((entered, self._spill.take_part(self._moved)))))
            self._moved += 1
        if self._moved == PARTS:
            self._old = None

    def _lay_out(self, part: U64) -> U32:
        """Put entries, sorted and each once, into their part of a fresh table. Returns the cells of those kept."""
        keys, cells = self._newest((part >> np.uint64(32)).astype(np.uint32), part.astype(np.uint32))
        if not len(keys):
            return cells
        buckets = self._table.buckets(keys)
        columns = rank(buckets)
        group = np.cumsum(np.concatenate(([False], keys[1:] != keys[:-1])))
        crowded = np.zeros(group[-1] + 1, dtype=np.bool_)
        crowded[group[columns >= WIDTH]] = True
        fits = ~crowded[group]
        self._table.put(buckets[fits], columns[fits], keys[fits], cells[fits])
        self._filled += int(np.count_nonzero(fits))
        if not fits.all():
            self._spill.reserve(int(np.count_nonzero(crowded)))
            self._spill.count += spill(*self._spill.rows, keys[~fits], cells[~fits])
        return cells

    def _newest(self, keys: U32, cells: U32) -> tuple[U32, U32]:
        """Of entries sorted by key, the PER_KEY newest of each key."""
        sizes = np.diff(np.append(np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))), len(keys)))
        many = np.flatnonzero(np.repeat(sizes, sizes) > PER_KEY)
        if not len(many):
            return keys, cells
        slots = cells[many] - np.uint32(1)
        # The newest first; each key keeps its place among the others.
        order = np.lexsort((-self._sequences[slots], -self._observed[slots], keys[many]))
        cells[many] = cells[many][order]
        kept = np.ones(len(keys), dtype=np.bool_)
        kept[many] = rank(keys[many]) < PER_KEY
        return keys[kept], cells[kept]
