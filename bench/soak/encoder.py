"""The encoder's own time for an article of the soak, alone on the machine, with the service's own settings.

python -m bench.soak.encoder

Prints the median of the wall time in milliseconds. A process of its own, so that the soak stays small.
"""

import random
import statistics
import time

from bench.articles import text_of
from bench.soak.wire import WORDS
from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.settings import Settings

WARM_UP = 10
ARTICLES = 100


def main() -> None:
    """Measure and print."""
    analyzer, chance = Analyzer.load(threads=Settings().analyze.threads), random.Random(1)
    taken = []
    for number in range(-WARM_UP, ARTICLES):
        text = text_of(WORDS, chance)
        began = time.perf_counter()
        analyzer.analyze("Regional council reopened", text)
        if number >= 0:
            taken.append(1000 * (time.perf_counter() - began))
    print(statistics.median(taken))


if __name__ == "__main__":
    main()
