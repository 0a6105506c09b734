"""How fast and in how much memory an article is told from a window of others, on one core.

Usage: python -m bench.duplicates [--window N] [--articles N] [--counterpart PYTHON] [--out FILE]. The window's rows
stand in the stage's own cache on the disk, as after N articles of 300 words (see bench.restart); the step is opened on
it, and new articles, every tenth of them a copy of one before, go through it in batches. Told are the decision
(shingles, signature, look-up, verification, entry in the index: what `decide` and `CopyIndex.add` take of their
thread), and the whole step, with the reading of the record, the rows, what RocksDB merges of them meanwhile, and the
record that goes on. The same with a window of WINDOW_SMALL, and with that one while FLOOD edited copies of one text
come between the articles, whose own time is not counted. Each in a process of its own, whose memory is told. The
counterpart is datasketch's MinHash with 128 permutations over the same five-word shingles, put into its LSH and asked
for, without verification.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Self

import psutil

from bench.articles import text_of
from bench.figures import Figure, report
from bench.processes import memory_mib
from bench.restart import END, Size, deduplicate_rows
from newswire.pipeline.duplicates import DeduplicateStep
from newswire.pipeline.duplicates import step as step_module
from newswire.pipeline.duplicates.index import CopyIndex
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage.overlay import Overlay
from newswire.pipeline.stage.rocks import RocksStore
from newswire.pipeline.step import Source
from newswire.schemas import Feed, Language, PreparedArticle

WORDS = 300
WINDOW_SMALL = 10_000
BATCH = 100
LIMIT = 8_000_000
ROWS_AT_ONCE = 20_000
COPIES = 10
FLOOD = 10_000
SPEED = 8_000
MEMORY_MIB = 1.0e9 / (1 << 20)


def texts(count: int) -> list[str]:
    """Texts to decide; every tenth is one before, with its last words cut."""
    chance = random.Random(11)
    made = [text_of(WORDS, chance) for _ in range(count)]
    for place in range(COPIES, count, COPIES):
        made[place] = made[place - chance.randrange(1, COPIES)].rsplit(" ", 30)[0]
    return made


def flood() -> list[str]:
    """Copies of one text, each with one word changed."""
    chance, words = random.Random(12), text_of(WORDS, random.Random(13)).split(" ")
    copies = []
    for number in range(FLOOD):
        place = chance.randrange(len(words))
        copies.append(" ".join((*words[:place], f"word{number % 97}", *words[place + 1 :])))
    return copies


def sources(made: list[str], series: int) -> list[Source]:
    """Texts as prepared articles of several feeds; another series has other ids and URLs."""
    return [Source("prepared", 0, number, None, value, 0) for number, value in enumerate(_records(made, series))]


def _records(made: list[str], series: int) -> list[bytes]:
    return [
        PreparedArticle(
            position=number,
            id=f"{series:08x}{number:024x}",
            revision=1,
            feed=Feed(url=f"https://feed-{number % 200}.example/rss"),
            url=f"https://site-{series}.example/{number}",
            title=f"Report {number}",
            text=text,
            language=Language(code="en", confidence=1.0),
            observed_at=END,
            content_hash="0" * 32,
        ).encode()
        for number, text in enumerate(made)
    ]


class Stopwatch:
    """CPU seconds of this thread that some functions take, each timed in its own place while the block lasts."""

    def __init__(self, *places: tuple[object, str]) -> None:
        """`places`: where a function stands (a module, a class), and its name there."""
        self.seconds = 0.0
        self._places = [(owner, name, getattr(owner, name)) for owner, name in places]

    def __enter__(self) -> Self:
        for owner, name, function in self._places:
            setattr(owner, name, self._timed(function))
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, function in self._places:
            setattr(owner, name, function)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*args)
            finally:
                self.seconds += time.thread_time() - began

        return timed


def decide(window: int, articles: int, flooded: bool) -> dict[str, float]:
    """Speeds (articles a CPU second) and memory (MiB) with a window of so many articles. For a process of its own."""
    copied = sources(flood(), 2) if flooded else []
    between = len(copied) // articles
    with tempfile.TemporaryDirectory() as folder:
        store = RocksStore(Path(folder) / "deduplicate")
        rows = deduplicate_rows(Size(window, WORDS, 0.25))
        while some := dict(islice(rows, ROWS_AT_ONCE)):
            store.apply(some, 0, 0.0)
        step = DeduplicateStep(Settings(), Overlay(store, LIMIT))
        copies, spent = 0, 0.0
        batch = Overlay(store, LIMIT)
        decision = Stopwatch((step_module, "decide"), (CopyIndex, "add"))
        for number, source in enumerate(sources(texts(articles), 1)):
            for copy in copied[number * between : (number + 1) * between]:
                step.process(copy, batch)
            began = time.process_time()
            with decision:
                copies += step.process(source, batch).counts.get("duplicate", 0)
            spent += time.process_time() - began
            if number % BATCH == BATCH - 1:
                began = time.process_time()
                store.apply(batch.writes, 0, 0.0)
                spent += time.process_time() - began
                batch = Overlay(store, LIMIT)
        assert copies >= 0.9 * (articles // COPIES - 1), f"{copies} copies found"
        memory = memory_mib([psutil.Process()])
        store.close()
    return {"decisions": articles / decision.seconds, "steps": articles / spent, "memory": memory}


def _alone(window: int, articles: int, *, flooded: bool = False) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.duplicates", "--alone", str(window), "--articles", str(articles)]
    command += ["--flooded"] if flooded else []
    done: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return done


def measure(window: int, articles: int, counterpart: str) -> list[Figure]:
    """Both windows and the counterpart, one after the other."""
    small, large = _alone(WINDOW_SMALL, articles), _alone(window, articles)
    wet = _alone(WINDOW_SMALL, articles, flooded=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(texts(articles)))
        command = [counterpart, str(Path(__file__).with_name("datasketch_lsh.py")), str(file)]
        done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    name = f"duplicate decisions, window of {window:,}"
    return [
        Figure("datasketch's MinHash and LSH, unverified", done["speed"], "articles/s"),
        _speed(name, large["decisions"], "datasketch", done["speed"], f">= {SPEED:,}, 3 x"),
        _speed(name, large["decisions"], f"at {WINDOW_SMALL:,}", small["decisions"], ">= 0.8"),
        _speed(f"{name}: the whole step", large["steps"], f"at {WINDOW_SMALL:,}", small["steps"]),
        Figure(
            f"{name}: memory of the process",
            large["memory"],
            "MiB",
            "1.0 GB",
            large["memory"] / MEMORY_MIB,
            "<= 1",
        ),
        _speed(f"the whole step in a flood of {FLOOD:,} copies", wet["steps"], "dry", small["steps"], ">= 0.9"),
    ]


def _speed(name: str, value: float, against: str, other: float, goal: str | None = None) -> Figure:
    return Figure(name, value, "articles/s", against, value / other, goal)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--window", type=int, default=1_000_000)
    parser.add_argument("--articles", type=int, default=5_000)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--flooded", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--counterpart", default=".venv-bench/bin/python", help="a Python that has datasketch")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(decide(options.alone, options.articles, options.flooded)))
        return
    report(measure(options.window, options.articles, options.counterpart), options.out)


if __name__ == "__main__":
    main()
