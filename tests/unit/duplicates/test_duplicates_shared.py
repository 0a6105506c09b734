"""What a new text shares with the rows of emitted ones, as the compiled comparison and as plain sets tell it."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from newswire.pipeline.duplicates.boilerplate import NO_FEED, ROOTS_MIN
from newswire.pipeline.duplicates.normalise import split_words
from newswire.pipeline.duplicates.rows import TAIL, TAILED, TextRow
from newswire.pipeline.duplicates.shared import shared_with
from newswire.pipeline.duplicates.signature import WHOLE, Signature, Sketch, overlap, overlap_of, sign

NOTHING = Sketch(np.zeros(0, dtype=np.uint32), WHOLE)
FEEDS = (NO_FEED, b"feed one", b"feed two", b"\0\0\0\0\0\0\0\1")


def sketch(values: set[int], bound: int) -> Sketch:
    return Sketch(np.array(sorted(value for value in values if value < bound), dtype=np.uint32), bound)


def row(shingles: Sketch, feed: bytes, root: int) -> bytes:
    signature = Signature(shingles, NOTHING, NOTHING, NOTHING, np.zeros(8, dtype=np.uint32))
    return TextRow(0, "ab" * 16, bytes(16), bytes(16), signature, feed, root).encode()


def plainly(new: Sketch, olds: list[tuple[Sketch, bytes, int]]) -> list[list[int]]:
    """The same by sets: a shingle of the new text in ROOTS_MIN articles of one feed and more is that feed's."""
    holders: dict[tuple[int, bytes], set[int]] = {}
    for old, feed, root in olds:
        for value in set(new.values.tolist()) & set(old.values.tolist()) if feed != NO_FEED else ():
            holders.setdefault((value, feed), set()).add(root)
    left_out = {value for (value, _), roots in holders.items() if len(roots) >= ROOTS_MIN}
    told = []
    for old, _, _ in olds:
        bound = min(new.bound, old.bound)
        own, other = ({v for v in one.values.tolist() if v < bound} - left_out for one in (new, old))
        told.append([len(own & other), len(own), len(other)])
    return told


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 60))
def test_what_is_shared_is_what_sets_share_without_what_a_feed_repeats(seed: int, rows: int, spread: int) -> None:
    chance = random.Random(seed)
    # Neighbours, and values alike in their lower bits: both are hard on a hash table.
    pool = [(n * chance.choice([1, 1 << 13, 1 << 20]) + chance.choice([0, 1 << 31])) % WHOLE for n in range(spread)]

    def some() -> Sketch:
        bound = chance.choice([WHOLE, WHOLE, 1 << 31, 1 << 24, 5])
        return sketch(set(chance.sample(pool, chance.randint(0, spread))), bound)

    new = some()
    olds = [(some(), chance.choice(FEEDS), chance.randint(0, 3)) for _ in range(rows)]
    sequences = [10 + place for place in range(rows)]
    encoded = [row(*old) for old in olds]
    with_roots = [(old, feed, root or sequence) for (old, feed, root), sequence in zip(olds, sequences, strict=True)]
    assert shared_with(new, encoded, sequences) == plainly(new, with_roots)


def test_a_row_without_a_tail_is_of_no_feed() -> None:
    new, old = sketch({1, 2, 3}, WHOLE), sketch({2, 3, 4}, WHOLE)
    short = bytearray(row(old, b"feed one", 1)[: -TAIL.size])
    short[56] &= ~TAILED
    tailed = row(old, b"feed one", 2)
    assert shared_with(new, [bytes(short), tailed], [5, 6]) == [[2, 3, 3], [2, 3, 3]]
    assert shared_with(new, [row(old, b"feed one", 1), tailed], [5, 6]) == [[0, 1, 1], [0, 1, 1]]


def test_a_long_text_and_its_part_share_what_their_signatures_do() -> None:
    words = [f"word{number * number % 977}" for number in range(4_000)]
    whole, part = sign(split_words(" ".join(words))), sign(split_words(" ".join(words[500:2_500])))
    ((common, own, other),) = shared_with(part.shingles, [row(whole.shingles, NO_FEED, 0)], [1])
    assert overlap_of(common, own, other) == overlap(part.shingles, whole.shingles)
    assert other == np.count_nonzero(whole.shingles.values < min(part.shingles.bound, whole.shingles.bound))
