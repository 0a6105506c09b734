"""What is kept of a text so that copies are found and proved.

Shingles of five words (Broder 1997, "On the resemblance and containment of documents") are hashed to 64 bits. Copies
are found by the keys that two texts share: MinHash bands (Indyk and Motwani 1998; rensa's fast similarity sketching
after Dahlgaard et al. 2017) for similar texts, and for contained ones the shingles whose hash falls under a fixed
share (Broder's modulo sketch: what is sampled in a part is sampled in the whole). They are proved on the smallest
SHINGLES_MAX hashes: exact up to that many shingles, and beyond it a sample with about 2 % standard error.

All hashes come from CRC-32 and integer arithmetic; nothing depends on the process or the platform.
"""

import hashlib
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from newswire.pipeline.duplicates.compiled import compiled
from newswire.pipeline.duplicates.normalise import LARGE, MIXED, U8, U32, Words

SHINGLE_WORDS = 5
SHINGLES_MAX = 512
FACTS_MAX = 128

BANDS = 8
BAND_ROWS = 4
"""8 bands of 4 find similarity 0.8 at 98.5 %; the anchors, found independently, make up for the rest."""
SEED = 20_260

ANCHOR_SHARE = 8
"""One shingle of so many is an anchor,"""
ANCHORS_MIN = 4
"""but at least this many (the smallest) for a short text,"""
ANCHORS_MAX = 48
"""and at most this many for a long one."""

U64 = NDArray[np.uint64]
WHOLE = 1 << 32

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SORTED_MAX = 4_096
_Numbers = TypeVar("_Numbers", U32, U64)
_NO_VALUES = np.zeros(0, dtype=np.uint32)
_SALT_ANCHOR = np.uint64(0xA076_1D64_78BD_642F)


class Sketch(NamedTuple):
    """A set of hashes (sorted, 32 bits), complete below `bound`."""

    values: U32
    bound: int


class Overlap(NamedTuple):
    """How two sets overlap, 0 to 1: Jaccard similarity, and the shares of each that the other holds.

    `sample` counts the hashes of the smaller one that were looked at.
    """

    jaccard: float
    of_new: float
    of_old: float
    sample: int


class Signature(NamedTuple):
    """Of one text: its shingles, the facts in it, and the MinHash band keys.

    Facts are words with digits and names; `starts` are words that are capitalised but written small elsewhere, which
    a cut of the text may take for names.
    """

    shingles: Sketch
    numbers: Sketch
    names: Sketch
    starts: Sketch
    bands: U32


def sign(words: Words) -> Signature:
    """The signature of a text of at least one word."""
    hashes, shingles, bound = _shingle_set(words.hashes)
    numbers, names, starts = _facts(words.hashes, words.cased, words.marks)
    return Signature(
        Sketch(shingles, int(bound)),
        _sketch(numbers, FACTS_MAX),
        _sketch(names, FACTS_MAX),
        _sketch(starts, FACTS_MAX),
        _band_keys(hashes),
    )


def search_keys(signature: Signature, *others: int) -> U32:
    """The keys under which a text is found as similar to or containing another, and others; sorted, each once."""
    return _search_keys(signature.shingles.values, signature.bands, np.array(others, dtype=np.uint32))


@compiled
def anchor_keys(anchors: U32) -> U32:
    """The keys of shingles that are anchors."""
    keys = np.empty(len(anchors), dtype=np.uint32)
    for at in range(len(anchors)):
        keys[at] = _mix(np.uint64(anchors[at]) ^ _SALT_ANCHOR) >> np.uint64(32)
    return keys


def key_of(kind: bytes, value: bytes) -> int:
    """A search key of 32 bits for something that is compared as a whole (`kind` keeps kinds apart)."""
    return int.from_bytes(hashlib.blake2b(value, digest_size=4, person=kind).digest())


def head_alone(words: Words, old: Sketch) -> float:
    """The share of a text, 0 to 1, that comes before the first of its shingles which the old text has as well."""
    shingles = (_shingle_hashes(words.hashes) >> np.uint64(32)).astype(np.uint32)
    shared = held(shingles, old.values)
    return float(shared.argmax() / len(shared)) if shared.any() else 1.0


