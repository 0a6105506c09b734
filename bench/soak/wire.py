"""A generated wire: many feeds on a loopback server whose entries are released one by one.

One entry in 20 is a copy of a recent one of another feed, one in 50 a new text of one that was seen. An entry stands in
its feed's document until so many newer ones do, and is never pushed out before the document was fetched. All of it
is made in the process of the soak, 0.1 ms of CPU an article.
"""

import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from xml.sax.saxutils import escape

from aiohttp import web

from bench.articles import ADJECTIVES, NOUNS, PLACES, VERBS, text_of

WORDS = 300
COPY = 0.05
REVISION = 0.02
RECENT = 1_000


@dataclass(frozen=True)
class Entry:
    """An entry of a feed's document; `version` is the document's in which it first stood so."""

    id: str
    title: str
    text: str
    version: int

    @property
    def xml(self) -> str:
        """The entry as RSS."""
        return (
            f'<item><guid isPermaLink="false">{self.id}</guid><title>{escape(self.title)}</title>'
            f"<description>{escape(self.text)}</description></item>"
        )


class Feed:
    """One feed: its newest entries, how often its document changed, and which version was fetched last."""

    def __init__(self, name: str, entries: int) -> None:
        """`entries`: how many its document holds."""
        self.name = name
        self.version = 0
        self.fetched = 0
        self._entries: deque[Entry] = deque(maxlen=entries)
        self._parts: deque[str] = deque(maxlen=entries)

    @property
    def has_room(self) -> bool:
        """Whether one more entry pushes out none that was not fetched."""
        return len(self._entries) < (self._entries.maxlen or 0) or self._entries[-1].version <= self.fetched

    @property
    def etag(self) -> str:
        """The document's validator."""
        return f'"{self.version}"'

    def add(self, title: str, text: str) -> Entry:
        """A new entry at the head of the document."""
        self.version += 1
        entry = Entry(f"{self.name}-{self.version}", title, text, self.version)
        self._entries.appendleft(entry)
        self._parts.appendleft(entry.xml)
        return entry

    def revise(self, chance: random.Random) -> bool:
        """Add a sentence to an entry that was fetched as it stands; False when there is none."""
        fetched = [n for n, entry in enumerate(self._entries) if entry.version <= self.fetched]
        if not fetched:
            return False
        self.version += 1
        number = chance.choice(fetched)
        old = self._entries[number]
        self._entries[number] = Entry(old.id, old.title, f"{old.text} {text_of(8, chance)}", self.version)
        self._parts[number] = self._entries[number].xml
        return True

    def fetch(self) -> bytes:
        """The document; what stands in it counts as fetched."""
        self.fetched = self.version
        head = f'<?xml version="1.0"?><rss version="2.0"><channel><title>{self.name}</title>'
        return f"{head}{''.join(self._parts)}</channel></rss>".encode()


class Wire:
    """All feeds; `released` counts the articles that the service is to collect, each once."""

    def __init__(self, feeds: int, entries: int, chance: random.Random) -> None:
        """`entries`: how many the document of each feed holds."""
        self._chance = chance
        self.feeds = {f"feed-{number}": Feed(f"feed-{number}", entries) for number in range(feeds)}
        self._names = list(self.feeds)
        self._recent: deque[Entry] = deque(maxlen=RECENT)
        self.released = 0

    def release(self, count: int) -> None:
        """Put so many articles into feeds drawn at random; fewer when there is no room for them."""
        for _ in range(count):
            feed = self.feeds[self._chance.choice(self._names)]
            if not feed.has_room:
                continue
            kind = self._chance.random()
            if kind < REVISION and feed.revise(self._chance):
                self.released += 1
                continue
            if kind > 1 - COPY and self._recent:
                first = self._chance.choice(self._recent)
                title, text = first.title, first.text
            else:
                title = " ".join(map(self._chance.choice, (PLACES, ADJECTIVES, NOUNS, VERBS)))
                text = text_of(WORDS, self._chance)
            self._recent.append(feed.add(title, text))
            self.released += 1

    async def answer(self, request: web.Request) -> web.Response:
        """The document of a feed, or that it has not changed."""
        feed = self.feeds[request.match_info["name"]]
        if request.headers.get("If-None-Match") == feed.etag:
            return web.Response(status=304, headers={"ETag": feed.etag})
        # the validator of what is sent: fetch() changes nothing of it
        return web.Response(body=feed.fetch(), content_type="application/rss+xml", headers={"ETag": feed.etag})


@asynccontextmanager
async def served(wire: Wire) -> AsyncIterator[list[str]]:
    """The wire on a loopback server; yields the URLs of its feeds."""
    application = web.Application()
    application.add_routes([web.get("/{name}", wire.answer)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield [f"http://127.0.0.1:{runner.addresses[0][1]}/{name}" for name in wire.feeds]
    finally:
        await runner.cleanup()
