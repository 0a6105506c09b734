"""What is kept of a text so that copies are found and proved.

Shingles of five words (Broder 1997, "On the resemblance and containment of documents") are hashed to 64 bits. Copies
are found by the keys that two texts share: MinHash bands (Indyk and Motwani 1998; rensa's fast similarity sketching
after Dahlgaard et al. 2017) for similar texts, and for contained ones the shingles whose hash falls under a fixed
share (Broder's modulo sketch: what is sampled in a part is sampled in the whole). They are proved on the smallest
SHINGLES_MAX hashes: exact up to that many shingles, and beyond it a sample with about 2 % standard error.

All hashes come from CRC-32 and integer arithmetic; nothing depends on the process or the platform.
"""

import hashlib
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from newswire.pipeline.duplicates.normalise import Words

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

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
WHOLE = 1 << 32

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
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
    hashes = _shingle_hashes(np.array(words.hashes, dtype=np.uint64))
    hashes.sort()
    hashes = hashes[np.concatenate(([True], hashes[1:] != hashes[:-1]))]
    kept = hashes[: SHINGLES_MAX + 1] >> np.uint64(32)
    bound = int(kept[SHINGLES_MAX]) if len(kept) > SHINGLES_MAX else WHOLE
    shingles = kept[:SHINGLES_MAX].astype(np.uint32)
    names, starts = words.capitalised()
    return Signature(
        Sketch(shingles[shingles < bound] if bound < WHOLE else shingles, bound),
        _sketch(words.numbers(), FACTS_MAX),
        _sketch(names, FACTS_MAX),
        _sketch(starts, FACTS_MAX),
        _band_keys(hashes),
    )


def search_keys(signature: Signature) -> U32:
    """The keys under which a text is found as similar to or containing another: bands, then anchors."""
    values = signature.shingles.values
    below = int(np.searchsorted(values, WHOLE // ANCHOR_SHARE))
    return np.concatenate((signature.bands, anchor_keys(values[: min(max(below, ANCHORS_MIN), ANCHORS_MAX)])))


def anchor_keys(anchors: U32) -> U32:
    """The keys of shingles that are anchors."""
    return _key(_mix(anchors.astype(np.uint64) ^ _SALT_ANCHOR))


def key_of(kind: bytes, value: bytes) -> int:
    """A search key of 32 bits for something that is compared as a whole (`kind` keeps kinds apart)."""
    return int.from_bytes(hashlib.blake2b(value, digest_size=4, person=kind).digest())


def head_alone(words: Words, old: Sketch) -> float:
    """The share of a text, 0 to 1, that comes before the first of its shingles which the old text has as well."""
    shingles = (_shingle_hashes(np.array(words.hashes, dtype=np.uint64)) >> np.uint64(32)).astype(np.uint32)
    shared = held(shingles, old.values)
    return float(shared.argmax() / len(shared)) if shared.any() else 1.0


def overlap(new: Sketch, old: Sketch) -> Overlap:
    """Compare two sets over the range in which both are complete."""
    return overlaps(new, (old,))[0]


def overlaps(new: Sketch, olds: Sequence[Sketch]) -> list[Overlap]:
    """Compare a set with each of others, at least one."""
    # What two sets share lies within the range of both.
    within = np.concatenate(([0], np.cumsum(held(np.concatenate([old.values for old in olds]), new.values))))
    ends = list(accumulate((len(old.values) for old in olds), initial=0))
    common = np.diff(within[ends]).tolist()
    return [_overlap(new, old, shared) for old, shared in zip(olds, common, strict=True)]


def _overlap(new: Sketch, old: Sketch, common: int) -> Overlap:
    bound = min(new.bound, old.bound)
    a, b = len(_below(new, bound)), len(_below(old, bound))
    if not a or not b:
        return Overlap(0.0, 0.0, 0.0, 0)
    return Overlap(common / (a + b - common), common / a, common / b, min(a, b))


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


def held(values: U32, by: U32) -> NDArray[np.bool_]:
    """Which of some values stand in `by`, which is sorted."""
    if not len(by):
        return np.zeros(len(values), dtype=np.bool_)
    places = np.searchsorted(by, values)
    places[places == len(by)] = 0
    return cast("NDArray[np.bool_]", by[places] == values)


def _below(sketch: Sketch, bound: int) -> U32:
    return sketch.values if sketch.bound == bound else sketch.values[: int(np.searchsorted(sketch.values, bound))]


def _sketch(hashes: set[int], limit: int) -> Sketch:
    values = np.array(sorted(hashes), dtype=np.uint32)
    return Sketch(values, WHOLE) if len(values) <= limit else Sketch(values[:limit], int(values[limit]))


def _shingle_hashes(words: U64) -> U64:
    # A text shorter than one shingle is one shingle.
    size = min(SHINGLE_WORDS, len(words))
    hashes = np.zeros(len(words) - size + 1, dtype=np.uint64)
    for place in range(size):
        hashes = hashes * _PRIME + words[place : len(words) - size + 1 + place]
    return _mix(hashes)


def _mix(values: U64) -> U64:
    """SplitMix64's finaliser (Steele et al. 2014): every bit depends on every bit; wraps modulo 2^64."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return cast("U64", values ^ (values >> np.uint64(31)))


def _key(values: U64) -> U32:
    return cast("U32", (values >> np.uint64(32)).astype(np.uint32))


def _band_keys(hashes: U64) -> U32:
    rows = np.array([0, len(hashes)], dtype=np.uint64)
    digest = RMinHash.digest_matrix_from_flat_token_hashes(hashes, rows, BANDS * BAND_ROWS, SEED).to_rows()[0]
    bands = np.array(digest, dtype=np.uint64).reshape(BANDS, BAND_ROWS)
    keys = np.arange(1, BANDS + 1, dtype=np.uint64)
    for row in range(BAND_ROWS):
        keys = keys * _PRIME + bands[:, row]
    return _key(_mix(keys))
