"""From the rows of the state to the index, many rows at once: a million texts one by one would take a minute."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from newswire.pipeline.duplicates.index import Texts
from newswire.pipeline.duplicates.rows import HEAD, NO_URL
from newswire.pipeline.duplicates.signature import (
    ANCHOR_SHARE,
    ANCHORS_MAX,
    ANCHORS_MIN,
    BANDS,
    U32,
    WHOLE,
    anchor_keys,
    key_of,
)

PIECE = 8_192
"""Rows that are read at once, some 10 MB: a few hundredths of a second."""

_BYTES = 4
_NONE = b"\xff" * (ANCHORS_MAX * _BYTES)


def texts_of(rows: Iterable[tuple[bytes, bytes]]) -> Iterator[Texts]:
    """The texts of text rows, a piece at a time, with the keys that `TextRow.keys` gives for each."""
    remaining = iter(rows)
    while piece := list(islice(remaining, PIECE)):
        yield _texts(piece)


def _texts(rows: list[tuple[bytes, bytes]]) -> Texts:
    observed, whole, owners = [], [], []
    signed, counts, shingles, bands = [], [], [], []
    for place, (_, row) in enumerate(rows):
        moment, _, digest, url, is_signed, _, count, *_ = HEAD.unpack_from(row)
        observed.append(moment)
        whole.append(key_of(b"text", digest))
        owners.append(place)
        if url != NO_URL:
            whole.append(key_of(b"url", url))
            owners.append(place)
        if is_signed:
            signed.append(place)
            counts.append(count)
            anchors = row[HEAD.size : HEAD.size + _BYTES * min(count, ANCHORS_MAX)]
            shingles.append(anchors + _NONE[len(anchors) :])
            bands.append(row[-BANDS * _BYTES :])
    places = np.array(signed, dtype=np.int64)
    anchor_values = _matrix(shingles, ANCHORS_MAX)
    below = np.count_nonzero(anchor_values < WHOLE // ANCHOR_SHARE, axis=1)
    anchors_of = np.minimum(np.maximum(below, ANCHORS_MIN), np.array(counts, dtype=np.int64))
    taken = np.arange(ANCHORS_MAX) < anchors_of[:, None]
    return Texts(
        sequences=np.array([int.from_bytes(key[1:]) for key, _ in rows], dtype=np.int64),
        observed=np.array(observed, dtype=np.int64),
        keys=np.concatenate(
            (
                np.array(whole, dtype=np.uint32),
                _matrix(bands, BANDS).ravel(),
                anchor_keys(anchor_values[taken]),
            )
        ),
        owners=np.concatenate(
            (
                np.array(owners, dtype=np.int64),
                np.repeat(places, BANDS),
                np.repeat(places, np.count_nonzero(taken, axis=1)),
            )
        ),
    )


def _matrix(rows: list[bytes], columns: int) -> U32:
    return np.frombuffer(b"".join(rows), dtype="<u4").reshape(len(rows), columns).astype(np.uint32)
