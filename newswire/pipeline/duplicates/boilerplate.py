"""What a feed repeats in its items: footers, "Read more", agency's lines, the frame of a daily column.

It is learnt from the emitted texts themselves: what stands in several texts of one feed that are not revisions, updates
or copies of one another is the feed's own. So nothing more is kept than the texts of the window, which go by event
time, and what a feed has given up repeating is forgotten with them.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.compiled import compiled
from newswire.pipeline.duplicates.table import I64

ROOTS_MIN = 2
"""In so many articles of a feed a shingle stands that is the feed's and not an article's."""

NO_FEED = bytes(8)
"""Of a text whose feed is not known."""


def feed_digest(url: str) -> bytes:
    """The digest of a feed's URL."""
    return hashlib.blake2b(url.encode(errors="replace"), digest_size=8, person=b"feed").digest()


@compiled
def boilerplate(held: NDArray[np.bool_], articles: I64) -> NDArray[np.bool_]:
    """Which shingles of a new text are some feed's own.

    `held`: a row for each of the texts that share the most with it, which of the shingles stand there. `articles`: of
    each text a number of its feed, below 0 where that is not known, and the number that it shares with its revisions
    and updates: an article counts once, in however many of them a shingle stands.
    """
    own = np.zeros(held.shape[1], dtype=np.bool_)
    for first in range(len(held)):
        feed = articles[first, 0]
        # Each feed once, at the first of its texts, and only one with several articles.
        several = False
        for other in range(len(held)):
            if articles[other, 0] == feed:
                if other < first:
                    feed = -1
                several = several or articles[other, 1] != articles[first, 1]
        if feed < 0 or not several:
            continue
        for shingle in range(held.shape[1]):
            count = 0
            for text in range(first, len(held)):
                if articles[text, 0] == feed and held[text, shingle]:
                    again = False
                    for before in range(first, text):
                        again = again or (
                            articles[before, 0] == feed
                            and articles[before, 1] == articles[text, 1]
                            and held[before, shingle]
                        )
                    count += not again
            own[shingle] = own[shingle] or count >= ROOTS_MIN
    return own
