"""The rows of the deduplicate stage's state.

`b"m"` -> watermark and last sequence number; `b"i"` + article id -> when it was last emitted and its newest sequence
number; `b"t"` + sequence number -> what copies of that text are told by. Integers of keys, heads and tails are
big-endian, arrays little-endian. Text rows of the first format have no tail.
"""

import struct
from typing import NamedTuple

import numpy as np

from newswire.pipeline.duplicates.boilerplate import NO_FEED
from newswire.pipeline.duplicates.normalise import U32
from newswire.pipeline.duplicates.signature import (
    BANDS,
    Signature,
    Sketch,
    key_of,
    search_keys,
)

META = b"m"
OWN = b"i"
TEXT = b"t"

META_ROW = struct.Struct(">qQ")
OWN_ROW = struct.Struct(">qQ")
NEVER = -(2**63)
HEAD = struct.Struct(">q16s16s16sBQHQHQHQH")
TAIL = struct.Struct(">8sQ")
SIGNED = 1
TAILED = 2
"""Flags of a head: the row has a signature, the row has a tail."""
_U32 = np.dtype("<u4")
FLAGS, BOUND, COUNT, BODY = 56, 57, 65, HEAD.size
"""Where a row has its flags, the bound and the count of its shingles, and these themselves."""


class TextRow(NamedTuple):
    """An emitted text: observed (Unix ms), article id (hex), digests of text and URL, signature (None: short text).

    `feed` is a digest of its feed's URL. `root` is the sequence number of the article that it is a revision or an
    update of, else its own; 0 where it is not known.
    """

    observed_ms: int
    id: str
    digest: bytes
    url_digest: bytes
    signature: Signature | None
    feed: bytes = NO_FEED
    root: int = 0

    def keys(self) -> U32:
        """All keys under which the index holds this row, each once."""
        whole = [key_of(b"text", self.digest)]
        if self.url_digest != NO_URL:
            whole.append(key_of(b"url", self.url_digest))
        if self.signature is None:
            return np.array(sorted(set(whole)), dtype=np.uint32)
        return search_keys(self.signature, *whole)

    def encode(self) -> bytes:
        """The row's bytes, in the newest format: about 1.4 kB for a text of 300 words."""
        sketches = _EMPTY if self.signature is None else _sketches(self.signature)
        bounds = [part for sketch in sketches for part in (sketch.bound, len(sketch.values))]
        flags = TAILED | (SIGNED if self.signature is not None else 0)
        head = (bytes.fromhex(self.id), self.digest, self.url_digest, flags)
        arrays = [sketch.values for sketch in sketches]
        if self.signature is not None:
            arrays.append(self.signature.bands)
        body = b"".join(a.astype(_U32).tobytes() for a in arrays)
        return HEAD.pack(self.observed_ms, *head, *bounds) + body + TAIL.pack(self.feed, self.root)


NO_URL = bytes(16)
_NONE = Sketch(np.zeros(0, dtype=np.uint32), 0)
_EMPTY = (_NONE,) * 4


def decode_text(row: bytes) -> TextRow:
    """Read a text row back. Raises struct.error or ValueError for other bytes."""
    observed, id, digest, url, flags, *bounds = HEAD.unpack_from(row)
    until = len(row) - (TAIL.size if flags & TAILED else 0)
    feed, root = TAIL.unpack_from(row, until) if flags & TAILED else (NO_FEED, 0)
    if not flags & SIGNED:
        return TextRow(observed, id.hex(), digest, url, None, feed, root)
    # Of a bytearray, since arrays that cannot be written are another type to compiled code.
    values = np.frombuffer(bytearray(row[HEAD.size : until]), dtype=_U32, count=(until - HEAD.size) // _U32.itemsize)
    end = 0

    def sketch(place: int) -> Sketch:
        nonlocal end
        start, end = end, end + bounds[2 * place + 1]
        return Sketch(values[start:end], bounds[2 * place])

    shingles, numbers, names, starts = sketch(0), sketch(1), sketch(2), sketch(3)
    bands = values[end:]
    if len(bands) != BANDS:
        raise ValueError(f"a text row with {len(bands)} bands")
    return TextRow(observed, id.hex(), digest, url, Signature(shingles, numbers, names, starts, bands), feed, root)


def origin_of(row: bytes) -> tuple[bytes, int]:
    """Feed and root of a text row, as TextRow has them."""
    return TAIL.unpack_from(row, len(row) - TAIL.size) if row[FLAGS] & TAILED else (NO_FEED, 0)


def is_signed(row: bytes) -> bool:
    """Whether a text row has a signature."""
    return bool(row[FLAGS] & SIGNED)


def observed_of(row: bytes) -> int:
    """When the article of a text row or an own row was observed (Unix ms)."""
    return int.from_bytes(row[:8], signed=True)


def text_key(sequence: int) -> bytes:
    """The state key of a sequence number's text."""
    return TEXT + sequence.to_bytes(8)


def own_key(id: str) -> bytes:
    """The state key of an article id. Raises ValueError when it is not 32 hex digits."""
    key = OWN + bytes.fromhex(id)
    if len(key) != 17:
        raise ValueError(f"not an article id: {id[:80]!r}")
    return key


def _sketches(signature: Signature) -> tuple[Sketch, ...]:
    return signature.shingles, signature.numbers, signature.names, signature.starts
