"""How fast an article finds its story among many open ones: the whole step of cluster, on one core.

Usage: python -m bench.open_stories [--stories N] [--articles N] [--out FILE]. Articles of 150 words and some names,
drawn with the frequencies of running text (Zipf's law), come until so many stories are open; then the CPU time of the
step is taken for some more, reading the record and writing the enriched one, the story and its row included.
"""

import argparse
import random
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from itertools import accumulate, islice
from pathlib import Path

import numpy as np
import psutil

from bench.articles import START
from bench.figures import Figure, report
from bench.processes import memory_mib
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.settings import load_settings
from newswire.pipeline.step import Source
from newswire.pipeline.stories.step import ClusterStep
from newswire.schemas import AnalyzedArticle, Entity, Feed, Language

WORDS = 150
NAMES = 8
VOCABULARY = 100_000
KNOWN_NAMES = 30_000
DIMENSIONS = 384
SPEED = 1_000


class Zipf:
    """Draws words of a made-up language, each as often as a word of its rank stands in running text."""

    def __init__(self, prefix: str, size: int, chance: random.Random) -> None:
        letters = str.maketrans("0123456789", "abdefgiklm")
        self._words = [f"{prefix}{number:05d}"[::-1].translate(letters) for number in range(size)]
        self._sums = list(accumulate(1.0 / (rank + 3.0) for rank in range(size)))
        self._chance = chance

    def draw(self, count: int) -> list[str]:
        """So many words."""
        return self._chance.choices(self._words, cum_weights=self._sums, k=count)


def wire(chance: random.Random) -> Iterator[bytes]:
    """Analyzed articles without end, one a second, each about something else."""
    words, names = Zipf("w", VOCABULARY, chance), Zipf("n", KNOWN_NAMES, chance)
    numbers = np.random.default_rng(1)
    sequence = 0
    while True:
        sequence += 1
        drawn = words.draw(WORDS)
        vector = numbers.normal(0, 6.5, DIMENSIONS)
        yield AnalyzedArticle(
            position=sequence - 1,
            id=f"{sequence:032x}",
            revision=1,
            feed=Feed(url=f"https://feed-{sequence % 200}.example/rss"),
            title=" ".join(drawn[:9]),
            text=" ".join(drawn[9:]),
            language=Language(code="en", confidence=1.0),
            observed_at=START + timedelta(seconds=sequence),
            content_hash="",
            sequence=sequence,
            entities=tuple(
                Entity(text=name.title(), type="PER", field="text", start=0, end=1, score=1.0)
                for name in names.draw(NAMES)
            ),
            embedding=b64encode(np.clip(np.rint(vector), -127, 127).astype(np.int8).tobytes()).decode(),
            model="bench",
            taxonomy="bench",
        ).encode()


def measure(stories: int, articles: int) -> list[Figure]:
    """Open the stories, then time the articles."""
    state = MemoryState()
    step = ClusterStep(load_settings(), state)
    records = enumerate(wire(random.Random(1)))
    while step.open_stories < stories:
        number, value = next(records)
        step.process(Source("analyzed", 0, number, None, value, 0), state)
    sample = [Source("analyzed", 0, number, None, value, 0) for number, value in islice(records, articles)]
    began = time.process_time()
    for source in sample:
        step.process(source, state)
    speed = articles / (time.process_time() - began)
    return [
        Figure(f"story decisions among {stories:,} open stories", speed, "articles/s", goal=f">= {SPEED:,}"),
        Figure("memory of all of it, rows included", memory_mib([psutil.Process()]), "MiB"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=50_000)
    parser.add_argument("--articles", type=int, default=2_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report(measure(options.stories, options.articles), options.out)


if __name__ == "__main__":
    main()
