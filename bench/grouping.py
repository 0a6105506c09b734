"""Which roles should share a process: articles a second under backlog and memory, for each grouping of the roles.

Usage: python -m bench.grouping [--articles N] [--out FILE]. The shipped encoder works; 300-word articles.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import orjson
import psutil

from bench.articles import articles
from bench.figures import Figure, report
from bench.hops import fill, wait_for
from bench.processes import memory_mib
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.settings import load_settings
from newswire.pipeline.supervisor import running_service

WARM_UP = 20
WIRE = ("prepare", "deduplicate", "cluster")
GROUPINGS = {
    "one process": {"all": ("collect", *WIRE, "analyze")},
    "poller with wire, analyzer": {"wire": ("collect", *WIRE), "analyzer": ("analyze",)},
    "poller, wire, analyzer": {"poller": ("collect",), "wire": WIRE, "analyzer": ("analyze",)},
    "poller, wire, two analyzers": {
        "poller": ("collect",),
        "wire": WIRE,
        "analyzer": ("analyze",),
        "analyzer-2": ("analyze",),
    },
    "a process a role": {role: (role,) for role in ("collect", *WIRE, "analyze")},
}


async def measure(name: str, count: int) -> tuple[float, float]:
    """Articles a second of one grouping, and the memory of its workers in MiB."""
    values = [orjson.dumps(article) for article in articles(count + WARM_UP)]
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            namespace="bench", state_dir=Path(folder), run={"port": 0, "processes": GROUPINGS[name]}
        )
        async with connect(settings) as connection, running_service(settings, connection) as service:
            servers = connection.bootstrap_servers
            await fill(settings, servers, "raw", values[:WARM_UP])
            await wait_for(settings, servers, WARM_UP)
            began = time.monotonic()
            await fill(settings, servers, "raw", values[WARM_UP:])
            await wait_for(settings, servers, count + WARM_UP)
            rate = count / (time.monotonic() - began)
            workers = [psutil.Process(state.pid) for state in service.processes if state.pid is not None]
            return rate, memory_mib(workers)


def main() -> None:
    """Measure each grouping and print it against one process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=300)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures: list[Figure] = []
    base = None
    for name in GROUPINGS:
        rate, memory = asyncio.run(measure(name, options.articles))
        base = base or rate
        figures.append(Figure(f"{name}: backlog", rate, "articles/s", "one process", rate / base))
        figures.append(Figure(f"{name}: memory of its workers", memory, "MiB"))
    report(figures, options.out)


if __name__ == "__main__":
    main()
