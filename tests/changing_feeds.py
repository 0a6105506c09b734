"""Feeds on a loopback server whose entries come, change and leave, and an account of what has to be collected."""

import hashlib
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aiohttp import web

from newswire.schemas import RawArticle
from tests.unit.feeds.site import rss

WINDOW = 12  # entries of a feed


@dataclass(frozen=True, slots=True)
class Version:
    """One content of one entry, as it is shown in its feed and has to come out once."""

    feed: str
    entry: int
    number: int

    @property
    def title(self) -> str:
        """The entry's title, which begins with its guid."""
        return f"{self.entry} version {self.number}"

    @classmethod
    def of(cls, article: RawArticle) -> "Version":
        """What a collected article is a version of."""
        entry, _, number = (article.title or "").split()
        return cls(article.feed_url.rsplit("/", 1)[-1], int(entry), int(number))


class ChangingFeeds:
    """`count` feeds; the server's handler is `answer`, and each call of `change` changes one of them.

    A version stays in its feed until it is collected, so that none may be missing in the end: `shown` are all.
    """

    def __init__(self, count: int, chance: random.Random) -> None:
        self.shown: set[Version] = set()
        self.answers = {200: 0, 304: 0}
        self._chance = chance
        self._feeds: dict[str, list[Version]] = {f"feed{number}": [] for number in range(count)}
        self._entries = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The feeds' paths."""
        return tuple(self._feeds)

    def change(self, collected: Collection[Version]) -> None:
        """Add an entry to a feed, or show one that was collected in a new version."""
        name = self._chance.choice(self.names)
        entries = self._feeds[name]
        old = [version for version in entries if version in collected]
        if old and self._chance.random() < 0.4:
            version = self._chance.choice(old)
            entries[entries.index(version)] = version = Version(name, version.entry, version.number + 1)
        else:
            self._entries += 1
            entries.insert(0, version := Version(name, self._entries, 1))
            if len(entries) > WINDOW and old:
                entries.remove(old[-1])
        self.shown.add(version)

    def document(self, entries: Sequence[Version]) -> bytes:
        """The feed's body."""
        return rss(*(version.title for version in entries))

    async def answer(self, request: web.Request) -> web.Response:
        """A feed's document, or 304 if it is the one the client has."""
        entries = self._feeds[request.path.removeprefix("/")]
        body = self.document(entries)
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        status = 304 if request.headers.get("If-None-Match") == etag else 200
        self.answers[status] += 1
        return web.Response(status=status, body=None if status == 304 else body, headers={"ETag": etag})
