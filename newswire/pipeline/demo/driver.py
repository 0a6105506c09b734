"""Runs the demo: the real service over the bundled feeds, until everything that they hold has its outcome."""

import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.console import Console

from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.broker.namespaces import delete_namespace, list_namespaces
from newswire.pipeline.connection import Connection
from newswire.pipeline.demo.catalogue import ARTICLES, POISON
from newswire.pipeline.demo.report import print_report
from newswire.pipeline.demo.site import FeedSite
from newswire.pipeline.demo.view import Headline, Snapshot, View, open_view
from newswire.pipeline.demo.watch import Watch
from newswire.pipeline.feeds.topic import write_feeds
from newswire.pipeline.ledger.balance import Ledger
from newswire.pipeline.settings import Settings
from newswire.schemas import EnrichedArticle, FeedSettings
from newswire.schemas.common import ContractError

POLLS = 2
"""How often each feed must have been polled: the second time shows 304s, and what has changed."""
LIMIT = 60.0
"""Seconds after which what has not arrived counts as lost."""

_PAUSE = 0.2
_STAMP = "%Y%m%d-%H%M%S"
_PREFIX = "demo-"
_KEPT = timedelta(hours=1)
_log = structlog.get_logger(__name__)

Connect = Callable[[Settings], AbstractAsyncContextManager[Connection]]
Serve = Callable[[Settings, Connection], AbstractAsyncContextManager[Any]]
ReadLedger = Callable[[Settings, Connection], Awaitable[Ledger]]


class DemoFailure(Exception):  # noqa: N818 - says what is the case
    """Something that the demo waits for did not come; the text says what."""


@dataclass(frozen=True)
class Doors:
    """What the demo needs of the rest: a Kafka with the wire's topics, the service on it, and its ledger."""

    connect: Connect
    serve: Serve
    read_ledger: ReadLedger


def demo_namespace(now: datetime) -> str:
    """A namespace that no earlier demo had."""
    return now.astimezone(UTC).strftime(_PREFIX + _STAMP)


def outlived(namespace: str, now: datetime) -> bool:
    """Whether this is the namespace of a demo that nobody looks at any more (an hour old)."""
    try:
        made = datetime.strptime(namespace, _PREFIX + _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return False
    return now - made > _KEPT


def demo_settings(settings: Settings, namespace: str) -> Settings:
    """The user's settings with what the demo must have: loopback feeds, polled every second, on any free ports."""
    collect = settings.collect.model_copy(
        update={
            "allow_private": True,
            "interval_min": 1,
            "interval_default": 1,
            "interval_max": 2,
            # All feeds are on one host, which is this one.
            "host_spacing": 0.0,
            "host_polls_at_once": 8,
        }
    )
    run = settings.run.model_copy(update={"port": 0})
    return settings.model_copy(update={"namespace": namespace, "collect": collect, "run": run})


async def run_demo(settings: Settings, doors: Doors, console: Console, limit: float = LIMIT) -> None:
    """Run the demo with settings made by `demo_settings`, and print what came of it.

    `limit`: seconds from the start of the service until everything must have its outcome. Returns when the ledger is
    printed and balances. Raises DemoFailure when something is missing or the ledger does not balance, BrokerError
    when there is no Kafka, OSError when no port can be opened.
    """
    began = time.monotonic()
    with open_view(console) as view:
        view.show(Snapshot("starting Apache Kafka (fetched first where it is missing)"))
        async with FeedSite() as site, doors.connect(settings) as connection:
            await _forget_old_demos(settings, connection)
            async with Watch(settings, connection) as watch:
                await _write_inputs(settings, connection, site)
                began = time.monotonic()
                view.show(Snapshot("starting the service", feeds=len(site.feeds)))
                async with doors.serve(settings, connection):
                    await _follow(site, watch, view, began, limit)
                view.show(_snapshot("the service has stopped", began, site, watch))
            ledger = await doors.read_ledger(settings, connection)
    print_report(console, settings.namespace, site, watch.articles, list(watch.outcomes.values()), ledger)
    if not ledger.balanced:
        raise DemoFailure(f"the ledger does not balance: {'; '.join(ledger.faults)}")


def missing(site: FeedSite, watch: Watch) -> list[str]:
    """What has not arrived yet, a phrase each; nothing when the demo is done."""
    faults = []
    for feed in site.feeds:
        # A service polls a feed that fails less often, as it should.
        needed = 1 if feed.broken else POLLS
        if site.polls(feed) < needed:
            faults.append(f"{feed.title} was polled {site.polls(feed)} of {needed} times")
    expected = ARTICLES + 1
    if watch.collected < expected:
        faults.append(f"{watch.collected} of {expected} raw records were collected")
    if len(watch.outcomes) < watch.collected:
        faults.append(f"{watch.collected - len(watch.outcomes)} raw records have no outcome")
    emitted = watch.ended["emitted"] + watch.ended["updated"]
    if len(watch.articles) < emitted:
        faults.append(f"{len(watch.articles)} of {emitted} enriched records arrived")
    return faults


async def _follow(site: FeedSite, watch: Watch, view: View, began: float, limit: float) -> None:
    while faults := missing(site, watch):
        if time.monotonic() - began > limit:
            raise DemoFailure(f"after {limit:g} s: {'; '.join(faults)}")
        try:
            await watch.read(_PAUSE)
        except (KafkaError, ContractError) as error:
            raise DemoFailure(f"the wire cannot be read: {error}") from error
        view.show(_snapshot("the service runs", began, site, watch))


def _snapshot(phase: str, began: float, site: FeedSite, watch: Watch) -> Snapshot:
    return Snapshot(
        phase=phase,
        elapsed=time.monotonic() - began,
        feeds=len(site.feeds),
        polls=sum(site.answers.values()),
        unchanged=site.answered(304),
        collected=watch.collected,
        outcomes=watch.ended,
        headlines=headlines(watch.articles),
    )


def headlines(articles: Sequence[EnrichedArticle]) -> tuple[Headline, ...]:
    """The articles as lines of the view."""
    return tuple(
        Headline(
            language=article.language.code,
            feed=article.feed.title or article.feed.url,
            title=article.title,
            note=f"update, revision {article.revision}" if article.revision > 1 else "",
        )
        for article in articles
    )


async def _write_inputs(settings: Settings, connection: Connection, site: FeedSite) -> None:
    added = datetime.now(UTC)
    feeds = [
        FeedSettings(url=site.url(feed), title=feed.title, category="demo", interval_seconds=1, added_at=added)
        for feed in site.feeds
    ]
    await write_feeds(connection, settings, {feed.url: feed for feed in feeds})
    producer = AIOKafkaProducer(bootstrap_servers=connection.bootstrap_servers, **connection.options)
    await producer.start()
    try:
        await producer.send_and_wait(settings.topic("raw"), POISON)
    finally:
        await producer.stop()


async def _forget_old_demos(settings: Settings, connection: Connection) -> None:
    now = datetime.now(UTC)
    try:
        for namespace in await list_namespaces(connection.bootstrap_servers, connection.options):
            if outlived(namespace, now):
                await delete_namespace(connection.bootstrap_servers, namespace, connection.options)
                # The caches of its workers, which nobody can use without the topics.
                shutil.rmtree(settings.state_dir / "workers" / namespace, ignore_errors=True)
    except (TimeoutError, BrokerError) as error:
        # Left-overs of another demo are no reason not to show this one.
        _log.warning("an old demo stays on the broker", reason=str(error))
