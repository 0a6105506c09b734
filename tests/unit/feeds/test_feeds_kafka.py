"""The collector and the feed list on a real Kafka: each article once on raw, whoever owned the partition."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer

from newswire.agents.collect import build
from newswire.pipeline.app.stages import Worker
from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.cli.feeds import add_feeds, change_feeds
from newswire.pipeline.connection import Connection
from newswire.pipeline.feeds.opml import Outline
from newswire.pipeline.feeds.topic import read_feeds, read_states
from newswire.pipeline.ledger.log import open_reader
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage import StageApp, run_stages
from newswire.schemas import DeadLetter, RawArticle
from tests.conftest import Kafka
from tests.unit.feeds.site import rss, site

pytestmark = pytest.mark.broker


async def read(connection: Connection, topic: str) -> list[bytes]:
    """The committed records of a topic of one partition."""
    async with open_reader(connection.bootstrap_servers, {}) as reader:
        (partition,) = reader.partitions(topic)
        return [record.value async for record in reader.records(partition)]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something on Kafka."""
    async with asyncio.timeout(90):
        while not await condition():  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(0.2)


class Collecting:
    """The collect stage, running in this process."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._shutdown = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        app = StageApp(f"{self._worker.name}", datadir=str(self._worker.folder / "faust"))
        stage = build(app, self._worker)
        self._running = asyncio.create_task(run_stages(app, [stage], shutdown=self._shutdown))

    async def __aexit__(self, *_: object) -> None:
        assert self._running is not None
        self._shutdown.set()
        await self._running


async def test_from_the_list_to_raw(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    settings = Settings(
        namespace=namespace,
        state_dir=tmp_path,
        collect={"allow_private": True, "host_spacing": 0.0, "parse_timeout": 30.0},
    )
    connection = Connection(kafka.bootstrap_servers)
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=2), {})
    worker = Worker(settings=settings, connection=connection, name="poller", roles=("collect",))
    worker.folder.mkdir(parents=True)
    body = rss("b two", "a one")

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=404) if request.path == "/bad" else web.Response(body=body)

    async def polls() -> int:
        return sum(state.polls for state in (await read_states(connection, settings)).values())

    async def polled_three() -> bool:
        return await polls() >= 3

    async def polled_four() -> bool:
        return await polls() >= 4

    async def letter_written() -> bool:
        return bool(await read(connection, settings.topic("dead")))

    async with site(handler) as url:
        outlines = tuple(Outline(f"{url}/{name}") for name in ("one", "two", "bad"))
        assert await add_feeds(connection, settings, outlines) == (3, 0, [])
        assert await add_feeds(connection, settings, outlines) == (0, 3, [])
        async with Collecting(worker):
            await until(polled_three)
            await write_poison(connection, settings)
            await until(letter_written)
        states = await read_states(connection, settings)
        assert states[f"{url}/bad"].error == "http 404"
        assert (states[f"{url}/one"].new, states[f"{url}/two"].new) == (2, 2)

        # A new owner with the same rows: only what is new in the feed is sent.
        body = rss("c three", "b two", "a one")
        assert await change_feeds(connection, settings, (f"{url}/one",), replace_interval) == []
        async with Collecting(replace(worker, name="other")):
            await until(polled_four)
    articles = [RawArticle.decode(value) for value in await read(connection, settings.topic("raw"))]
    titles = sorted((article.feed_url.rsplit("/")[-1], article.title) for article in articles)
    assert titles == [("one", "a one"), ("one", "b two"), ("one", "c three"), ("two", "a one"), ("two", "b two")]
    (letter,) = [DeadLetter.decode(value) for value in await read(connection, settings.topic("dead"))]
    assert letter.stage == "collect"
    assert await change_feeds(connection, settings, (f"{url}/bad",), lambda feed: None) == []
    assert len(await read_feeds(connection, settings)) == 2


def replace_interval(feed: Any) -> Any:
    """A changed interval makes a feed due at once."""
    return feed.model_copy(update={"interval_seconds": 3_600})


async def write_poison(connection: Connection, settings: Settings) -> None:
    """A record that is no settings."""
    producer: Any = AIOKafkaProducer(bootstrap_servers=connection.bootstrap_servers)
    await producer.start()
    await producer.send_and_wait(settings.topic("feeds"), key=b"https://x.example/", value=b"poison")
    await producer.stop()
