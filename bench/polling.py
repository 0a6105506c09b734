"""What polling costs: `python -m bench.polling [FOLDER] [--out FILE]`, FOLDER holding feed bodies (any depth).

1. Feeds parsed a second of CPU by newswire's path (encoding, both parsers, cleaning, entries) against feedparser on the
   same bodies, as a ratio.
2. CPU milliseconds of a poll that finds nothing (304): the HTTP request, and the step on the feed's row.

CPU time, so that what else the computer does matters little; the best of three rounds.
"""

import argparse
import asyncio
import hashlib
import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import feedparser
import structlog
from aiohttp import web

from bench.figures import Figure, report
from newswire.pipeline.feeds.clock import SystemClock
from newswire.pipeline.feeds.feedstate import load_head, new_feed, save
from newswire.pipeline.feeds.fetch import Fetcher
from newswire.pipeline.feeds.parse import parse_feed
from newswire.pipeline.feeds.parsed import Limits, NotAFeed
from newswire.pipeline.feeds.polls import NotModified, poll_feed
from newswire.pipeline.feeds.step import CollectStep
from newswire.pipeline.feeds.worker import ParseWorker
from newswire.pipeline.settings import Settings
from newswire.schemas import FeedSettings

URL = "https://feed.example/"
POLLS = 2_000
ETAG = '"1"'
BODY = b"<rss version='2.0'><channel><title>F</title><item><title>a</title></item></channel></rss>"
SEEN_ENTRIES = 60


def read_feeds(folder: Path) -> list[bytes]:
    """The bodies under a folder that are feeds."""
    feeds = []
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        body = file.read_bytes()
        try:
            if parse_feed(body, None, URL).entries:
                feeds.append(body)
        except NotAFeed:
            continue
    return feeds


def cpu_seconds(work: Callable[[bytes], object], bodies: list[bytes], rounds: int) -> float:
    """CPU seconds of one round over the bodies, the best of some."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for body in bodies:
            work(body)
        best = min(best, time.process_time() - began)
    return best


def measure_parsing(folder: Path) -> Iterator[Figure]:
    """Our path against feedparser, on the same bodies."""
    bodies = read_feeds(folder)
    if not bodies:
        raise SystemExit(f"{folder}: there are no feeds in it")
    ours = len(bodies) / cpu_seconds(lambda body: parse_feed(body, None, URL), bodies, 3)
    theirs = len(bodies) / cpu_seconds(lambda body: feedparser.parse(io.BytesIO(body)), bodies, 1)
    megabytes = sum(map(len, bodies)) / 1e6
    yield Figure("bodies", len(bodies), f"feeds ({megabytes:.1f} MB)")
    yield Figure("feedparser", round(theirs, 1), "feeds/s")
    yield Figure("parse_feed", round(ours, 1), "feeds/s", "feedparser", round(ours / theirs, 1), ">= 20x")


class Rows:
    """A state in a dict."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """The row."""
        return self.rows.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Write a row."""
        self.rows[key] = value

    def delete(self, key: bytes) -> None:
        """Delete a row."""
        self.rows.pop(key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The rows with a prefix."""
        return ((key, value) for key, value in self.rows.items() if key.startswith(prefix))

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """Not needed here."""
        return []


async def measure_polls() -> list[Figure]:
    """Polls of a site on loopback that has not changed; the site is another process, whose CPU does not count."""
    settings = Settings(collect={"allow_private": True, "host_spacing": 0.0})
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.polling", "--serve", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    url = (await server.stdout.readline()).decode().strip()
    state, step, clock = Rows(), CollectStep(settings), SystemClock()
    feed = new_feed(FeedSettings(url=url, added_at=datetime.now(UTC)))
    seen = {f"{number:016x}": ("0" * 16, 0) for number in range(SEEN_ENTRIES)}
    save(state, replace(feed, etag=ETAG, body_hash=hashlib.sha256(BODY).hexdigest()[:32], seen=seen), feed)
    parser = ParseWorker(Limits(), timeout=10, memory_max=1 << 30)
    fetching = deciding = 0.0
    try:
        async with Fetcher(settings.collect, clock) as fetcher:
            for number in range(-100, POLLS):
                began = time.process_time()
                head = load_head(state, url)
                assert head is not None
                poll = await poll_feed(head, fetcher, parser, clock)
                fetched = time.process_time()
                assert isinstance(poll.outcome, NotModified), poll.outcome
                step.finished(poll, state)
                if number >= 0:
                    fetching += fetched - began
                    deciding += time.process_time() - fetched
    finally:
        await parser.close()
        server.terminate()
        await server.wait()
    total = (fetching + deciding) / POLLS * 1000
    return [
        Figure("304: fetch", round(fetching / POLLS * 1000, 3), "ms CPU a poll"),
        Figure("304: decide and row", round(deciding / POLLS * 1000, 3), "ms CPU a poll"),
        Figure("304: all but Kafka", round(total, 3), "ms CPU a poll"),
    ]


async def serve() -> None:
    """The site: a small feed with a validator; prints its URL and ends when its input does."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == ETAG:
            return web.Response(status=304, headers={"ETag": ETAG})
        return web.Response(body=BODY, headers={"ETag": ETAG})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="feed bodies; without it only polls are measured")
    parser.add_argument("--out", type=Path, help="a file that JSON lines are appended to")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    # As the service does by default: a poll that finds nothing is logged at debug.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    parsing = list(measure_parsing(options.folder)) if options.folder is not None else []
    report([*parsing, *asyncio.run(measure_polls())], options.out)


if __name__ == "__main__":
    main()
