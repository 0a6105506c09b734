"""The collector against real sites on loopback, with a clock of the test's own and the agent's part played here."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from newswire.pipeline.feeds import collector as collector_module
from newswire.pipeline.feeds.collector import Collector, PartitionPoller
from newswire.pipeline.feeds.feedstate import FeedState, load, save
from newswire.pipeline.feeds.polls import Poll
from newswire.pipeline.feeds.step import CollectStep
from newswire.pipeline.settings import ArchiveSettings, Settings
from newswire.pipeline.stage import PartitionClosed
from newswire.pipeline.step import Result, Source
from newswire.schemas import DeadLetter, FeedSettings, RawArticle
from tests.unit.feeds.site import FakeClock, MemoryState, rss, site

ADDED = datetime(2026, 2, 1, tzinfo=UTC)
SECOND_POLL = 1_500
"""Seconds after which a feed with the default interval is due for the second time, whatever its address."""


class Harness:
    """A partition, and the agent: takes settings records and finished polls in turn, into one state."""

    def __init__(self, archive: Path | None = None, **collect: Any) -> None:
        options = {"allow_private": True, "host_spacing": 0.0, "timeout": 10.0, "parse_timeout": 20.0, **collect}
        self.settings = Settings(collect=options, archive=ArchiveSettings(folder=archive))
        self.clock = FakeClock()
        self.state = MemoryState()
        self.step = CollectStep(self.settings)
        self.collector = Collector(self.settings, self.clock)
        self.work: asyncio.Queue[Poll] = asyncio.Queue()
        self.held: list[Poll] = []
        self.items: list[tuple[Poll, ...]] = []
        self.closed = False
        self.poller: PartitionPoller | None = None

    async def submit(self, item: object) -> None:
        """The partition's side."""
        if self.closed:
            raise PartitionClosed("given up")
        assert isinstance(item, tuple)
        self.items.append(item)
        for poll in item:
            await self.work.put(poll)

    async def open(self) -> None:
        """The partition is assigned."""
        self.poller = await self.collector.open(self)

    async def close(self) -> None:
        """The partition is given up."""
        self.closed = True
        await self.collector.close(self.poller)

    def set(self, url: str, value: bytes | None, offset: int = 0) -> Result:
        """A record of `feeds`."""
        source = Source("t.feeds", 0, offset, url.encode(), value, 0)
        result = self.step.settings(source, self.state)
        if self.poller is not None:
            self.poller.refresh(url, self.state)
        return result

    def add(self, url: str, **fields: Any) -> Result:
        """A feed is added or changed."""
        return self.set(url, FeedSettings(url=url, added_at=ADDED, **fields).encode())

    async def hold(self) -> None:
        """Wait until a poll is finished, and leave it to be taken."""
        async with asyncio.timeout(30):
            self.held.append(await self.work.get())

    async def take(self) -> tuple[list[RawArticle], Result]:
        """One finished poll goes through the agent."""
        assert self.poller is not None
        async with asyncio.timeout(30):
            poll = self.held.pop() if self.held else await self.work.get()
        result = self.step.finished(poll, self.state)
        self.poller.done(poll)
        self.poller.refresh(poll.url, self.state)
        return [RawArticle.decode(sent.value) for sent in result.emissions], result

    def feed(self, url: str) -> FeedState:
        """The feed's row."""
        feed = load(self.state, url)
        assert feed is not None
        return feed

    async def idle(self) -> bool:
        """Whether nothing is polled for a moment."""
        await asyncio.sleep(0.1)
        return self.work.empty()


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Harness]]:
    made: list[Harness] = []
    monkeypatch.setattr(collector_module, "QUIET_SECONDS", 0.02)  # idle() is to see what was collected
    monkeypatch.setattr(collector_module, "UNCHANGED_SECONDS", 0.0)

    def harness(**collect: Any) -> Harness:
        made.append(Harness(**collect))
        return made[-1]

    yield harness
    for one in made:
        if one.poller is not None and not one.closed:
            await one.close()


