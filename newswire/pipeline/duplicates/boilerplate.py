"""What a feed repeats in its items: footers, "Read more", agency's lines, the frame of a daily column.

It is learnt from the emitted texts themselves: what stands in several texts of one feed that are not revisions, updates
or copies of one another is the feed's own. So nothing more is kept than the texts of the window, which go by event
time, and what a feed has given up repeating is forgotten with them.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from newswire.pipeline.duplicates.normalise import U32
from newswire.pipeline.duplicates.signature import Sketch, held

ROOTS_MIN = 2
"""In so many articles of a feed a shingle stands that is the feed's and not an article's."""

NO_FEED = bytes(8)
"""Of a text whose feed is not known."""

_NONE = np.zeros(0, dtype=np.uint32)


class FeedText(NamedTuple):
    """A text of a feed (a digest of 8 bytes); `root` is the same number for an article, its revisions and updates."""

    feed: bytes
    root: int
    shingles: Sketch


def feed_digest(url: str) -> bytes:
    """The digest of a feed's URL."""
    return hashlib.blake2b(url.encode(errors="replace"), digest_size=8, person=b"feed").digest()


def boilerplate(new: Sketch, texts: Sequence[FeedText]) -> U32:
    """The shingles of a new text that are some feed's own, sorted. `texts` are those that share the most with it."""
    roots: dict[bytes, dict[int, list[Sketch]]] = {}
    for text in texts:
        if text.feed != NO_FEED:
            roots.setdefault(text.feed, {}).setdefault(text.root, []).append(text.shingles)
    own = np.zeros(len(new.values), dtype=np.bool_)
    for articles in roots.values():
        if len(articles) >= ROOTS_MIN:
            # An article counts once, in however many revisions a shingle stands.
            each = [np.logical_or.reduce([held(new.values, one.values) for one in of]) for of in articles.values()]
            own |= np.sum(each, axis=0) >= ROOTS_MIN
    return new.values[own] if own.any() else _NONE


def without(text: Sketch, left_out: U32) -> Sketch:
    """A text without some shingles."""
    return Sketch(text.values[~held(text.values, left_out)], text.bound)