def overlap(new: Sketch, old: Sketch) -> Overlap:
    """Compare two sets over the range in which both are complete."""
    bound = min(new.bound, old.bound)
    # What two sets share lies within the range of both.
    common = int(np.count_nonzero(held(old.values, new.values)))
    return overlap_of(common, len(_below(new, bound)), len(_below(old, bound)))


def overlap_of(common: int, new: int, old: int) -> Overlap:
    """How two sets overlap that have so many hashes in common, of so many that each has below both bounds."""
    if not new or not old:
        return Overlap(0.0, 0.0, 0.0, 0)
    return Overlap(common / (new + old - common), common / new, common / old, min(new, old))


def replaced_share(new: Signature, old: Signature) -> tuple[float, float]:
    """Of numbers and of names: the share of those of one text that stand in place of other ones of the other.

    The share is of the text with fewer of them. A cut copy only lacks facts; a template with other facts has as many
    of its own.
    """
    nothing = Sketch(_NO_VALUES, WHOLE)
    return (
        _replaced(new.numbers, nothing, old.numbers, nothing),
        _replaced(new.names, new.starts, old.names, old.starts),
    )


def _replaced(new: Sketch, also_new: Sketch, old: Sketch, also_old: Sketch) -> float:
    bound = min(new.bound, also_new.bound, old.bound, also_old.bound)
    a, b = _below(new, bound), _below(old, bound)
    own_a = len(a) - np.count_nonzero(held(a, old.values) | held(a, also_old.values))
    own_b = len(b) - np.count_nonzero(held(b, new.values) | held(b, also_new.values))
    replaced = min(own_a, own_b)
    return float(replaced / min(len(a), len(b))) if replaced else 0.0


@compiled
def held(values: U32, by: U32) -> NDArray[np.bool_]:
    """Which of some values stand in `by`, which is sorted."""
    found = np.empty(len(values), dtype=np.bool_)
    for at, value in enumerate(values):
        place = np.searchsorted(by, value)
        found[at] = place < len(by) and by[place] == value
    return found


def _below(sketch: Sketch, bound: int) -> U32:
    return sketch.values if sketch.bound == bound else sketch.values[: int(np.searchsorted(sketch.values, bound))]


def _sketch(values: U32, limit: int) -> Sketch:
    return Sketch(values, WHOLE) if len(values) <= limit else Sketch(values[:limit], int(values[limit]))


@compiled
def _shingle_hashes(words: U32) -> U64:
    # A text shorter than one shingle is one shingle.
    size = min(SHINGLE_WORDS, len(words))
    hashes = np.empty(len(words) - size + 1, dtype=np.uint64)
    for place in range(len(hashes)):
        folded = np.uint64(0)
        for word in words[place : place + size]:
            folded = folded * _PRIME + np.uint64(word)
        hashes[place] = _mix(folded)
    return hashes


@compiled
def _shingle_set(words: U32) -> tuple[U64, U32, np.int64]:
    """The shingles of a text, sorted, each once: their whole hashes, and the sketch of the upper halves."""
    hashes = _unique(_shingle_hashes(words))
    count, bound = len(hashes), np.int64(WHOLE)
    if count > SHINGLES_MAX:
        bound = np.int64(hashes[SHINGLES_MAX] >> np.uint64(32))
        count = SHINGLES_MAX
        # Several hashes may have the same upper half.
        while count and np.int64(hashes[count - 1] >> np.uint64(32)) >= bound:
            count -= 1
    values = np.empty(count, dtype=np.uint32)
    for place in range(count):
        values[place] = hashes[place] >> np.uint64(32)
    return hashes, values, bound


