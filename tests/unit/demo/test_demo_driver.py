"""The demo's driver: when it is done, what it says when something is missing, and a run against a real broker."""

import asyncio
import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rich.console import Console

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.namespaces import list_namespaces
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.cli.demo import errors_to
from newswire.pipeline.connection import Connection
from newswire.pipeline.demo.catalogue import ARTICLES, FEEDS, POISON
from newswire.pipeline.demo.driver import (
    DemoFailure,
    Doors,
    demo_namespace,
    demo_settings,
    missing,
    outlived,
    run_demo,
)
from newswire.pipeline.demo.site import FeedSite
from newswire.pipeline.demo.watch import Watch
from newswire.pipeline.ledger.balance import Entry, Ledger
from newswire.pipeline.settings import Settings
from newswire.schemas import FeedSettings
from tests.unit.demo.samples import article, outcome

if TYPE_CHECKING:
    from tests.conftest import Kafka

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_each_demo_has_its_namespace_and_is_forgotten_after_an_hour() -> None:
    name = demo_namespace(NOW)
    assert name == "demo-20261123-120000"
    assert not outlived(name, NOW + timedelta(minutes=59))
    assert outlived(name, NOW + timedelta(minutes=61))
    assert not outlived("newswire", NOW)
    assert not outlived("demo-of-mine", NOW)


def test_the_demo_keeps_what_the_user_has_set_and_allows_loopback() -> None:
    own = Settings.model_validate({"state_dir": "/nowhere", "collect": {"body_max": 1_000_000}})
    settings = demo_settings(own, "demo-1")
    assert (settings.namespace, settings.state_dir) == ("demo-1", Path("/nowhere"))
    assert (settings.collect.body_max, settings.collect.allow_private, settings.run.port) == (1_000_000, True, 0)
    assert not own.collect.allow_private
    assert Settings.model_validate(settings.model_dump()) == settings


async def test_missing_names_what_has_not_come() -> None:
    site = FeedSite()
    watch = Watch(Settings(), Connection("127.0.0.1:1"))
    faults = "; ".join(missing(site, watch))
    assert "Rheinblick was polled 0 of 2 times" in faults
    assert f"0 of {ARTICLES + 1} raw records" in faults
    for feed in FEEDS:
        site.answers[feed.path, 200] += 1 if feed.broken else 2
    watch.take("raw", [b"x"] * (ARTICLES + 1))
    watch.take("outcomes", [outcome(position).encode() for position in range(ARTICLES)])
    assert missing(site, watch) == [
        "1 raw records have no outcome",
        f"0 of {ARTICLES} enriched records arrived",
    ]
    watch.take("outcomes", [outcome(ARTICLES, "dead").encode()])
    watch.take("enriched", [article("a").encode()] * ARTICLES)
    assert missing(site, watch) == []


def test_errors_go_to_the_file_and_come_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "deep" / "demo.log"
    with errors_to(log):
        os.write(2, b"from a child\n")
    os.write(2, b"for the user\n")
    assert log.read_text() == "from a child\n"
    assert capfd.readouterr().err == "for the user\n"


@asynccontextmanager
async def stand_in(settings: Settings, connection: Connection) -> AsyncIterator[None]:
    """In place of the service: polls what `feeds` names, and gives each article of the catalogue its outcome."""
    work = asyncio.create_task(_serve(settings, connection))
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _serve(settings: Settings, connection: Connection) -> None:
    servers = connection.bootstrap_servers
    reader = AIOKafkaConsumer(settings.topic("feeds"), bootstrap_servers=servers, auto_offset_reset="earliest")
    writer = AIOKafkaProducer(bootstrap_servers=servers)
    await reader.start()
    await writer.start()
    try:
        urls = [FeedSettings.decode((await anext(reader)).value).url for _ in FEEDS]
        async with aiohttp.ClientSession() as session:
            for url in urls * 2:
                async with session.get(url) as answer:
                    await answer.read()
        for position in range(ARTICLES):
            await writer.send_and_wait(settings.topic("raw"), b"{}")
            await writer.send_and_wait(settings.topic("outcomes"), outcome(position).encode())
            await writer.send_and_wait(settings.topic("enriched"), article(f"a{position}").encode())
        await writer.send_and_wait(settings.topic("outcomes"), outcome(ARTICLES, "dead").encode())
        await asyncio.Event().wait()
    finally:
        await reader.stop()
        await writer.stop()


@asynccontextmanager
async def idle(settings: Settings, connection: Connection) -> AsyncIterator[None]:
    """A service that does nothing."""
    yield


def doors(kafka: "Kafka", serve: object, *, balanced: bool = True) -> Doors:
    @asynccontextmanager
    async def connect(settings: Settings) -> AsyncIterator[Connection]:
        await ensure_topics(kafka.bootstrap_servers, wire_topics(settings.namespace, partitions=2))
        yield Connection(kafka.bootstrap_servers)

    async def read_ledger(settings: Settings, connection: Connection) -> Ledger:
        total = Entry(None, ARTICLES + 1, {"emitted": ARTICLES, "dead": 1}, {})
        return Ledger((total,), total, 0, () if balanced else ("one article is nowhere",))

    return Doors(connect=connect, serve=serve, read_ledger=read_ledger)  # type: ignore[arg-type]


@pytest.mark.broker
async def test_a_demo_ends_by_itself_and_prints_articles_and_ledger(
    kafka: "Kafka", namespace: str, tmp_path: Path
) -> None:
    out = io.StringIO()
    settings = demo_settings(Settings(state_dir=tmp_path), namespace)
    old = "demo-20200101-000000"
    await ensure_topics(kafka.bootstrap_servers, wire_topics(old, partitions=1))
    (tmp_path / "workers" / old / "wire").mkdir(parents=True)
    await run_demo(settings, doors(kafka, stand_in), Console(file=out, width=120), limit=30)
    assert f"{ARTICLES} emitted, 1 dead, 0 in flight" in out.getvalue()
    assert "Title of a" in out.getvalue()
    assert old not in await list_namespaces(kafka.bootstrap_servers)
    assert not (tmp_path / "workers" / old).exists()
    assert f"The ledger of {namespace}: it balances" in out.getvalue()
    reader = AIOKafkaConsumer(
        settings.topic("raw"), bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
    )
    await reader.start()
    assert (await anext(reader)).value == POISON
    await reader.stop()


@pytest.mark.broker
async def test_what_does_not_arrive_is_named(kafka: "Kafka", namespace: str) -> None:
    with pytest.raises(DemoFailure, match=r"after 1 s: The Harbour Courier was polled 0 of 2 times; .* 1 of \d+ raw"):
        await run_demo(demo_settings(Settings(), namespace), doors(kafka, idle), Console(file=io.StringIO()), limit=1)


@pytest.mark.broker
async def test_a_ledger_that_does_not_balance_is_a_failure(kafka: "Kafka", namespace: str) -> None:
    broken = doors(kafka, stand_in, balanced=False)
    with pytest.raises(DemoFailure, match="does not balance: one article is nowhere"):
        await run_demo(demo_settings(Settings(), namespace), broken, Console(file=io.StringIO()), limit=30)
