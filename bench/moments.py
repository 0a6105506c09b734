"""How long articles wait for each other behind the polls that brought them: a simulation of feeds and one queue.

Usage: python -m bench.moments [--out FILE]. 300 feeds that are polled every 5 s, 15.5 articles/s at random times in
random feeds, 33 ms of work an article, one at a time. The rows name whole seconds as the service's do; the moment in
the second is the one that the collector takes, or a random one that a feed keeps.
"""

import argparse
import heapq
import random
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

from bench.figures import Figure, report
from newswire.pipeline.feeds.moments import Moments
from newswire.pipeline.feeds.schedule import jitter

FEEDS, INTERVAL, RATE, WORK = 300, 5.0, 15.5, 0.033
SECONDS = 2_000.0

Moment = Callable[[str, int], float]


def polls(moment: Moment) -> dict[str, list[float]]:
    """When each feed is polled."""
    taken: dict[str, list[float]] = {f"https://site.example/{number}": [] for number in range(FEEDS)}
    chance = random.Random(1)
    due = [(moment(url, second), url) for url in taken for second in [int(chance.random() * INTERVAL)]]
    heapq.heapify(due)
    while due[0][0] < SECONDS + 2 * INTERVAL:
        at, url = heapq.heappop(due)
        taken[url].append(at)
        heapq.heappush(due, (moment(url, int(at + INTERVAL * (1 + jitter(url)))), url))
    return taken


def waits(taken: dict[str, list[float]]) -> list[float]:
    """Seconds that each article waits in the queue and is worked on, in ascending order."""
    chance, urls = random.Random(2), list(taken)
    came = []
    for _ in range(int(RATE * SECONDS)):
        times, published = taken[chance.choice(urls)], chance.random() * SECONDS
        came.append(times[bisect_left(times, published)])
    free, waited = 0.0, []
    for at in sorted(came):
        free = max(at, free) + WORK
        waited.append(free - at)
    return sorted(waited)


def measure() -> list[Figure]:
    """The waits with both kinds of moments."""
    chance = random.Random(3)
    kept = {f"https://site.example/{number}": chance.random() for number in range(FEEDS)}
    random_ones = waits(polls(lambda url, second: second + kept[url]))
    ours = waits(polls(Moments("bench").take))
    found = []
    for share in (50, 99):
        place = len(ours) * share // 100
        own, other = 1000 * ours[place], 1000 * random_ones[place]
        found.append(Figure(f"an article's wait in the queue, p{share}", own, "ms", "random moments", own / other))
    return found


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    report(measure(), parser.parse_args().out)


if __name__ == "__main__":
    main()
