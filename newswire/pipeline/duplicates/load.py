"""From the rows of the state to the index, many rows at once: a million texts one by one would take a minute."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from newswire.pipeline.duplicates.index import Texts
from newswire.pipeline.duplicates.normalise import U32
from newswire.pipeline.duplicates.rows import HEAD, NO_URL, SIGNED, TAIL, TAILED
from newswire.pipeline.duplicates.signature import (
    ANCHOR_SHARE,
    ANCHORS_MAX,
    ANCHORS_MIN,
    BANDS,
    WHOLE,
    anchor_keys,
    key_of,
)

PIECE = 8_192
"""Rows that are read at once, some 10 MB: a few hundredths of a second."""

_BYTES = 4
_END = HEAD.size + ANCHORS_MAX * _BYTES
_NONE = bytes(ANCHORS_MAX * _BYTES)
_NO_URL = np.void(NO_URL)
# The fields of HEAD that are needed here. "V": a numpy text would lose the zeros at its end.
_FIELDS = np.dtype(
    {
        "names": ["observed", "digest", "url", "flags", "shingles"],
        "formats": [">i8", "V16", "V16", "u1", ">u2"],
        "offsets": [0, 24, 40, 56, 65],
        "itemsize": HEAD.size,
    }
)


def texts_of(rows: Iterable[tuple[bytes, bytes]]) -> Iterator[Texts]:
    """The texts of text rows, a piece at a time, with the keys that `TextRow.keys` gives for each."""
    remaining = iter(rows)
    while piece := list(islice(remaining, PIECE)):
        yield _texts(piece)


def _texts(rows: list[tuple[bytes, bytes]]) -> Texts:
    heads = np.frombuffer(b"".join([row[: HEAD.size] for _, row in rows]), dtype=_FIELDS)
    with_url = np.flatnonzero(heads["url"] != _NO_URL)
    signed = np.flatnonzero(heads["flags"] & SIGNED)
    tailed = (heads["flags"][signed] & TAILED).tolist()
    long = [rows[place][1] for place in signed.tolist()]
    ends = [len(row) - TAIL.size if tail else len(row) for row, tail in zip(long, tailed, strict=True)]
    counts = heads["shingles"][signed].astype(np.int64)
    shingles = _matrix([(row[HEAD.size : _END] + _NONE)[: _END - HEAD.size] for row in long], ANCHORS_MAX)
    # What is no shingle any more (facts, bands, tail) is beyond the count.
    among = np.arange(ANCHORS_MAX) < counts[:, None]
    below = np.count_nonzero(among & (shingles < WHOLE // ANCHOR_SHARE), axis=1)
    taken = among & (np.arange(ANCHORS_MAX) < np.maximum(below, ANCHORS_MIN)[:, None])
    whole = [key_of(b"text", digest) for digest in heads["digest"].tolist()]
    urls = [key_of(b"url", url) for url in heads["url"][with_url].tolist()]
    return Texts(
        sequences=np.frombuffer(b"".join([key[1:] for key, _ in rows]), dtype=">i8").astype(np.int64),
        observed=heads["observed"].astype(np.int64),
        keys=np.concatenate(
            (
                np.array([*whole, *urls], dtype=np.uint32),
                _matrix([row[end - BANDS * _BYTES : end] for row, end in zip(long, ends, strict=True)], BANDS).ravel(),
                anchor_keys(shingles[taken]),
            )
        ),
        owners=np.concatenate(
            (
                np.arange(len(rows)),
                with_url,
                np.repeat(signed, BANDS),
                np.repeat(signed, np.count_nonzero(taken, axis=1)),
            )
        ),
    )


def _matrix(rows: list[bytes], columns: int) -> U32:
    return np.frombuffer(b"".join(rows), dtype="<u4").reshape(len(rows), columns).astype(np.uint32)