@compiled
def _facts(hashes: U32, cased: U32, marks: U8) -> tuple[U32, U32, U32]:
    """Of the words of a text the numbers, names and starts (see Signature): hashes, sorted, each once."""
    # In a set with open addressing, which is quicker than to sort; but words can be made that all fall on one place.
    small = held(hashes, np.sort(cased)) if len(cased) > _SORTED_MAX else _in_set(hashes, cased)
    numbers, names, starts = np.empty_like(hashes), np.empty_like(hashes), np.empty_like(hashes)
    count, named, started = 0, 0, 0
    for at, word in enumerate(hashes):
        if marks[at] & MIXED:
            numbers[count] = word
            count += 1
        if marks[at] & LARGE and small[at]:
            starts[started] = word
            started += 1
        elif marks[at] & LARGE:
            names[named] = word
            named += 1
    return _unique(numbers[:count]), _unique(names[:named]), _unique(starts[:started])


@compiled
def _in_set(values: U32, members: U32) -> NDArray[np.bool_]:
    """As `held`, where the others are not sorted."""
    size = 16
    while size < 2 * len(members):
        size *= 2
    cells, taken = np.empty(size, dtype=np.uint32), np.zeros(size, dtype=np.bool_)
    for member in members:
        place = _place(member, cells, taken)
        cells[place], taken[place] = member, True
    found = np.empty(len(values), dtype=np.bool_)
    for at, value in enumerate(values):
        found[at] = taken[_place(value, cells, taken)]
    return found


@compiled
def _place(value: int, cells: U32, taken: NDArray[np.bool_]) -> int:
    place = int(value) & (len(cells) - 1)
    while taken[place] and cells[place] != value:
        place = (place + 1) & (len(cells) - 1)
    return place


@compiled
def _search_keys(shingles: U32, bands: U32, others: U32) -> U32:
    below = 0
    while below < min(len(shingles), ANCHORS_MAX) and shingles[below] < WHOLE // ANCHOR_SHARE:
        below += 1
    anchors = min(max(below, ANCHORS_MIN), ANCHORS_MAX, len(shingles))
    keys = np.empty(len(others) + len(bands) + anchors, dtype=np.uint32)
    keys[: len(others)] = others
    keys[len(others) : len(others) + len(bands)] = bands
    keys[len(others) + len(bands) :] = anchor_keys(shingles[:anchors])
    return _unique(keys)


@compiled
def _unique(values: _Numbers) -> _Numbers:
    """Sorts the array of hashes in its place; its part with each value once."""
    _sort(values)
    count = min(1, len(values))
    for at in range(1, len(values)):
        if values[at] != values[count - 1]:
            values[count] = values[at]
            count += 1
    return values[:count]


@compiled
def _sort(values: _Numbers) -> None:
    """Hashes are spread evenly: laid out by their upper bits, each is near its place (Standish's proxmap sort)."""
    count = len(values)
    if count > _SORTED_MAX:
        # Where somebody made a long text whose hashes are not, inserting would take its square.
        values.sort()
        return
    bits = 1
    while 1 << bits < count:
        bits += 1
    shift = np.uint64(8 * values.itemsize - bits)
    starts = np.zeros((1 << bits) + 1, dtype=np.int64)
    for value in values:
        starts[int(np.uint64(value) >> shift) + 1] += 1
    for place in range(1, len(starts)):
        starts[place] += starts[place - 1]
    near = np.empty_like(values)
    for value in values:
        group = int(np.uint64(value) >> shift)
        near[starts[group]] = value
        starts[group] += 1
    for at in range(count):
        value, place = near[at], at
        while place and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value


@compiled
def _mix(value: np.uint64) -> np.uint64:
    """SplitMix64's finaliser (Steele et al. 2014): every bit depends on every bit; wraps modulo 2^64."""
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


def _band_keys(hashes: U64) -> U32:
    rows = np.array([0, len(hashes)], dtype=np.uint64)
    digest = RMinHash.digest_matrix_from_flat_token_hashes(hashes, rows, BANDS * BAND_ROWS, SEED).to_rows()[0]
    return _fold_bands(np.array(digest, dtype=np.uint64))


@compiled
def _fold_bands(digest: U64) -> U32:
    keys = np.empty(BANDS, dtype=np.uint32)
    for band in range(BANDS):
        key = np.uint64(band + 1)
        for value in digest[band * BAND_ROWS : (band + 1) * BAND_ROWS]:
            key = key * _PRIME + value
        keys[band] = _mix(key) >> np.uint64(32)
    return keys
