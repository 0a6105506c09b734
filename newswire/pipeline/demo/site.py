"""A web server on loopback that behaves as the servers of real feeds do."""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from types import TracebackType
from typing import Self

from aiohttp import web

from newswire.pipeline.demo.catalogue import FEEDS, SampleFeed

HOST = "127.0.0.1"
_EPOCH = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


class FeedSite:
    """Serves the feeds for as long as its `async with` block lasts, and counts who asked for what.

    The first poll of a feed gets its first version, every later one the last. A client that sends back the ETag or
    Last-Modified of the version it has gets 304. Raises OSError when no port can be opened.
    """

    def __init__(self, feeds: Sequence[SampleFeed] = FEEDS) -> None:
        self.feeds = tuple(feeds)
        self.answers: Counter[tuple[str, int]] = Counter()
        """How often each (path, status) was answered."""
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        for feed in self.feeds:
            app.router.add_get(f"/{feed.path}", self._handler(feed))
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def url(self, feed: SampleFeed) -> str:
        """Where a feed is."""
        return f"http://{HOST}:{self.port}/{feed.path}"

    def polls(self, feed: SampleFeed) -> int:
        """How often a feed was asked for, whatever the answer was."""
        return sum(number for (path, _), number in self.answers.items() if path == feed.path)

    def answered(self, status: int) -> int:
        """How many answers had this status, over all feeds."""
        return sum(number for (_, had), number in self.answers.items() if had == status)

    def _handler(self, feed: SampleFeed) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            version = min(self.polls(feed), len(feed.files) - 1)
            body = feed.body(version)
            headers = _validators(feed, version, body)
            status = 304 if headers and _has_it(request, headers) else 200
            self.answers[feed.path, status] += 1
            if status == 304:
                return web.Response(status=304, headers=headers)
            return web.Response(body=body, headers=headers | {"Content-Type": feed.media_type})

        return handle


def _validators(feed: SampleFeed, version: int, body: bytes) -> dict[str, str]:
    if feed.validator == "etag":
        return {"ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'}
    if feed.validator == "modified":
        return {"Last-Modified": format_datetime(_EPOCH + timedelta(hours=version), usegmt=True)}
    return {}


def _has_it(request: web.Request, headers: dict[str, str]) -> bool:
    if "ETag" in headers:
        return headers["ETag"] in request.headers.get("If-None-Match", "")
    try:
        since = parsedate_to_datetime(request.headers.get("If-Modified-Since", ""))
    except ValueError:
        return False
    return since >= parsedate_to_datetime(headers["Last-Modified"])
