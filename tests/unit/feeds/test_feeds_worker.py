"""The parse worker: hostile bodies cost themselves and nothing else."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from newswire.pipeline.feeds.parsed import Limits, NotAFeed
from newswire.pipeline.feeds.worker import ParseFailed, ParseWorker
from tests.unit.feeds.site import rss

ON_ONE_LOOP = pytest.mark.asyncio(loop_scope="module")
URL = "https://host.example/feed.xml"
MEMORY = 1 << 30


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def worker() -> AsyncIterator[ParseWorker]:
    made = ParseWorker(Limits(), timeout=20, memory_max=MEMORY)
    yield made
    await made.close()


@ON_ONE_LOOP
async def test_it_is_kept_and_reused(worker: ParseWorker) -> None:
    feed = await worker.parse(rss("a", "b"), None, URL)
    pid = worker.pid
    with pytest.raises(NotAFeed, match="HTML"):
        await worker.parse(b"<html></html>", None, URL)
    again = await worker.parse(rss("a", "b"), None, URL)
    assert [entry.title for entry in feed.entries] == ["a", "b"]
    assert again == feed
    assert worker.pid == pid


@ON_ONE_LOOP
async def test_documents_wait_for_one_another(worker: ParseWorker) -> None:
    feeds = await asyncio.gather(*(worker.parse(rss(f"title{n}"), None, URL) for n in range(20)))
    assert [feed.entries[0].title for feed in feeds] == [f"title{n}" for n in range(20)]


@ON_ONE_LOOP
async def test_a_hang_costs_one_feed() -> None:
    worker = ParseWorker(Limits(), timeout=1, memory_max=MEMORY)
    # Quadratic in both parsers: a hundred thousand attributes.
    hostile = b"<rss><channel><item " + b" ".join(b'a%d="1"' % n for n in range(100_000)) + b"/></channel></rss>"
    began = time.monotonic()
    with pytest.raises(ParseFailed, match="more than 1 s"):
        await worker.parse(hostile, None, URL)
    assert time.monotonic() - began < 15
    assert worker.pid is None
    assert (await worker.parse(rss("a"), None, URL)).entries
    await worker.close()


@ON_ONE_LOOP
async def test_nested_tags_cost_one_feed_at_most(worker: ParseWorker) -> None:
    body = rss("a").replace(b"On a", b"<a>" * 100_000)
    with contextlib.suppress(NotAFeed, ParseFailed):
        assert [entry.title for entry in (await worker.parse(body, None, URL)).entries] == ["a"]
    assert (await worker.parse(rss("a"), None, URL)).entries


@ON_ONE_LOOP
async def test_too_much_memory_costs_one_feed() -> None:
    worker = ParseWorker(Limits(), timeout=20, memory_max=300 * 1024 * 1024)
    hostile = b"<rss><channel>" + b"<item><title/></item>" * 500_000 + b"</channel></rss>"  # 10 MB become hundreds
    # A native parser that is refused memory may hang rather than fail; the kill timeout is for that.
    with pytest.raises(ParseFailed, match=r"memory|ended by SIG|took more than 20 s"):
        await worker.parse(hostile, None, URL)
    assert (await worker.parse(rss("a"), None, URL)).entries
    await worker.close()


@ON_ONE_LOOP
async def test_a_killed_worker_is_started_again(worker: ParseWorker) -> None:
    await worker.parse(rss("a"), None, URL)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    parsing = asyncio.create_task(worker.parse(rss("a"), None, URL))
    await asyncio.sleep(0.1)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(ParseFailed, match="SIGKILL"):
        await parsing
    assert (await worker.parse(rss("b"), None, URL)).entries[0].title == "b"


@ON_ONE_LOOP
async def test_a_parse_that_is_given_up_answers_nobody_else(worker: ParseWorker) -> None:
    await worker.parse(rss("a"), None, URL)
    parsing = asyncio.create_task(worker.parse(rss(*(f"t{n}" for n in range(2_000))), None, URL))
    await asyncio.sleep(0.02)
    parsing.cancel()
    await asyncio.gather(parsing, return_exceptions=True)
    assert (await worker.parse(rss("b"), None, URL)).entries[0].title == "b"


@ON_ONE_LOOP
async def test_an_answer_that_waits_in_the_pipe_does_not_keep_the_worker(worker: ParseWorker) -> None:
    large = rss(*(f"t{n}" * 300 for n in range(500)))
    await worker.parse(large, None, URL)
    for delay in (0.0, 0.1, 0.3):
        parsing = asyncio.create_task(worker.parse(large, None, URL))
        await asyncio.sleep(delay)
        parsing.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(parsing, return_exceptions=True)
            assert (await worker.parse(rss("b"), None, URL)).entries[0].title == "b"


PARENT = """
import asyncio
from newswire.pipeline.feeds.parsed import Limits
from newswire.pipeline.feeds.worker import ParseWorker

async def main():
    worker = ParseWorker(Limits(), timeout=1, memory_max=1 << 30)
    await worker.parse(b"<rss><channel><item><title>a</title></item></channel></rss>", None, "https://a.example/")
    print(worker.pid, flush=True)
    await worker.parse({body}, None, "https://a.example/")
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "body",
    [
        'b"<rss/>"',
        """b"<rss><channel><item " + b" ".join(b'a%d="1"' % n for n in range(200_000)) + b"/></channel></rss>\"""",
    ],
    ids=["idle", "stuck"],
)
def test_it_ends_with_its_parent(body: str) -> None:
    program = PARENT.replace("{body}", body)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.3)
        parent.kill()
    child.wait(timeout=10)
    assert not child.is_running()
