"""What deciding needs, compiled before the first article comes: 10 s where nothing is kept of an earlier time."""

from collections.abc import Iterator

import numpy as np

from newswire.pipeline.duplicates.index import CopyIndex, Texts
from newswire.pipeline.duplicates.normalise import split_words
from newswire.pipeline.duplicates.rows import NO_URL, TextRow, decode_text, shared_with
from newswire.pipeline.duplicates.signature import head_alone, overlap, replaced_share, sign
from newswire.pipeline.duplicates.spill import PER_KEY
from newswire.pipeline.duplicates.table import WIDTH


def compiling() -> Iterator[None]:
    """Call each function on a little of what it takes; stops after each piece, so that others get their turn."""
    words = split_words("Of two lengths, One and 2.")
    yield
    signature = sign(words)
    yield
    row = TextRow(0, "00" * 16, bytes(16), NO_URL, signature)
    keys = row.keys()
    yield
    index = CopyIndex()
    index.add(1, 0, keys)
    yield
    index.find(keys, 0, 1)
    yield
    # More keys of one bucket than it has room for, one by one and at once.
    crowd = np.arange(WIDTH // PER_KEY + 1, dtype=np.uint32)
    sequences = np.arange(2, 2 + WIDTH)
    for sequence in sequences.tolist():
        index.add(sequence, 0, crowd)
    index.remove(1, keys)
    yield
    CopyIndex().build([Texts(sequences, sequences, np.tile(crowd, WIDTH), np.repeat(np.arange(WIDTH), len(crowd)))])
    yield
    encoded = row.encode()
    shared_with(signature.shingles, [encoded], [1])
    yield
    old = decode_text(encoded).signature
    if old is not None:
        overlap(signature.shingles, old.shingles)
        replaced_share(signature, old)
        head_alone(words, old.shingles)
