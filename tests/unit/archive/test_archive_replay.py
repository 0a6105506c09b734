"""What the service collected, and what its archive gives when it is replayed: the same articles."""

import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from newswire.pipeline.archive.index import index_path
from newswire.pipeline.feeds import collector as collector_module
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.items import CaptureError
from newswire.pipeline.replay.selection import Selection, Span
from newswire.pipeline.replay.sources import open_source
from newswire.pipeline.replay.warc import WarcArchive
from newswire.pipeline.settings import Settings, TextSettings
from newswire.schemas import FeedSettings, RawArticle
from tests.unit.archive.answers import warcs
from tests.unit.feeds.site import MemoryState, rss, site
from tests.unit.feeds.test_feeds_collector import Harness, Site


class Service:
    """Collectors one after the other on one state and one archive, and the records that they put on raw."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.harness = Harness(archive)
        self.raw: list[tuple[bytes, bytes]] = []

    async def poll(self) -> list[str]:
        """The next poll that is due is taken and committed; the titles that it brought."""
        articles, result = await self.harness.take()
        self.raw += [(sent.key or b"", sent.value or b"") for sent in result.emissions]
        return [article.title or "" for article in articles]

    async def later(self, seconds: float = 100_000.123) -> list[str]:
        """Time passes, and a poll."""
        self.harness.clock.move(seconds)
        return await self.poll()

    async def restart(self) -> None:
        """The process ends, with what was polled and not taken, and another one begins."""
        before = self.harness
        await before.close()
        before.clock.move(1)
        self.harness = Harness(self.archive)
        self.harness.state = before.state
        self.harness.clock = before.clock
        self.harness.collector._clock = before.clock
        await self.harness.open()


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    monkeypatch.setattr(collector_module, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(collector_module, "UNCHANGED_SECONDS", 0.0)
    made = Service(tmp_path / "archive")
    await made.harness.open()
    yield made
    await made.harness.close()


async def replayed(folder: Path, span: Span | None = None) -> tuple[list[tuple[bytes, bytes]], int]:
    """The records that the archive gives, and how many bodies were no feed."""
    source = open_source(folder, Selection(span or Span()), TextSettings())
    assert isinstance(source, WarcArchive)
    assert source.faults == ()
    records: list[tuple[bytes, bytes]] = []
    failed, state = 0, MemoryState()
    async with capture_reader(Settings()) as read:
        for capture in source.items(0):
            try:
                decided = await read(capture, source.body(capture, 15_000_000), state)
            except CaptureError:
                failed += 1
            else:
                records += decided.records
    return records, failed


async def test_a_service_s_archive_gives_the_articles_that_it_collected(service: Service) -> None:
    one, two = Site(), Site()
    two.body = rss("x one")
    async with site(one.answer) as url, site(two.answer) as other:
        service.harness.add(url, title="A name of its own")
        assert await service.poll() == ["b two", "a one"]
        service.harness.add(other)
        assert await service.later(0.5) == ["x one"]
        one.body, one.etag = rss("c three", "b two", "a changed"), '"2"'
        two.etag = '"3"'  # the same body: a revisit record
        service.harness.clock.move(100_000.25)
        assert sorted(await service.poll() + await service.poll()) == ["a changed", "c three"]
        two.body, two.etag = b"<html>maintenance</html>", None  # no feed
        service.harness.clock.move(100_000)
        assert (await service.poll(), await service.poll()) == ([], [])  # and 304
        two.body = rss("y two", "x one")
        service.harness.clock.move(200_000)
        assert await service.poll() + await service.poll() == ["y two"]
        two.body = rss("x one")
        assert await service.later() + await service.poll() == []
        two.body = rss("y two", "x one")  # back again: neither new nor a revisit
        assert await service.later() + await service.poll() == []
    assert len(service.raw) == 6
    await service.restart()
    assert await replayed(service.archive) == (service.raw, 1)
    for file in warcs(service.archive):
        index_path(file).unlink()
    assert await replayed(service.archive) == (service.raw, 1)


async def test_what_came_with_the_body_counts_too(service: Service) -> None:
    """The final address resolves links, the header's charset reads the text, and the server's encoding is undone."""
    item = "<item><title>caf\xe9</title><guid>a</guid><link>story</link></item>"

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/old":
            raise web.HTTPFound("/deep/new?x=1")
        body = f'<rss version="2.0"><channel><title>F</title>{item}</channel></rss>'.encode("latin-1")
        headers = {"Content-Type": "text/xml; charset=iso-8859-1", "Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(body), headers=headers)

    async with site(answer) as url:
        service.harness.add(f"{url}/old".replace("http://", "http://user:secret@"))
        assert await service.poll() == ["caf\xe9"]
    await service.restart()
    records, _ = await replayed(service.archive)
    assert records == service.raw
    article = RawArticle.decode(records[0][1])
    assert (article.feed_url, article.url) == (f"{url}/old", f"{url}/deep/story")
    (file,) = warcs(service.archive)
    stored = gzip.decompress(file.read_bytes())
    assert b"\r\nX-Archive-Orig-Content-Encoding: gzip\r\n" in stored
    assert b"secret" not in stored + index_path(file).read_bytes()


async def test_restarts_lost_polls_and_feeds_that_are_added_again(service: Service) -> None:
    feed = Site()
    feed.etag = None
    async with site(feed.answer) as url:
        service.harness.add(url)
        await service.harness.hold()  # polled and archived, but the process is killed before the commit
        await service.restart()
        service.harness.clock.move(60)
        assert await service.poll() == ["b two", "a one"]
        await service.restart()
        assert await service.later() == []  # the same body, which the new process does not know
        feed.body = rss("c three", "b two")
        service.harness.clock.move(100_000)
        await service.harness.hold()
        await service.restart()
        feed.body = rss("d four", "c three")
        assert await service.poll() == ["c three", "d four"]
        service.harness.set(url, None)
        service.harness.clock.move(100)
        service.harness.set(url, FeedSettings(url=url, added_at=datetime(2026, 3, 1, tzinfo=UTC)).encode())
        assert await service.poll() == ["c three", "d four"]  # all is new to it
        feed.body = rss("e five", "d four")
        assert await service.later() == ["e five"]
    await service.restart()
    assert len(warcs(service.archive)) >= 4
    assert await replayed(service.archive) == (service.raw, 0)


async def test_a_part_of_the_archive_begins_with_what_stood_in_the_feeds(service: Service) -> None:
    feed = Site()
    feed.etag = None
    async with site(feed.answer) as url:
        service.harness.add(url)
        await service.poll()
        await service.later()  # the same body, on another day
        feed.body = rss("c three", "b two", "a one")
        await service.later()
    await service.restart()
    records, _ = await replayed(service.archive, Span(begin=service.harness.clock.now() - timedelta(seconds=200_000)))
    assert [RawArticle.decode(value).title for _, value in records] == ["b two", "a one", "c three"]


async def test_a_body_is_archived_before_its_poll_is_submitted(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Site()
    async with site(feed.answer) as url:
        seen: list[int] = []
        submit = service.harness.submit

        async def spy(item: object) -> None:
            files = warcs(service.archive)
            seen.append(sum(len(index_path(file).read_bytes().splitlines()) for file in files))
            await submit(item)

        monkeypatch.setattr(service.harness, "submit", spy)
        service.harness.add(url)
        await service.poll()
        assert await service.later() == []  # 304
        feed.etag, feed.body = '"2"', rss("c")
        await service.later()
    assert seen == [1, 1, 2]
    assert service.harness.collector.counts() == {"archived": 2, "not_archived": 0, "archive_failing": 0}


async def test_an_archive_that_cannot_be_written_costs_no_article(service: Service) -> None:
    service.archive.write_bytes(b"a file is in the way")
    feed = Site()
    with capture_logs() as logs:
        async with site(feed.answer) as url:
            service.harness.add(url)
            assert await service.poll() == ["b two", "a one"]
            feed.etag, feed.body = '"2"', rss("c three")
            assert await service.later() == ["c three"]
            assert service.harness.collector.counts() == {"archived": 0, "not_archived": 2, "archive_failing": 1}
            service.archive.unlink()
            feed.etag, feed.body = '"3"', rss("d four")
            assert await service.later() == ["d four"]
    told = [line for line in logs if line["event"] in ("not archived", "archived again")]
    assert [(line["event"], line.get("feed"), line.get("missed")) for line in told] == [
        ("not archived", url, None),
        ("archived again", None, 2),
    ]
    assert service.harness.collector.counts() == {"archived": 1, "not_archived": 2, "archive_failing": 0}


async def test_without_an_archive_nothing_is_counted(tmp_path: Path) -> None:
    assert Harness().collector.counts() == {}
