"""State larger than memory: what RocksStore and the indexes take for rows that do not fit into their caches.

Usage: python -m bench.state [--rows N ...] [--texts N] [--out FILE]. A process of its own writes N rows of 1.4 kB (an
article's text row), reads 100,000 at random and sweeps over the store; its memory is given without what it had before
it opened the store, against the bytes that it wrote. Then the bytes that the index of copies takes for an article of
300 words, and that of stories for a story.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil

from bench.figures import Figure, report
from bench.processes import memory_mib
from bench.restart import MIB, Size, cluster_rows, deduplicate_rows
from newswire.pipeline.duplicates import DeduplicateStep
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage.rocks import RocksStore
from newswire.pipeline.stories.step import STORY, ClusterStep
from newswire.pipeline.supervisor.child import ALLOCATOR

ROW = 1_400
AT_ONCE = 2_000
READS = 100_000


def store_memory(rows: int) -> float:
    """MiB that this process takes more once it has written and read so many rows."""
    folder = Path(tempfile.mkdtemp(prefix="newswire-state-"))
    bytes_of, chance = np.random.default_rng(1).bytes, random.Random(2)
    process = psutil.Process()
    before = memory_mib([process])
    store = RocksStore(folder / "state")
    try:
        for at in range(0, rows, AT_ONCE):
            store.apply({_key(number): bytes_of(ROW) for number in range(at, at + AT_ONCE)}, at, 1.0)
        for _ in range(READS):
            assert store.get(_key(chance.randrange(rows))) is not None
        for _ in range(READS // 10):
            store.sweep(4)
        return memory_mib([process]) - before
    finally:
        store.close()
        shutil.rmtree(folder)


def _key(number: int) -> bytes:
    return b"t" + number.to_bytes(8)


def index_bytes(texts: int) -> tuple[float, float]:
    """Bytes that the index of copies takes an article, and that of stories a story, in a process of its own."""
    size = Size(texts, 300, 0.25)
    process = psutil.Process()
    copies, stories = MemoryState(), MemoryState()
    for state, rows in ((copies, deduplicate_rows(size)), (stories, cluster_rows(size))):
        for key, value in rows:
            state.put(key, value)
    before = memory_mib([process])
    deduplicate = DeduplicateStep(Settings(), copies)
    middle = memory_mib([process])
    cluster = ClusterStep(Settings(), stories)
    after = memory_mib([process])
    assert len(deduplicate._index) == texts
    assert cluster.open_stories == sum(1 for _ in stories.scan(STORY))
    return (middle - before) * MIB / texts, (after - middle) * MIB / cluster.open_stories


def measure(sizes: list[int], texts: int) -> list[Figure]:
    """Measure each in a process of its own."""
    figures = []
    for rows in sizes:
        taken, data = float(_alone("--store", rows)), rows * ROW / MIB
        figures.append(Figure(f"store: memory, {rows:,} rows", taken, "MiB", "the rows' bytes", taken / data))
    per_text, per_story = map(float, _alone("--index", texts).split())
    figures.append(Figure(f"index of copies: memory an article ({texts:,})", per_text, "bytes"))
    figures.append(Figure(f"index of stories: memory a story ({texts * 3 // 28:,})", per_story, "bytes"))
    return figures


def _alone(what: str, number: int) -> str:
    command = [sys.executable, "-m", "bench.state", what, str(number)]
    environment = ALLOCATOR | os.environ  # as a worker has it
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment).stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 3_000_000])
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--store", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.store:
        print(store_memory(options.store))
    elif options.index:
        print(*index_bytes(options.index))
    else:
        report(measure(options.rows, options.texts), options.out)


if __name__ == "__main__":
    main()
