"""What is found in the cells of a table and put into them, key by key: compiled loops over its arrays.

While a table grows there are two, and `moved` parts of the keys are in the new one (see index); else the old one has no
buckets. A cell holds a text's slot + 1, and by slot the texts' sequence numbers and times are kept. The functions take
the fields of Cells and of Slots one by one, since a named tuple costs more on the way in than the search itself.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.compiled import compiled
from newswire.pipeline.duplicates.normalise import U32
from newswire.pipeline.duplicates.table import I64, PART_SHIFT, WIDTH, Table

U16 = NDArray[np.uint16]

PER_KEY = 8
"""Entries that a key has at most."""


class Cells(NamedTuple):
    """The arrays of a table and of the one that it grows from."""

    tags: U16
    cells: U32
    old_tags: U16
    old_cells: U32
    moved: int


class Slots(NamedTuple):
    """By slot the sequence number of a text, when it was observed (Unix ms), and how many entries it has."""

    sequences: I64
    observed: I64
    entries: U16


def cells_of(table: Table, old: Table | None, moved: int) -> Cells:
    """What the functions below take."""
    if old is None:
        return Cells(table.tags, table.cells, table.tags[:0], table.cells[:0], 0)
    return Cells(table.tags, table.cells, old.tags, old.cells, moved)


@compiled
def find_shared(
    tags: U16,
    cells: U32,
    old_tags: U16,
    old_cells: U32,
    moved: int,
    sequences: I64,
    observed: I64,
    entries: U16,
    keys: U32,
    beside: I64,
    earliest_ms: int,
    limit: int,
) -> I64:
    """Sequence numbers of up to `limit` texts that share keys, those with the most shared first, then the smaller.

    `beside`: cells of some of the keys that are kept elsewhere. Only texts observed at `earliest_ms` or later.
    """
    table = Cells(tags, cells, old_tags, old_cells, moved)
    own = np.empty(PER_KEY * len(keys) + len(beside), dtype=np.int64)
    count = 0
    for key in keys:
        some_tags, some, bucket = _bucket(table, key)
        for column in range(WIDTH):
            if some[bucket, column] and some_tags[bucket, column] == key & 0xFFFF:
                own[count] = int(some[bucket, column]) - 1
                count += 1
    for cell in beside:
        own[count] = cell - 1
        count += 1
    own = own[:count]
    own.sort()
    found, shared = np.empty(limit, dtype=np.int64), np.empty(limit, dtype=np.int64)
    taken, start = 0, 0
    while start < count:
        slot, end = own[start], start
        while end < count and own[end] == slot:
            end += 1
        if observed[slot] >= earliest_ms:
            taken = _rank(found, shared, taken, sequences[slot], end - start)
        start = end
    return found[:taken]


@compiled
def _rank(found: I64, shared: I64, taken: int, sequence: int, count: int) -> int:
    """Put a text in its place among the best; how many there are then."""
    place = taken
    while place and (shared[place - 1] < count or (shared[place - 1] == count and found[place - 1] > sequence)):
        place -= 1
    if place == len(found):
        return taken
    taken = min(taken + 1, len(found))
    for at in range(taken - 1, place, -1):
        found[at], shared[at] = found[at - 1], shared[at - 1]
    found[place], shared[place] = sequence, count
    return taken


@compiled
def put_in(
    tags: U16,
    cells: U32,
    old_tags: U16,
    old_cells: U32,
    moved: int,
    sequences: I64,
    observed: I64,
    entries: U16,
    keys: U32,
    passed: NDArray[np.bool_],
    cell: int,
) -> tuple[int, I64, I64]:
    """Enter a text under its keys, but for those `passed`; in place of a key's oldest entry where it has PER_KEY.

    Returns how many empty cells were filled, the places of keys for which there was no room, with those passed, and
    the slots of texts that have no entry any more.
    """
    table, slots = Cells(tags, cells, old_tags, old_cells, moved), Slots(sequences, observed, entries)
    left, freed = np.empty(len(keys), dtype=np.int64), np.empty(len(keys), dtype=np.int64)
    filled, lefts, frees = 0, 0, 0
    for place, key in enumerate(keys):
        some_tags, some, bucket = _bucket(table, key)
        own, empty, oldest = 0, -1, -1
        for column in range(WIDTH):
            if not some[bucket, column]:
                empty = column
            elif some_tags[bucket, column] == key & 0xFFFF:
                own += 1
                if oldest < 0 or _is_older(slots, some[bucket, column], some[bucket, oldest]):
                    oldest = column
        if passed[place] or (own < PER_KEY and empty < 0):
            left[lefts] = place
            lefts += 1
        elif own < PER_KEY:
            some_tags[bucket, empty] = key & 0xFFFF
            some[bucket, empty] = cell
            entries[cell - 1] += 1
            filled += 1
        elif _is_older(slots, some[bucket, oldest], cell):
            slot = int(some[bucket, oldest]) - 1
            some[bucket, oldest] = cell
            entries[cell - 1] += 1
            entries[slot] -= 1
            if not entries[slot]:
                freed[frees] = slot
                frees += 1
    return filled, left[:lefts], freed[:frees]


@compiled
def take_out(
    tags: U16,
    cells: U32,
    old_tags: U16,
    old_cells: U32,
    moved: int,
    sequences: I64,
    keys: U32,
    sequence: int,
) -> tuple[int, int]:
    """Empty the cells of a text. Returns how many there were, and its slot, -1 for none."""
    table = Cells(tags, cells, old_tags, old_cells, moved)
    count, slot = 0, -1
    for key in keys:
        some_tags, some, bucket = _bucket(table, key)
        for column in range(WIDTH):
            cell = int(some[bucket, column])
            if cell and some_tags[bucket, column] == key & 0xFFFF and sequences[cell - 1] == sequence:
                some[bucket, column] = 0
                slot = cell - 1
                count += 1
    return count, slot


@compiled
def take_all(tags: U16, cells: U32, old_tags: U16, old_cells: U32, moved: int, key: int) -> I64:
    """Empty the cells of a key; what was in them."""
    taken = np.empty(WIDTH, dtype=np.int64)
    count = 0
    some_tags, some, bucket = _bucket(Cells(tags, cells, old_tags, old_cells, moved), key)
    for column in range(WIDTH):
        if some[bucket, column] and some_tags[bucket, column] == key & 0xFFFF:
            taken[count] = some[bucket, column]
            some[bucket, column] = 0
            count += 1
    return taken[:count]


@compiled
def _bucket(table: Cells, key: int) -> tuple[U16, U32, int]:
    """The arrays in which a key's entries are, and its bucket there."""
    if len(table.old_cells) and int(key) >> PART_SHIFT >= table.moved:
        return table.old_tags, table.old_cells, int(key) * len(table.old_cells) >> 32
    return table.tags, table.cells, int(key) * len(table.cells) >> 32


@compiled
def _is_older(slots: Slots, cell: int, other: int) -> bool:
    one, two = int(cell) - 1, int(other) - 1
    if slots.observed[one] != slots.observed[two]:
        return bool(slots.observed[one] < slots.observed[two])
    return bool(slots.sequences[one] < slots.sequences[two])
