"""What is found in the cells of a table and put into them, key by key: compiled loops over its arrays.

While a table grows there are two, and `moved` parts of the keys are in the new one (see index); else the old one has no
buckets. A cell holds a text's slot + 1, and by slot the texts' sequence numbers and times are kept. The functions take
the fields of Cells and Slots one by one: a named tuple costs more on the way in than the search itself.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.compiled import compiled
from newswire.pipeline.duplicates.normalise import U32
from newswire.pipeline.duplicates.spill import PER_KEY, Spilled, first_row, row_of
from newswire.pipeline.duplicates.table import I64, PART_SHIFT, WIDTH, Table

U16 = NDArray[np.uint16]


class Cells(NamedTuple):
    """The arrays of a table, of the one that it grows from, and of the keys beside both (see Spilled)."""

    tags: U16
    cells: U32
    old_tags: U16
    old_cells: U32
    moved: int
    spilled: U32
    taken: NDArray[np.bool_]
    spilled_cells: U32


class Slots(NamedTuple):
    """By slot the sequence number of a text, when it was observed (Unix ms), and how many entries it has."""

    sequences: I64
    observed: I64
    entries: U16


def cells_of(table: Table, old: Table | None, moved: int, spilled: Spilled) -> Cells:
    """What the functions below take."""
    if old is None:
        return Cells(table.tags, table.cells, table.tags[:0], table.cells[:0], 0, *spilled)
    return Cells(table.tags, table.cells, old.tags, old.cells, moved, *spilled)


@compiled
def find_shared(
    tags: U16,
    cells: U32,
    old_tags: U16,
    old_cells: U32,
    moved: int,
    spilled: U32,
    taken: NDArray[np.bool_],
    spilled_cells: U32,
    sequences: I64,
    observed: I64,
    entries: U16,
    keys: U32,
    earliest_ms: int,
    limit: int,
) -> I64:
    """Sequence numbers of up to `limit` texts that share keys, those with the most shared first, then the smaller.

    Only texts observed at `earliest_ms` or later.
    """
    _fetch(tags, cells, old_tags, old_cells, moved, spilled, keys)
    own = np.empty(PER_KEY * len(keys), dtype=np.int64)
    count = 0
    for key in keys:
        before = count
        some_tags, some, bucket = _bucket(tags, cells, old_tags, old_cells, moved, key)
        # The tags first: of most keys there is none.
        line, tag = some_tags[bucket], np.uint16(key & 0xFFFF)
        for column in range(WIDTH):
            if line[column] == tag and some[bucket, column]:
                own[count] = int(some[bucket, column]) - 1
                count += 1
        row = row_of(spilled, taken, key) if count == before else -1
        if row >= 0 and taken[row]:
            for cell in spilled_cells[row]:
                if cell:
                    own[count] = int(cell) - 1
                    count += 1
    # How often each slot is there: in a set with open addressing, which is quicker than to sort them.
    size = 16
    while size < 2 * count:
        size *= 2
    members, times = np.empty(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    for slot in own[:count]:
        place = slot & (size - 1)
        while times[place] and members[place] != slot:
            place = (place + 1) & (size - 1)
        members[place] = slot
        times[place] += 1
    found, shared = np.empty(limit, dtype=np.int64), np.empty(limit, dtype=np.int64)
    best = 0
    for place in range(size if count else 0):
        if times[place] and observed[members[place]] >= earliest_ms:
            best = _rank(found, shared, best, sequences[members[place]], times[place])
    return found[:best]


@compiled
def _rank(found: I64, shared: I64, count: int, sequence: int, keys: int) -> int:
    """Put a text in its place among the best; how many there are then."""
    place = count
    while place and (shared[place - 1] < keys or (shared[place - 1] == keys and found[place - 1] > sequence)):
        place -= 1
    if place == len(found):
        return count
    count = min(count + 1, len(found))
    for at in range(count - 1, place, -1):
        found[at], shared[at] = found[at - 1], shared[at - 1]
    found[place], shared[place] = sequence, keys
    return count


@compiled
def put_in(
    tags: U16,
    cells: U32,
    old_tags: U16,
    old_cells: U32,
    moved: int,
    spilled: U32,
    taken: NDArray[np.bool_],
    spilled_cells: U32,
    sequences: I64,
    observed: I64,
    entries: U16,
    keys: U32,
    cell: int,
) -> tuple[int, int, I64]:
    """Enter a text under its keys; in place of a key's oldest entry where it has PER_KEY.

    There must be a row to spare for each key. Returns how many more cells of the tables are filled, how many more rows
    are taken, and the slots of texts that have no entry any more.
    """
    slots = Slots(sequences, observed, entries)
    _fetch(tags, cells, old_tags, old_cells, moved, spilled, keys)
    freed = np.empty(len(keys), dtype=np.int64)
    filled, rows, frees = 0, 0, 0
    for key in keys:
        some_tags, some, bucket = _bucket(tags, cells, old_tags, old_cells, moved, key)
        own, empty, oldest = 0, -1, -1
        for column in range(WIDTH):
            if not some[bucket, column]:
                empty = column
            elif some_tags[bucket, column] == key & 0xFFFF:
                own += 1
                if oldest < 0 or _is_older(slots, some[bucket, column], some[bucket, oldest]):
                    oldest = column
        line, full = some[bucket], own == PER_KEY
        # Its entries may be beside the table; without room in the bucket they must.
        row = row_of(spilled, taken, key) if not full and (not own or empty < 0) else -1
        if row >= 0 and (taken[row] or empty < 0):
            if not taken[row]:
                spilled[row], taken[row] = key, True
                rows += 1
                filled -= _move(some_tags[bucket], some[bucket], key, spilled_cells[row])
            line, empty, oldest = spilled_cells[row], -1, -1
            for column in range(PER_KEY):
                if not line[column]:
                    empty = column
                elif oldest < 0 or _is_older(slots, line[column], line[oldest]):
                    oldest = column
            full = empty < 0
        elif not full:
            some_tags[bucket, empty] = key & 0xFFFF
            filled += 1
        if not full:
            line[empty] = cell
            entries[cell - 1] += 1
        elif _is_older(slots, line[oldest], cell):
            slot = int(line[oldest]) - 1
            line[oldest] = cell
            entries[cell - 1] += 1
            entries[slot] -= 1
            if not entries[slot]:
                freed[frees] = slot
                frees += 1
    return filled, rows, freed[:frees]


@compiled
def take_out(
    tags: U16,
    cells: U32,
    old_tags: U16,
    old_cells: U32,
    moved: int,
    spilled: U32,
    taken: NDArray[np.bool_],
    spilled_cells: U32,
    sequences: I64,
    keys: U32,
    sequence: int,
) -> tuple[int, int, int]:
    """Empty the cells of a text. Returns how many there were, of these in the tables, and its slot, -1 for none."""
    count, beside, slot = 0, 0, -1
    for key in keys:
        some_tags, some, bucket = _bucket(tags, cells, old_tags, old_cells, moved, key)
        for column in range(WIDTH):
            cell = int(some[bucket, column])
            if cell and some_tags[bucket, column] == key & 0xFFFF and sequences[cell - 1] == sequence:
                some[bucket, column] = 0
                slot = cell - 1
                count += 1
        row = row_of(spilled, taken, key)
        for column in range(PER_KEY if taken[row] else 0):
            cell = int(spilled_cells[row, column])
            if cell and sequences[cell - 1] == sequence:
                spilled_cells[row, column] = 0
                slot = cell - 1
                beside += 1
    return count + beside, count, slot


@compiled
def spill(spilled: U32, taken: NDArray[np.bool_], spilled_cells: U32, keys: U32, cells: U32) -> int:
    """Enter cells under keys, of which none has more than PER_KEY. Returns how many more rows are taken."""
    rows = 0
    for place, key in enumerate(keys):
        row = row_of(spilled, taken, key)
        if not taken[row]:
            spilled[row], taken[row] = key, True
            rows += 1
        column = 0
        while spilled_cells[row, column]:
            column += 1
        spilled_cells[row, column] = cells[place]
    return rows


@compiled
def _move(tags: U16, cells: U32, key: int, row: U32) -> int:
    """Move a key's cells from its bucket into a row; how many there are."""
    count = 0
    for column in range(WIDTH):
        if cells[column] and tags[column] == key & 0xFFFF:
            row[count] = cells[column]
            cells[column] = 0
            count += 1
    return count