class Site:
    """A feed that the test changes: body, validators, status."""

    def __init__(self) -> None:
        self.body = rss("a one", "b two")
        self.etag: str | None = '"1"'
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a request."""
        self.asked.append(request)
        if self.status != 200:
            return web.Response(status=self.status, headers=self.headers)
        headers = {**self.headers, **({"ETag": self.etag} if self.etag else {})}
        if self.etag and request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=self.body, headers=headers)


async def test_the_life_of_a_feed(make: Callable[..., Harness]) -> None:
    harness, feed = make(), Site()
    async with site(feed.answer) as url:
        await harness.open()
        harness.add(url)
        articles, result = await harness.take()
        assert [article.title for article in articles] == ["b two", "a one"]
        assert (result.feed, result.counts) == (url, {"out": 2})
        assert articles[0].observed_at == harness.clock.now()
        assert [sent.topic for sent in result.emissions] == ["raw", "raw"]
        assert len({sent.key for sent in result.emissions}) == 2

        assert await harness.idle()  # it is not due
        harness.clock.move(SECOND_POLL)
        articles, result = await harness.take()  # 304
        assert (articles, result.counts) == ([], {})
        assert feed.asked[-1].headers["If-None-Match"] == '"1"'
        assert harness.feed(url).polls == 2

        feed.body, feed.etag = rss("c three", "b two", "a changed"), '"2"'
        harness.clock.move(2_000)
        articles, _ = await harness.take()
        assert [article.title for article in articles] == ["a changed", "c three"]
        row = harness.feed(url)
        assert (row.new, row.changed, row.seen_again, row.etag) == (3, 1, 1, '"2"')


async def test_each_feed_is_polled_at_a_moment_of_its_own(make: Callable[..., Harness]) -> None:
    harness, feed = make(), Site()
    async with site(feed.answer) as url:
        second = int(harness.clock.now().timestamp()) + 100
        for name in ("a", "b", "c"):
            harness.add(f"{url}?{name}")
            row = harness.feed(f"{url}?{name}")
            save(harness.state, replace(row, next_poll_at=second), row)
        await harness.open()
        harness.clock.move(second - harness.clock.now().timestamp())
        asked = []
        for _ in range(20):
            await asyncio.sleep(0.1)
            asked.append(len(feed.asked))
            harness.clock.move(0.05)
        assert set(asked) >= {1, 2, 3}  # never two at once


async def test_the_same_body_with_new_validators(make: Callable[..., Harness]) -> None:
    harness, feed = make(), Site()
    async with site(feed.answer) as url:
        await harness.open()
        harness.add(url)
        await harness.take()
        feed.etag = '"other"'
        harness.clock.move(SECOND_POLL)
        articles, _ = await harness.take()
        assert articles == []
        assert harness.feed(url).etag == '"other"'
        harness.clock.move(2_000)
        await harness.take()
        assert feed.asked[-1].headers["If-None-Match"] == '"other"'


async def test_failures_are_kept_in_the_row_and_cost_nothing_else(make: Callable[..., Harness]) -> None:
    harness, good, bad = make(), Site(), Site()
    bad.status, bad.headers = 503, {"Retry-After": "7200"}
    async with site(good.answer) as good_url, site(bad.answer) as bad_url:
        await harness.open()
        harness.add(good_url)
        harness.add(bad_url)
        taken = [await harness.take(), await harness.take()]
        assert sorted(len(articles) for articles, _ in taken) == [0, 2]
        row = harness.feed(bad_url)
        assert (row.failures, row.error) == (1, "http 503")
        assert row.next_poll_at >= harness.clock.now().timestamp() + 7_200
        assert harness.feed(good_url).failures == 0

        bad.status, bad.body = 200, b"<html><body>maintenance</body></html>"
        harness.clock.move(8_000)
        await harness.take(), await harness.take()
        assert harness.feed(bad_url).error == "an HTML page, not a feed"
        assert harness.feed(bad_url).etag is None  # or the next poll would be told that nothing changed

        bad.body = rss("z last")
        harness.clock.move(90_000)
        taken = [await harness.take(), await harness.take()]
        assert sorted(len(articles) for articles, _ in taken) == [0, 1]
        row = harness.feed(bad_url)
        assert (row.failures, row.error) == (0, None)


async def test_gone(make: Callable[..., Harness]) -> None:
    harness, feed = make(), Site()
    feed.status = 410
    async with site(feed.answer) as url:
        await harness.open()
        harness.add(url)
        await harness.take()
        assert harness.feed(url).gone
        harness.clock.move(86_400)
        assert await harness.idle()
        feed.status = 200
        harness.add(url)  # resume
        assert len((await harness.take())[0]) == 2
        assert not harness.feed(url).gone


async def test_pause_resume_and_remove(make: Callable[..., Harness]) -> None:
    harness, feed = make(), Site()
    async with site(feed.answer) as url:
        await harness.open()
        harness.add(url)
        await harness.take()
        harness.add(url, paused=True)
        harness.clock.move(100_000)
        assert await harness.idle()
        feed.body, feed.etag = rss("c three", "a one"), None
        harness.add(url)
        assert [article.title for article in (await harness.take())[0]] == ["c three"]  # "a" is remembered
        harness.set(url, None)
        assert not harness.state.rows
        harness.clock.move(100_000)
        assert await harness.idle()


async def test_a_poll_that_ends_after_its_feed_was_removed_or_paused(make: Callable[..., Harness]) -> None:
    harness, feed = make(), Site()
    async with site(feed.answer) as url:
        await harness.open()
        harness.add(url)
        await harness.hold()
        harness.set(url, None)
        articles, result = await harness.take()
        assert (articles, result.counts, harness.state.rows) == ([], {}, {})

        harness.add(url)
        await harness.hold()
        harness.add(url, paused=True)
        assert (await harness.take())[0] == []
        assert harness.feed(url).polls == 0


async def test_not_modified_is_not_believed_of_a_feed_that_was_added_anew(make: Callable[..., Harness]) -> None:
    harness, feed = make(), Site()
    async with site(feed.answer) as url:
        await harness.open()
        harness.add(url)
        await harness.take()
        harness.clock.move(SECOND_POLL)
        await harness.hold()  # a 304 waits
        harness.set(url, None)
        harness.add(url)
        assert (await harness.take())[0] == []
        assert len((await harness.take())[0]) == 2  # polled again, without validators


async def test_a_feed_is_never_polled_twice_at_a_time(make: Callable[..., Harness]) -> None:
    harness = make()
    running = 0

    async def slow(_: web.Request) -> web.Response:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.2)
        running -= 1
        return web.Response(body=rss("a"))

    async with site(slow) as url:
        await harness.open()
        for seconds in range(1, 6):
            harness.add(url, interval_seconds=seconds)
            harness.clock.move(60)
            await asyncio.sleep(0.01)
        assert len((await harness.take())[0]) == 1


async def test_polls_without_a_document_are_collected_and_one_with_a_document_is_not_delayed(
    make: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    harness, feed, failing = make(host_polls_at_once=50), Site(), Site()
    async with site(feed.answer) as url, site(failing.answer) as failing_url:
        await harness.open()
        feeds = [f"{url}/{n}" for n in range(20)] + [f"{failing_url}/{n}" for n in range(5)]
        for one in feeds:
            harness.add(one)
        for _ in feeds:
            await harness.take()
        assert [len(item) for item in harness.items] == [1] * 25  # all brought a document

        harness.items.clear()
        monkeypatch.setattr(collector_module, "QUIET_SECONDS", 3.0)
        failing.status = 500
        harness.clock.move(SECOND_POLL)
        new = Site()
        async with site(new.answer) as new_url:
            async with asyncio.timeout(10):
                while len(feed.asked) + len(failing.asked) < 50:  # noqa: ASYNC110 - the site tells nobody
                    await asyncio.sleep(0.01)
            assert not harness.items
            harness.add(new_url)
            assert len((await harness.take())[0]) == 2
            assert [[poll.url for poll in item] for item in harness.items] == [[new_url]]

        harness.add(feeds[0], interval_seconds=60)  # due at once, but its poll was not taken yet
        for _ in feeds:
            await harness.take()
        assert [len(item) for item in harness.items] == [1, 25]
        assert {poll.url for poll in harness.items[1]} == set(feeds)
        assert {harness.feed(one).polls for one in feeds} == {2}
        assert len(feed.asked) == 40
        harness.clock.move(70)
        await harness.hold()
        assert harness.held[0].url == feeds[0]


async def test_an_unchanged_feed_waits_for_others_and_none_waits_for_it(
    make: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    harness, feed, failing = make(host_polls_at_once=50), Site(), Site()
    async with site(feed.answer) as url, site(failing.answer) as failing_url:
        await harness.open()
        for one in (f"{url}/1", f"{url}/2", failing_url):
            harness.add(one)
            await harness.take()
        monkeypatch.setattr(collector_module, "UNCHANGED_SECONDS", 60.0)
        failing.status = 500
        harness.add(f"{url}/1", interval_seconds=60)
        harness.add(f"{url}/2", interval_seconds=60)
        harness.items.clear()
        harness.clock.move(70)
        async with asyncio.timeout(10):
            while len(feed.asked) < 4:  # noqa: ASYNC110 - the site tells nobody
                await asyncio.sleep(0.01)
        assert await harness.idle()
        harness.add(failing_url, interval_seconds=1)
        harness.clock.move(SECOND_POLL)
        await harness.take()
    assert [{poll.url for poll in item} for item in harness.items] == [{f"{url}/1", f"{url}/2", failing_url}]


async def test_no_item_of_work_has_too_many_polls(
    make: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    harness, feed = make(host_polls_at_once=50), Site()
    monkeypatch.setattr(collector_module, "QUIET_SECONDS", 0.5)
    monkeypatch.setattr(collector_module, "QUIET_MAX", 8)
    feed.status = 500
    async with site(feed.answer) as url:
        await harness.open()
        for n in range(20):
            harness.add(f"{url}/{n}")
        for _ in range(20):
            await harness.take()
    assert [len(item) for item in harness.items] == [8, 8, 4]
    assert len({poll.url for item in harness.items for poll in item}) == 20


async def test_giving_up_a_partition_does_not_wait_for_collected_polls(
    make: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    harness, feed = make(), Site()
    monkeypatch.setattr(collector_module, "QUIET_SECONDS", 60.0)
    feed.status = 500
    async with site(feed.answer) as url:
        await harness.open()
        harness.add(url)
        async with asyncio.timeout(10):
            while not feed.asked:  # noqa: ASYNC110 - the site tells nobody
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            await harness.close()
    assert not harness.items
    assert harness.feed(url).polls == 0  # the next owner polls it again


async def test_a_new_owner_goes_on_from_the_rows(make: Callable[..., Harness]) -> None:
    first, feed = make(), Site()
    async with site(feed.answer) as url:
        await first.open()
        first.add(url)
        await first.take()
        await first.close()
        second = make()
        second.state = first.state
        await second.open()
        assert await second.idle()
        second.clock.move(SECOND_POLL)
        assert (await second.take())[0] == []
        assert feed.asked[-1].headers["If-None-Match"] == '"1"'


async def test_giving_up_a_partition_stops_its_polls(make: Callable[..., Harness]) -> None:
    harness = make()

    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with site(never) as url:
        await harness.open()
        harness.add(url)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            await harness.close()
    assert harness.work.empty()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"https://a.example/", b"not json"),
        (b"https://a.example/", b"{}"),
        (b"https://a.example/", FeedSettings(url="https://b.example/", added_at=ADDED).encode()),
        (b"ftp://a.example/", FeedSettings(url="ftp://a.example/", added_at=ADDED).encode()),
        (b"\xff\xfe", FeedSettings(url="https://a.example/", added_at=ADDED).encode()),
        (None, b"x"),
        (b"\xff", None),
    ],
)
def test_poison_settings_are_dead_letters(key: bytes | None, value: bytes | None) -> None:
    state = MemoryState()
    result = CollectStep(Settings()).settings(Source("t.feeds", 3, 14, key, value, 0), state)
    assert result.counts == {"stray": 1}
    (sent,) = result.emissions
    letter = DeadLetter.decode(sent.value)
    assert (sent.topic, letter.stage, letter.partition, letter.offset) == ("dead", "collect", 3, 14)
    assert not state.rows


def test_the_log_says_which_settings_were_refused() -> None:
    key = b"https://user:secret@a.example/" + b"x" * 1_000
    with capture_logs() as logs:
        CollectStep(Settings()).settings(Source("t.feeds", 3, 14, key, b"{}", 0), MemoryState())
    (line,) = logs
    assert (line["event"], line["partition"], line["offset"]) == ("settings refused", 3, 14)
    assert line["key"].startswith("https://a.example/x")
    assert len(line["key"]) == 200
