"""What a poll without news costs with all of it: the poller's process and its Kafka hops, at 50 polls a second.

Usage: python -m bench.polls [--seconds N] [--out FILE]. 1,080 feeds of a loopback site in another process, each polled
every 20 to 22 s; the figure is the CPU time of the poller and of its parse worker. What the broker spends is
given against what it spent at rest, before the first poll.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from bench.figures import Figure, report
from bench.processes import cpu_seconds, tree
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.feeds.topic import write_feeds
from newswire.pipeline.settings import load_settings
from newswire.pipeline.supervisor import running_service
from newswire.schemas import FeedSettings

FEEDS = 1_080
INTERVAL = 20
WARM_UP = 30.0
AT_REST = 20.0
ETAG = '"one"'
BODY = (
    "<rss version='2.0'><channel><title>Bench</title>"
    + "".join(
        f"<item><guid>{n}</guid><title>Item {n}</title><description>Text.</description></item>" for n in range(20)
    )
    + "</channel></rss>"
)


async def serve() -> None:
    """The site: as many feeds as are asked for, which never change, and a count of its answers."""
    counts = {200: 0, 304: 0}

    async def feed(request: web.Request) -> web.Response:
        status = 304 if request.headers.get("If-None-Match") == ETAG else 200
        counts[status] += 1
        return web.Response(status=status, text=BODY if status == 200 else None, headers={"ETag": ETAG})

    async def told(_: web.Request) -> web.Response:
        return web.json_response(counts)

    application = web.Application()
    application.add_routes([web.get("/feed/{number}", feed), web.get("/counts", told)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def not_modified(site: str) -> int:
    """How many 304s the site has given."""
    with urllib.request.urlopen(f"{site}/counts") as answer:
        return int(json.loads(answer.read())["304"])


async def bare_gets(site: str, count: int = 1_000) -> float:
    """CPU seconds of this process for a conditional GET by aiohttp alone, answered 304."""
    async with aiohttp.ClientSession(headers={"If-None-Match": ETAG}) as session:
        for number in range(-20, count):
            if number == 0:
                began = time.process_time()
            async with session.get(f"{site}/feed/{number % FEEDS}") as answer:
                assert answer.status == 304
        return (time.process_time() - began) / count


async def measure(seconds: float) -> list[Figure]:
    """Poll for so many seconds after every feed was polled twice; give the cost of a 304."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.polls", "--serve", stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    site = (await server.stdout.readline()).decode().strip()
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = load_settings(
                namespace="bench",
                state_dir=Path(folder),
                run={"port": 0},
                collect={"allow_private": True, "host_spacing": 0.0, "host_polls_at_once": 16, "interval_min": 1},
            )
            async with connect(settings) as connection:
                running = EmbeddedBroker(settings.state_dir).status()
                assert running is not None
                broker = psutil.Process(running.pid)
                async with running_service(settings, connection, ["collect"]) as service:
                    # The broker's first seconds are the compiler's.
                    await asyncio.sleep(WARM_UP)
                    began = cpu_seconds([broker])
                    await asyncio.sleep(AT_REST)
                    rest = (cpu_seconds([broker]) - began) / AT_REST
                    added = datetime.now(UTC)
                    feeds = [f"{site}/feed/{number}" for number in range(FEEDS)]
                    rows = {url: FeedSettings(url=url, interval_seconds=INTERVAL, added_at=added) for url in feeds}
                    await write_feeds(connection, settings, dict(rows))
                    while await asyncio.to_thread(not_modified, site) < FEEDS:  # noqa: ASYNC110 - another process
                        await asyncio.sleep(0.5)
                    pid = service.processes[0].pid
                    assert pid is not None
                    poller = tree(pid)
                    before, polls = cpu_seconds(poller), await asyncio.to_thread(not_modified, site)
                    brokers = cpu_seconds([broker])
                    await asyncio.sleep(seconds)
                    done = await asyncio.to_thread(not_modified, site) - polls
                    spent, brokers = cpu_seconds(poller) - before, cpu_seconds([broker]) - brokers
        bare = await bare_gets(site)
    finally:
        server.terminate()
        await server.wait()
    return [
        Figure("304: polls", done / seconds, "polls/s"),
        Figure(
            "304: CPU a poll, poller with Kafka",
            1000 * spent / done,
            "ms",
            "a GET by aiohttp alone",
            spent / done / bare,
            "<= 1",
        ),
        Figure(
            "304: CPU of the broker meanwhile",
            1000 * brokers / seconds,
            "ms/s",
            "the broker at rest",
            brokers / seconds / rest,
        ),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    report(asyncio.run(measure(options.seconds)), options.out)


if __name__ == "__main__":
    main()
