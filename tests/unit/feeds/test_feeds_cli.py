"""`newswire feeds`: `check` on sites on loopback, the list against a table in memory, and all of it against Kafka."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from newswire.pipeline.cli import feeds as cli
from newswire.pipeline.connection import Connection
from newswire.pipeline.feeds.feedstate import FeedState
from newswire.pipeline.feeds.opml import read_opml
from newswire.schemas import FeedSettings, RawArticle
from tests.unit.feeds.site import rss, site

A, B = "https://a.example/feed", "https://b.example/feed"


class Table:
    """The topics of the feed list, in memory."""

    def __init__(self) -> None:
        self.feeds: dict[str, FeedSettings] = {}
        self.states: dict[str, FeedState] = {}

    def run(self, *arguments: str) -> Result:
        """Call the command."""
        return CliRunner().invoke(cli.command, arguments)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    made = Table()

    @asynccontextmanager
    async def connect(_: object) -> AsyncIterator[Connection]:
        yield Connection("nowhere:1")

    async def read_feeds(*_: object) -> dict[str, FeedSettings]:
        return dict(made.feeds)

    async def read_states(*_: object) -> dict[str, FeedState]:
        return made.states

    async def write_feeds(_: object, __: object, changes: Mapping[str, FeedSettings | None]) -> None:
        for url, feed in changes.items():
            if feed is None:
                made.feeds.pop(url)
            else:
                made.feeds[url] = feed

    for name, function in (
        ("connect", connect),
        ("read_feeds", read_feeds),
        ("read_states", read_states),
        ("write_feeds", write_feeds),
    ):
        monkeypatch.setattr(cli, name, function)
    return made


def test_add_pause_resume_remove(table: Table) -> None:
    assert table.run("add", A, "--title", "An A", "--interval", "60").output == f"added {A}\n"
    assert (table.feeds[A].title, table.feeds[A].interval_seconds) == ("An A", 60)
    again = table.run("add", A.upper().replace("FEED", "feed"))
    assert (again.exit_code, again.output) == (1, "Error: HTTPS://A.EXAMPLE/feed: is in the list already\n")
    assert table.run("pause", A).output == f"paused {A}\n"
    assert table.feeds[A].paused
    assert table.run("resume", A).exit_code == 0
    assert not table.feeds[A].paused
    missing = table.run("pause", A, B)
    assert (missing.exit_code, missing.output) == (1, f"paused {A}\nError: not in the list: {B}\n")
    assert table.run("remove", A).exit_code == 0
    assert not table.feeds


@pytest.mark.parametrize(
    "arguments", [("add", "ftp://a.example/"), ("add",), ("pause",), ("check", "nothing"), ("nonsense",)]
)
def test_usage_errors(table: Table, arguments: tuple[str, ...]) -> None:
    assert table.run(*arguments).exit_code == 2


def test_import_and_export(table: Table, tmp_path: Path) -> None:
    file = tmp_path / "feeds.opml"
    file.write_text(
        f'<opml version="2.0"><body><outline text="News"><outline text="A" xmlUrl="{A}"/></outline>'
        f'<outline text="B" xmlUrl="{B}"/><outline text="x" xmlUrl="ftp://c.example/"/></body></opml>'
    )
    assert table.run("import", str(file)).stdout == "2 added, 0 in the list already, 1 skipped\n"
    assert table.run("import", str(file)).stdout == "0 added, 2 in the list already, 1 skipped\n"
    exported = table.run("export")
    assert {(feed.url, feed.title, feed.category) for feed in read_opml(exported.stdout_bytes)} == {
        (A, "A", "News"),
        (B, "B", None),
    }
    file.write_text("hello")
    failed = table.run("import", str(file))
    assert failed.exit_code == 1
    assert failed.output.count("\n") == 1


def test_list(table: Table) -> None:
    table.run("add", A)
    table.run("add", B)
    table.states[A] = FeedState(
        url=A,
        polls=3,
        failures=2,
        error="http 404",
        last_poll_at=1_770_000_000,
        next_poll_at=1_770_009_000,
        new=7,
        feed_title="The\tA",
    )
    lines = [line.split("\t") for line in table.run("list").stdout.splitlines()]
    assert lines[0] == list(cli.COLUMNS)
    assert lines[1] == [
        A,
        "The A",
        "failing",
        "2026-02-02T02:40:00Z",
        "2026-02-02T05:10:00Z",
        "2",
        "7",
        "0",
        "http 404",
    ]
    assert lines[2][:3] == [B, "-", "new"]
    rows: list[dict[str, Any]] = [json.loads(line) for line in table.run("list", "--json").stdout.splitlines()]
    assert (rows[0]["url"], rows[0]["failures"], rows[0]["error"]) == (A, 2, "http 404")
    assert rows[1]["status"] == "new"


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A configuration that polls sites on loopback."""
    file = tmp_path / "newswire.toml"
    file.write_text("[collect]\nallow_private = true\ntimeout = 10.0\n")
    return file


async def check(*arguments: str) -> Result:
    """Call `check` beside the site's event loop."""
    import asyncio

    return await asyncio.to_thread(CliRunner().invoke, cli.command, ["check", *arguments])


async def test_check_shows_what_would_be_collected(local: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=rss("b two", "a one"))

    async with site(handler) as url:
        shown = await check(url, "--config", str(local))
        articles = await check(url, "--json", "--config", str(local))
    assert shown.exit_code == 0
    assert shown.stdout == "F: 2 articles (fast parser, 0 entries dropped)\n-\ta one\t-\n-\tb two\t-\n"
    decoded = [RawArticle.decode(line.encode()) for line in articles.stdout.splitlines()]
    assert [article.title for article in decoded] == ["a one", "b two"]


async def test_check_says_why_not(local: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=404) if request.path == "/gone" else web.Response(body=b"<html>")

    async with site(handler) as url:
        missing = await check(f"{url}/gone", "--config", str(local))
        page = await check(url, "--config", str(local))
        refused = await check(url)
    assert (missing.exit_code, missing.output) == (1, f"Error: {url}/gone: http 404\n")
    assert (page.exit_code, page.output) == (1, f"Error: {url}: an HTML page, not a feed\n")
    assert (refused.exit_code, refused.output) == (
        1,
        f"Error: {url}: refused address: private, local or not unicast\n",
    )
