"""`newswire feeds`: the feed list."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from aiokafka.errors import KafkaError

from newswire.pipeline.broker.connect import connect
from newswire.pipeline.cli.common import one_line_errors, with_settings
from newswire.pipeline.connection import Connection
from newswire.pipeline.feeds.canonical import canonical_url
from newswire.pipeline.feeds.clock import SystemClock
from newswire.pipeline.feeds.decide import decide
from newswire.pipeline.feeds.feedstate import FeedState, new_feed
from newswire.pipeline.feeds.fetch import Fetcher
from newswire.pipeline.feeds.opml import NotAnOpml, Outline, read_opml, write_opml
from newswire.pipeline.feeds.parsed import Limits, ParsedFeed
from newswire.pipeline.feeds.polls import Document, Failure, poll_feed
from newswire.pipeline.feeds.topic import read_feeds, read_states, write_feeds
from newswire.pipeline.feeds.worker import ParseWorker
from newswire.pipeline.settings import Settings
from newswire.schemas import FeedSettings, RawArticle
from newswire.schemas.common import format_time

Found = TypeVar("Found")

COLUMNS = ("url", "title", "status", "last_poll", "next_poll", "failures", "new", "changed", "error")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """The feed list: what is polled, and how it goes."""


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_settings
def import_(settings: Settings, file: Path) -> None:
    """Add the feeds of an OPML FILE; those in the list already stay as they are."""
    try:
        outlines = read_opml(file.read_bytes())
    except NotAnOpml as error:
        raise click.ClickException(f"{file}: {error}") from None
    if not outlines:
        raise click.ClickException(f"{file}: there are no feeds in it")
    added, known, refused = _on_kafka(settings, lambda connection: add_feeds(connection, settings, outlines))
    for url in refused:
        click.echo(f"skipped, no http or https URL: {url}", err=True)
    click.echo(f"{added} added, {known} in the list already, {len(refused)} skipped")


@command.command()
@click.argument("url")
@click.option("--title", help="A title in place of the feed's own.")
@click.option("--category", help="The group that the feed is in.")
@click.option(
    "--interval", type=click.IntRange(min=1), help="Seconds between polls, in place of the adaptive interval."
)
@with_settings
def add(settings: Settings, url: str, title: str | None, category: str | None, interval: int | None) -> None:
    """Add the feed at URL."""
    outline = Outline(url.strip(), title, category)
    added, _, refused = _on_kafka(settings, lambda connection: add_feeds(connection, settings, (outline,), interval))
    if refused:
        raise click.UsageError(f"{url}: only http and https URLs can be polled")
    if not added:
        raise click.ClickException(f"{url}: is in the list already")
    click.echo(f"added {outline.url}")


@command.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@with_settings
def remove(settings: Settings, urls: tuple[str, ...]) -> None:
    """Remove feeds, and forget what was seen in them."""
    _change(settings, urls, "removed", lambda feed: None)


@command.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@with_settings
def pause(settings: Settings, urls: tuple[str, ...]) -> None:
    """Stop polling feeds, and remember what was seen in them."""
    _change(settings, urls, "paused", lambda feed: feed.model_copy(update={"paused": True}))


@command.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@with_settings
def resume(settings: Settings, urls: tuple[str, ...]) -> None:
    """Poll feeds again that were paused, or that were gone (HTTP 410)."""
    _change(settings, urls, "resumed", lambda feed: feed.model_copy(update={"paused": False}))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
@with_settings
def list_(settings: Settings, as_json: bool) -> None:
    """Show the feeds with their last and next poll, failures and why, and what was collected."""

    async def read(connection: Connection) -> list[dict[str, Any]]:
        feeds, states = await read_feeds(connection, settings), await read_states(connection, settings)
        return [describe(feed, states.get(url)) for url, feed in feeds.items()]

    rows = _on_kafka(settings, read)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    elif sys.stdout.isatty():
        _show_table(rows)
    else:
        for cells in (COLUMNS, *([_cell(row[column]) for column in COLUMNS] for row in rows)):
            click.echo("\t".join(cells))


@command.command()
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="The raw articles, one a line.")
@with_settings
def check(settings: Settings, url: str, as_json: bool) -> None:
    """Fetch and parse the feed at URL once, without Kafka, and show what would be collected."""
    if canonical_url(url) is None:
        raise click.UsageError(f"{url}: only http and https URLs can be polled")
    feed, articles = asyncio.run(try_feed(settings, url))
    if as_json:
        for article in articles:
            click.echo(article.encode())
        return
    click.echo(f"{feed.title or url}: {len(articles)} articles ({feed.parser} parser, {feed.dropped} entries dropped)")
    for article in articles:
        published = format_time(article.published_at) if article.published_at else "-"
        click.echo("\t".join((published, _cell(article.title), _cell(article.url))))


@command.command()
@with_settings
def export(settings: Settings) -> None:
    """Write the feed list as OPML to standard output."""
    feeds = _on_kafka(settings, lambda connection: read_feeds(connection, settings))
    click.echo(write_opml(feeds.values()), nl=False)


async def add_feeds(
    connection: Connection, settings: Settings, outlines: tuple[Outline, ...], interval: int | None = None
) -> tuple[int, int, list[str]]:
    """Add feeds that are not in the list; give how many were added and known, and the URLs that cannot be polled."""
    listed = {canonical_url(url) for url in await read_feeds(connection, settings)}
    changes: dict[str, FeedSettings] = {}
    known, refused, now = 0, [], datetime.now(UTC)
    for outline in outlines:
        canonical = canonical_url(outline.url)
        if canonical is None:
            refused.append(outline.url)
        elif canonical in listed:
            known += 1
        else:
            listed.add(canonical)
            changes[outline.url] = FeedSettings(
                url=outline.url,
                title=outline.title,
                category=outline.category,
                interval_seconds=interval,
                added_at=now,
            )
    await write_feeds(connection, settings, changes)
    return len(changes), known, refused


async def change_feeds(
    connection: Connection,
    settings: Settings,
    urls: tuple[str, ...],
    change: Callable[[FeedSettings], FeedSettings | None],
) -> list[str]:
    """Change or remove feeds of the list; give the URLs that are not in it. Any spelling of a URL will do."""
    listed = {canonical_url(url): feed for url, feed in (await read_feeds(connection, settings)).items()}
    found: Mapping[str, FeedSettings | None] = {url: listed.get(canonical_url(url)) for url in urls}
    await write_feeds(connection, settings, {feed.url: change(feed) for feed in found.values() if feed is not None})
    return [url for url, feed in found.items() if feed is None]


async def try_feed(settings: Settings, url: str) -> tuple[ParsedFeed, tuple[RawArticle, ...]]:
    """Poll a feed once, as if it were new. Raises ClickException with the reason when that fails."""
    state = new_feed(FeedSettings(url=url, added_at=datetime.now(UTC)))
    clock, collect = SystemClock(), settings.collect
    parser = ParseWorker(Limits.of(settings), timeout=collect.parse_timeout, memory_max=collect.parse_memory_max)
    try:
        async with Fetcher(collect, clock) as fetcher:
            poll = await poll_feed(state, fetcher, parser, clock)
    finally:
        await parser.close()
    if isinstance(poll.outcome, Failure):
        raise click.ClickException(f"{state.public_url}: {poll.outcome.error}")
    assert isinstance(poll.outcome, Document), "a feed without validators always gives a document"
    return poll.outcome.feed, decide(state, poll.outcome.feed, poll.at).articles


def describe(feed: FeedSettings, state: FeedState | None) -> dict[str, Any]:
    """A feed's line: its settings, and what the collector knows of it (which may lag by a moment)."""
    row: dict[str, Any] = {
        "url": feed.url,
        "title": feed.title,
        "category": feed.category,
        "paused": feed.paused,
        "interval_seconds": feed.interval_seconds,
        "added_at": format_time(feed.added_at),
        "status": "paused" if feed.paused else "new",
        "last_poll": None,
        "next_poll": None,
        "polls": 0,
        "failures": 0,
        "error": None,
        "new": 0,
        "changed": 0,
        "seen": 0,
    }
    if state is None:
        return row
    status = "paused" if feed.paused else "gone" if state.gone else "failing" if state.failures else "active"
    return row | {
        "title": feed.title or state.feed_title,
        "status": status if state.polls else row["status"],
        "last_poll": _time(state.last_poll_at),
        "next_poll": None if feed.paused else _time(state.next_poll_at),
        "polls": state.polls,
        "failures": state.failures,
        "error": state.error,
        "new": state.new,
        "changed": state.changed,
        "seen": state.seen_again,
    }


def _change(
    settings: Settings,
    urls: tuple[str, ...],
    done: str,
    change: Callable[[FeedSettings], FeedSettings | None],
) -> None:
    missing = _on_kafka(settings, lambda connection: change_feeds(connection, settings, urls, change))
    for url in urls:
        if url not in missing:
            click.echo(f"{done} {url}")
    if missing:
        raise click.ClickException(f"not in the list: {', '.join(missing)}")


def _on_kafka(settings: Settings, work: Callable[[Connection], Coroutine[Any, Any, Found]]) -> Found:
    async def run() -> Found:
        async with connect(settings) as connection:
            return await work(connection)

    try:
        with one_line_errors():
            return asyncio.run(run())
    except KafkaError as error:
        raise click.ClickException(f"Kafka: {error}") from None


def _show_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*(Text(_cell(row[column])) for column in COLUMNS))  # a title is text, never markup
    Console().print(table)


def _time(seconds: int | None) -> str | None:
    return format_time(datetime.fromtimestamp(seconds, UTC)) if seconds else None


def _cell(value: Any) -> str:
    """One cell of a line: no tabs, no line ends."""
    return " ".join(str(value).split()) if value is not None else "-"
