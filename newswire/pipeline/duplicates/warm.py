"""What deciding needs, compiled before the first article comes, which takes seconds where nothing is kept of before."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import structlog

from newswire.pipeline.duplicates.compiled import kept_in
from newswire.pipeline.duplicates.index import CopyIndex, Texts
from newswire.pipeline.duplicates.normalise import split_words
from newswire.pipeline.duplicates.rows import NO_URL, TextRow, decode_text
from newswire.pipeline.duplicates.shared import shared_with
from newswire.pipeline.duplicates.signature import head_alone, overlap, replaced_share, sign
from newswire.pipeline.duplicates.spill import PER_KEY
from newswire.pipeline.duplicates.table import WIDTH

_LIMIT_SECONDS = 180.0
_PROGRAM = "from newswire.pipeline.duplicates.warm import compile_all; compile_all()"
_log = structlog.get_logger(__name__)


def compile_apart() -> None:
    """Have it compiled in a process of its own, unless that was done before: the compiler's memory goes with that
    process. Where it fails nothing is lost but that.
    """
    if not _done().exists():
        _log.info("compiling, once on this machine, for some seconds", kept=str(_done().parent))
        with suppress(OSError, subprocess.TimeoutExpired):
            command = [sys.executable, "-c", _PROGRAM]
            subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=_LIMIT_SECONDS)


def compile_all() -> None:
    """Compile it here, and leave a mark for `compile_apart`."""
    for _ in compiling():
        pass
    with suppress(OSError):
        _done().touch()


def _done() -> Path:
    package = Path(__file__).parent
    # What is kept is good for this place of the sources alone.
    place = hashlib.sha256(str(package).encode()).hexdigest()[:8]
    return kept_in(package) / f"{place}.done"


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
