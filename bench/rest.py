"""`newswire run` at rest: memory of all its processes with the broker, and the time to its first enriched record.

Usage: python -m bench.rest [--seconds N] [--out FILE]. One feed on a loopback server; the commands are a user's.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from aiohttp import web

from bench.figures import Figure, report
from bench.processes import memory_mib, tree
from newswire.pipeline.broker.embedded import EmbeddedBroker

FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Bench</title><item><guid>1</guid>
<title>Northwind Energy reopens its plant near Leeds</title><description>Northwind Energy said on Monday that the plant
near Leeds runs again after eleven days of repairs.</description></item></channel></rss>"""


async def serve_feed() -> tuple[web.AppRunner, str]:
    """A loopback server with one feed."""

    async def feed(_: web.Request) -> web.Response:
        return web.Response(text=FEED, content_type="application/rss+xml")

    application = web.Application()
    application.add_routes([web.get("/feed", feed)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    return runner, f"http://{host}:{port}/feed"


async def measure(seconds: float) -> list[Figure]:
    """Start the service over one feed; give the time to the first record and the memory after `seconds` of rest."""
    server, url = await serve_feed()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "NEWSWIRE_STATE_DIR": folder,
            "NEWSWIRE_RUN__PORT": "0",
            "NEWSWIRE_COLLECT__ALLOW_PRIVATE": "true",
        }
        newswire = [sys.executable, "-m", "newswire"]
        await asyncio.to_thread(subprocess.run, [*newswire, "feeds", "add", url], env=environment, check=True)
        began = time.monotonic()
        service = subprocess.Popen([*newswire, "run"], env=environment, stderr=subprocess.DEVNULL)
        try:
            first = await asyncio.to_thread(
                subprocess.run,
                [*newswire, "subscribe", "--limit", "1", "--idle", "90"],
                env=environment,
                stdout=subprocess.PIPE,
                check=True,
            )
            taken = time.monotonic() - began
            assert json.loads(first.stdout)["title"].startswith("Northwind")
            await asyncio.sleep(seconds)
            running = EmbeddedBroker(Path(folder)).status()
            assert running is not None
            broker = psutil.Process(running.pid)
            ours = [process for process in tree(service.pid) if process.pid != broker.pid]
            memory, brokers = memory_mib(ours), memory_mib([broker])
        finally:
            service.terminate()
            await asyncio.to_thread(service.wait, 30)
            await asyncio.to_thread(EmbeddedBroker(Path(folder)).stop)
    await server.cleanup()
    return [
        Figure("run: first enriched record after", taken, "s", goal="<= 15"),
        Figure("run: memory at rest, supervisor and workers", memory, "MiB"),
        Figure("run: memory at rest, with the broker", memory + brokers, "MiB", "1.5 GB", (memory + brokers) / 1430.5),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report(asyncio.run(measure(options.seconds)), options.out)


if __name__ == "__main__":
    main()
