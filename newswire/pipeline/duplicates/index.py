"""The search index over the emitted texts: which of them share keys with a new one, newest 8 a key.

A hash table in two numpy arrays, buckets of sixteen cells that are compared at once, 6 bytes a cell and about 11 bytes
an entry (a Python dict takes 80). A key keeps only the PER_KEY entries that are newest by (event time, sequence), so
that work and memory are bounded whatever repeats. That rule makes the index a function of the rows that are alive:
expired rows are the oldest, so whether they are removed yet cannot change what is found.
"""

from array import array
from bisect import insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.signature import U32

PER_KEY = 8
WIDTH = 16
LOAD_MAX = 0.65
LOAD_BUILT = 0.55
"""The part of the cells that is taken before the table grows, and after it was built."""

GROWTH = 1.5
BUCKETS_MIN = 1 << 16
"""With so many, two keys of one bucket differ in their lower 16 bits, which are all that a cell keeps of its key."""

PARTS = 64
"""The table is laid out in so many parts, one after the other: what it is made of goes as the table comes."""

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
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
        self._overflow: dict[int, list[int]] = {}
        self._filled = 0
        self._sequences: I64 = np.zeros(16, dtype=np.int64)
        self._observed: I64 = np.zeros(16, dtype=np.int64)
        # How many entries each text has: one that newer texts have displaced from all its keys gives its slot back.
        self._entries = np.zeros(16, dtype=np.uint16)
        self._free: list[int] = []
        self._slots = 0
        self._allot(0)

    def __len__(self) -> int:
        """Texts in the index."""
        return self._slots - len(self._free)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays = (self._tags, self._cells, self._sequences, self._observed, self._entries)
        return sum(each.nbytes for each in arrays)

    def build(self, texts: Iterable[Texts]) -> None:
        """Fill an empty index, in any order."""
        for _ in self.building(texts):
            pass

    def building(self, texts: Iterable[Texts]) -> Iterator[None]:
        """Fill an empty index, in any order; stops after each piece of the work, so that others get their turn."""
        parts = [array("Q") for _ in range(PARTS)]
        for some in texts:
            slots = self._new_slots(some.sequences, some.observed)
            entries = _once(_entries(some.keys, slots[some.owners] + 1))
            for part, own in zip(parts, _split(entries), strict=True):
                part.frombytes(own.tobytes())
            yield
        self._allot(sum(map(len, parts)))
        while parts:
            self._lay_out(np.sort(np.frombuffer(parts.pop(0), dtype=np.uint64)))
            yield
        self._free.extend(np.flatnonzero(self._entries[: self._slots] == 0).tolist())

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
        buckets = self._buckets(keys)
        cells = self._cells[buckets]
        empty = cells == 0
        own = (self._tags[buckets] == keys.astype(np.uint16)[:, None]) & ~empty
        same = np.count_nonzero(own, axis=1)
        # Sorted keys have sorted buckets: of those that meet in one, the first is placed here and the rest slowly.
        quick = np.concatenate(([True], buckets[1:] != buckets[:-1])) & ~self._spilled(keys)
        simple = quick & (same < PER_KEY) & empty.any(axis=1)
        columns = empty.argmax(axis=1)[simple]
        self._tags[buckets[simple], columns] = keys[simple]
        self._cells[buckets[simple], columns] = cell
        self._filled += len(columns)
        self._entries[cell - 1] = len(columns)
        full = quick & (same == PER_KEY)
        self._replace_oldest(buckets[full], cells[full], own[full], cell)
        for key in keys[~(simple | full)].tolist():
            self._add_slowly(key, cell)
        if not self._entries[cell - 1]:
            self._free.append(cell - 1)

    def remove(self, sequence: int, keys: U32) -> None:
        """Take a text out; `keys` are those it was put in with. Nothing happens when it is not there."""
        buckets = self._buckets(keys)
        cells = self._cells[buckets]
        mine = (self._tags[buckets] == keys.astype(np.uint16)[:, None]) & (cells != 0)
        mine[mine] = self._sequences[cells[mine] - 1] == sequence
        rows, columns = np.nonzero(mine)
        self._cells[buckets[rows], columns] = 0
        self._filled -= len(columns)
        gone: list[int] = cells[mine].tolist()
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

    def _buckets(self, keys: U32) -> I64:
        buckets = (keys.astype(np.uint64) * np.uint64(len(self._cells))) >> np.uint64(32)
        return buckets.astype(np.int64)

    def _match(self, keys: U32) -> I64:
        buckets = self._buckets(keys)
        cells = self._cells[buckets]
        own = (self._tags[buckets] == keys.astype(np.uint16)[:, None]) & (cells != 0)
        found = cells[own].astype(np.int64) - 1
        spilled = [cell - 1 for key in keys.tolist() if key in self._overflow for cell in self._overflow[key]]
        return np.concatenate((found, np.array(spilled, dtype=np.int64))) if spilled else found

    def _spilled(self, keys: U32) -> NDArray[np.bool_]:
        return np.fromiter((key in self._overflow for key in keys.tolist()), dtype=np.bool_, count=len(keys))

    def _replace_oldest(self, buckets: I64, cells: U32, own: NDArray[np.bool_], cell: int) -> None:
        """Put an entry in the place of each key's oldest one; `own` are the key's cells among those of its bucket."""
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
        self._cells[buckets[older], columns[older]] = cell
        self._entries[cell - 1] += len(displaced)
        self._let_go(displaced)

    def _add_slowly(self, key: int, cell: int) -> None:
        """For a key that has spilled, and for one that meets others in its bucket."""
        slot = cell - 1
        if (held := self._overflow.get(key)) is not None:
            insort(held, cell, key=self._age)
            displaced = held[:-PER_KEY]
            del held[:-PER_KEY]
            if cell not in displaced:
                self._entries[slot] += 1
                self._let_go(displaced)
            return
        keys = np.array([key], dtype=np.uint32)
        bucket = self._buckets(keys)
        tags, cells = self._tags[bucket[0]], self._cells[bucket[0]]
        own = (tags == keys.astype(np.uint16)) & (cells != 0)
        empty = np.flatnonzero(cells == 0)
        if np.count_nonzero(own) == PER_KEY:
            self._replace_oldest(bucket, cells[None], own[None], cell)
        elif len(empty):
            tags[empty[0]], cells[empty[0]] = keys.astype(np.uint16)[0], cell
            self._filled += 1
            self._entries[slot] += 1
        else:
            # All entries of a key are in one place: in its bucket, or, where that has no room, beside the table.
            self._overflow[key] = sorted([*cells[own].tolist(), cell], key=self._age)
            self._filled -= int(np.count_nonzero(own))
            cells[own] = 0
            self._entries[slot] += 1

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

    def _allot(self, entries: int) -> None:
        """A fresh table for so many entries."""
        buckets = max(BUCKETS_MIN, int(entries / (LOAD_BUILT * WIDTH)))
        buckets += -buckets % PARTS  # so that no bucket lies in two parts
        self._tags = np.zeros((buckets, WIDTH), dtype=np.uint16)
        # A cell holds its slot's number plus one; 0 is an empty cell.
        self._cells: U32 = np.zeros((buckets, WIDTH), dtype=np.uint32)
        self._filled, self._overflow = 0, {}

    def _grow(self) -> None:
        tags, cells = self._tags, self._cells
        spilled = [key << 32 | cell for key, held in self._overflow.items() for cell in held]
        beside = _split(np.array(sorted(spilled), dtype=np.uint64))
        self._entries[:] = 0
        self._allot(int(GROWTH * LOAD_BUILT * cells.size))
        size = len(cells) // PARTS
        for part in range(PARTS):
            buckets = np.arange(part * size, (part + 1) * size, dtype=np.uint64)
            # The first key of each bucket, rounded up; a cell's key is the one from there on that ends in its tag.
            first = ((buckets << np.uint64(32)) + np.uint64(len(cells) - 1)) // np.uint64(len(cells))
            used = cells[part * size : (part + 1) * size]
            rows, columns = np.nonzero(used)
            begin, own = first[rows], tags[part * size + rows, columns].astype(np.uint64)
            keys = begin + ((own - begin) & np.uint64(0xFFFF))
            self._lay_out(np.sort(np.concatenate((_entries(keys, used[rows, columns]), beside[part]))))

    def _lay_out(self, entries: U64) -> None:
        """Put entries, sorted and each once, into their part of a fresh table."""
        keys, cells = (entries >> np.uint64(32)).astype(np.uint32), entries.astype(np.uint32)
        keys, cells = self._newest(keys, cells)
        if not len(keys):
            return
        buckets = self._buckets(keys)
        ranks = _rank(buckets)
        group = np.cumsum(np.concatenate(([False], keys[1:] != keys[:-1])))
        crowded = np.zeros(group[-1] + 1, dtype=np.bool_)
        crowded[group[ranks >= WIDTH]] = True
        fits = ~crowded[group]
        self._tags[buckets[fits], ranks[fits]] = keys[fits]
        self._cells[buckets[fits], ranks[fits]] = cells[fits]
        self._filled += int(np.count_nonzero(fits))
        spilled: dict[int, list[int]] = {}
        for key, cell in zip(keys[~fits].tolist(), cells[~fits].tolist(), strict=True):
            spilled.setdefault(key, []).append(cell)
        for key, held in spilled.items():
            self._overflow[key] = sorted(held, key=self._age)
        counts = np.bincount(cells, minlength=self._slots + 1)[1 : self._slots + 1]
        self._entries[: self._slots] += counts.astype(np.uint16)

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
        kept[many] = _rank(keys[many]) < PER_KEY
        return keys[kept], cells[kept]


def _entries(keys: NDArray[np.unsignedinteger], cells: NDArray[np.integer]) -> U64:
    """Keys and cells as numbers that sort by key."""
    return (keys.astype(np.uint64) << np.uint64(32)) | cells.astype(np.uint64)


def _once(entries: U64) -> U64:
    """Sorted, each once (np.unique hashes first, and takes twelve times as long)."""
    entries.sort()
    return entries[np.concatenate(([True], entries[1:] != entries[:-1]))]


def _split(entries: U64) -> list[U64]:
    """The part of each, of entries sorted by key."""
    borders = np.arange(1, PARTS, dtype=np.uint64) << np.uint64(64 - (PARTS - 1).bit_length())
    return np.split(entries, np.searchsorted(entries, borders))


def _rank(ordered: NDArray[np.integer]) -> I64:
    """The place of each element among its equals, in a sorted array."""
    places = np.arange(len(ordered))
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return places - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
