"""The search index over the emitted texts: which of them share keys with a new one, newest 8 a key.

Its hash table takes about 11 bytes an entry (a Python dict takes 80). A key keeps only the PER_KEY entries that are
newest by (event time, sequence), so that work and memory are bounded whatever repeats. That rule makes the index a
function of the rows that are alive: expired rows are the oldest, so whether they are removed yet cannot change what is
found.
"""

import math
from array import array
from bisect import insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.freed import give_back
from newswire.pipeline.duplicates.signature import U32
from newswire.pipeline.duplicates.table import (
    I64,
    LOAD_BUILT,
    PARTS,
    U64,
    WIDTH,
    Look,
    Table,
    entries,
    once,
    part_of,
    rank,
    split,
)

PER_KEY = 8
LOAD_MAX = 0.65
"""The part of the cells that is taken when a larger table is begun,"""
MOVED_WITHIN = 0.05
"""and how much more of them when the last entry has moved there: a million articles' at once would take seconds."""

GROWTH = 1.5
_LAST = np.iinfo(np.int64).max


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
        self._overflow: dict[int, list[int]] = {}
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
        return self._table.nbytes + old + self._sequences.nbytes + self._observed.nbytes + self._entries.nbytes

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
        self._grow(len(keys))
        cell = self._new_slot(sequence, observed_ms) + 1
        for table, some in self._tables(keys):
            self._add_to(table, some, cell)
        if not self._entries[cell - 1]:
            self._free.append(cell - 1)

    def _add_to(self, table: Table, keys: U32, cell: int) -> None:
        buckets, cells, own = table.look(keys)
        empty = cells == 0
        same = np.count_nonzero(own, axis=1)
        # Sorted keys have sorted buckets: of those that meet in one, the first is placed here and the rest slowly.
        quick = np.concatenate(([True], buckets[1:] != buckets[:-1])) & ~self._spilled(keys)
        simple = quick & (same < PER_KEY) & empty.any(axis=1)
        columns = empty.argmax(axis=1)[simple]
        table.put(buckets[simple], columns, keys[simple], cell)
        self._filled += len(columns)
        self._entries[cell - 1] += len(columns)
        full = quick & (same == PER_KEY)
        self._replace_oldest(table, Look(buckets[full], cells[full], own[full]), cell)
        for place in np.flatnonzero(~(simple | full)).tolist():
            self._add_slowly(table, keys[place : place + 1], cell)

    def remove(self, sequence: int, keys: U32) -> None:
        """Take a text out; `keys` are those it was put in with. Nothing happens when it is not there."""
        gone: list[int] = []
        for table, some in self._tables(keys):
            buckets, cells, mine = table.look(some)
            mine[mine] = self._sequences[cells[mine] - 1] == sequence
            rows, columns = np.nonzero(mine)
            table.cells[buckets[rows], columns] = 0
            self._filled -= len(columns)
            gone += cells[mine].tolist()
        for key in keys[self._spilled(keys)].tolist():
            held = self._overflow.pop(key)
            gone += [cell for cell in held if self._sequences[cell - 1] == sequence]
            if left := [cell for cell in held if self._sequences[cell - 1] != sequence]:
                self._overflow[key] = left
        if gone:
            # A sequence number has one slot.
            slot = gone[0] - 1
            self._entries[slot] -= len(gone)
            if not self._entries[slot]:
                self._free.append(slot)

    def _tables(self, keys: U32) -> Iterator[tuple[Table, U32]]:
        """Which of the keys are looked for in which table."""
        if self._old is None:
            yield self._table, keys
            return
        moved = np.fromiter(map(part_of, keys.tolist()), dtype=np.int64, count=len(keys)) < self._moved
        for table, some in ((self._table, keys[moved]), (self._old, keys[~moved])):
            if len(some):
                yield table, some

    def _match(self, keys: U32) -> I64:
        looks = [table.look(some) for table, some in self._tables(keys)]
        found = [look.cells[look.own].astype(np.int64) - 1 for look in looks]
        spilled = [cell - 1 for key in keys.tolist() if key in self._overflow for cell in self._overflow[key]]
        return np.concatenate((*found, np.array(spilled, dtype=np.int64)))

    def _spilled(self, keys: U32) -> NDArray[np.bool_]:
        return np.fromiter((key in self._overflow for key in keys.tolist()), dtype=np.bool_, count=len(keys))

    def _replace_oldest(self, table: Table, look: Look, cell: int) -> None:
        """Put an entry in the place of each key's oldest one."""
        buckets, cells, own = look
        if not len(buckets):
            return
        slots = np.where(own, cells, 1) - 1
        observed, sequences = self._observed[slots], self._sequences[slots]
        observed[~own] = _LAST
        oldest = observed.min(axis=1)
        sequences[observed != oldest[:, None]] = _LAST
        columns, age = sequences.argmin(axis=1), self._age(cell)
        older = np.array([old < age for old in zip(oldest.tolist(), sequences.min(axis=1).tolist(), strict=True)])
        displaced = cells[older, columns[older]].tolist()
        table.cells[buckets[older], columns[older]] = cell
        self._entries[cell - 1] += len(displaced)
        self._let_go(displaced)

    def _add_slowly(self, table: Table, key: U32, cell: int) -> None:
        """For a key that has spilled, and for one that meets others in its bucket."""
        if (held := self._overflow.get(int(key[0]))) is not None:
            insort(held, cell, key=self._age)
            displaced = held[:-PER_KEY]
            del held[:-PER_KEY]
            if cell not in displaced:
                self._entries[cell - 1] += 1
                self._let_go(displaced)
            return
        look = table.look(key)
        own = look.cells[look.own].tolist()
        empty = np.flatnonzero(look.cells[0] == 0)
        if len(own) == PER_KEY:
            self._replace_oldest(table, look, cell)
            return
        if len(empty):
            table.put(look.buckets, empty[:1], key, cell)
            self._filled += 1
        else:
            # All entries of a key are in one place: in its bucket, or, where that has no room, beside the table.
            self._overflow[int(key[0])] = sorted([*own, cell], key=self._age)
            self._filled -= len(own)
            table.cells[look.buckets[0], look.own[0]] = 0
        self._entries[cell - 1] += 1

    def _age(self, cell: int) -> tuple[int, int]:
        return int(self._observed[cell - 1]), int(self._sequences[cell - 1])

    def _let_go(self, cells: list[int]) -> None:
        """Entries of these texts are gone; a text without any gives its slot back."""
        for cell in cells:
            self._entries[cell - 1] -= 1
            if not self._entries[cell - 1]:
                self._free.append(cell - 1)

    def _new_slot(self, sequence: int, observed_ms: int) -> int:
        if not self._free:
            return int(self._new_slots(np.array([sequence]), np.array([observed_ms]))[0])
        slot = self._free.pop()
        self._sequences[slot], self._observed[slot] = sequence, observed_ms
        return slot

    def _new_slots(self, sequences: I64, observed: I64) -> I64:
        slots = np.arange(self._slots, self._slots + len(sequences))
        self._slots += len(sequences)
        if self._slots > len(self._sequences):
            more = max(self._slots, len(self._sequences) * 5 // 4) - len(self._sequences)
            self._sequences = np.concatenate((self._sequences, np.zeros(more, dtype=np.int64)))
            self._observed = np.concatenate((self._observed, np.zeros(more, dtype=np.int64)))
            self._entries = np.concatenate((self._entries, np.zeros(more, dtype=np.uint16)))
        self._sequences[slots], self._observed[slots] = sequences, observed
        return slots

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
            beside = [key for key in self._overflow if part_of(key) == self._moved]
            spilled = [key << 32 | cell for key in beside for cell in self._overflow.pop(key)]
            self._lay_out(np.sort(np.concatenate((entered, np.array(spilled, dtype=np.uint64)))))
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
        spilled: dict[int, list[int]] = {}
        for key, cell in zip(keys[~fits].tolist(), cells[~fits].tolist(), strict=True):
            spilled.setdefault(key, []).append(cell)
        for key, held in spilled.items():
            self._overflow[key] = sorted(held, key=self._age)
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