@compiled
def _fetch(tags: U16, cells: U32, old_tags: U16, old_cells: U32, moved: int, spilled: U32, keys: U32) -> I64:
    """Touch what belongs to the keys, so that the memory answers for all at once: in a large table each waits."""
    first = np.empty(len(keys), dtype=np.int64)
    for place, key in enumerate(keys):
        some_tags, some, bucket = _bucket(tags, cells, old_tags, old_cells, moved, key)
        beside = spilled[first_row(spilled, key)]
        first[place] = some_tags[bucket, 0] + some[bucket, 0] + some[bucket, WIDTH - 1] + beside
    return first


@compiled
def _bucket(tags: U16, cells: U32, old_tags: U16, old_cells: U32, moved: int, key: int) -> tuple[U16, U32, int]:
    """The arrays in which a key's entries are, and its bucket there."""
    if len(old_cells) and int(key) >> PART_SHIFT >= moved:
        return old_tags, old_cells, int(key) * len(old_cells) >> 32
    return tags, cells, int(key) * len(cells) >> 32


@compiled
def _is_older(slots: Slots, cell: int, other: int) -> bool:
    one, two = int(cell) - 1, int(other) - 1
    if slots.observed[one] != slots.observed[two]:
        return bool(slots.observed[one] < slots.observed[two])
    return bool(slots.sequences[one] < slots.sequences[two])
