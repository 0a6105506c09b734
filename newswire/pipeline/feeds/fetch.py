"""Fetching a feed: conditional, polite, bounded in time and size, and only from public addresses."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import aiohttp
from yarl import URL

from newswire.pipeline.feeds.addresses import REFUSED, socket_factory
from newswire.pipeline.feeds.clean import parse_date
from newswire.pipeline.feeds.clock import Clock
from newswire.pipeline.feeds.hosts import Hosts
from newswire.pipeline.settings import CollectSettings

ACCEPT: Final = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml,"
    " application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
)
_CHUNK: Final = 65_536
_VALIDATOR_MAX: Final = 1_000
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,10})", re.I)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer as it came: the protocol's version, the status with its reason, and the headers."""

    protocol: str
    status: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: 200 with a body, or 304 without. `retry_after` and `max_age` are seconds.

    `permanent_redirect` is where the feed says that it is for good (301, 308), null when it says nothing. `head` is
    kept of an answer with a body.
    """

    status: int
    final_url: str
    body: bytes | None
    etag: str | None
    last_modified: str | None
    permanent_redirect: str | None
    content_type: str | None
    retry_after: int | None
    max_age: int | None
    head: Head | None = field(default=None, compare=False, repr=False)


class FetchFailed(Exception):  # noqa: N818 - it is what happened
    """The feed was not fetched. `kind` names the reason (dns, timeout, too large, refused address, http 404, ...)."""

    def __init__(self, kind: str, detail: str = "", *, status: int | None = None, retry_after: int | None = None):
        super().__init__(f"{kind}: {detail}"[:300] if detail else kind)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


class Fetcher:
    """Fetches feeds. Use it as an async context manager; one for a process, since the limits are its own."""

    def __init__(self, settings: CollectSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._hosts = Hosts(settings.host_polls_at_once, settings.host_spacing)
        self._at_once = asyncio.Semaphore(settings.polls_at_once)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Fetcher":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._settings.polls_at_once,
                socket_factory=socket_factory(self._settings.allow_private),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._settings.user_agent, "Accept": ACCEPT},
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
            trust_env=False,
            raise_for_status=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """Wait until a feed's host and the process have room for one more poll, and hold the place.

        Hold it until the body is parsed, so that no more bodies wait in memory than polls are allowed at once.
        """
        target = _checked(url)
        # The host first: many feeds of one slow host must not take the places of all others.
        async with self._hosts.slot(f"{target.raw_host}:{target.port}"), self._at_once:
            yield

    async def fetch(self, url: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """Fetch a feed, conditionally when validators are given. Raises FetchFailed, and nothing else of the network.

        Redirects are followed by hand: each address is checked as the first one was. The time limit is for all of it.
        """
        target = _checked(url)
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._follow(target, _validators(etag, last_modified))
        except TimeoutError:
            raise FetchFailed("timeout", f"more than {self._settings.timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _explain(error) from None

    async def _follow(self, target: URL, headers: dict[str, str]) -> Fetched:
        assert self._session is not None, "enter the fetcher first"
        permanent: str | None = None
        for_good = True
        for _ in range(self._settings.redirects_max + 1):
            async with self._session.get(target, headers=headers, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status not in (301, 302, 303, 307, 308) or location is None:
                    return await self._answer(response, target, permanent)
                target = _checked(location, target)
                for_good = for_good and response.status in (301, 308)
                if for_good:
                    permanent = str(target)
        raise FetchFailed("too many redirects", f"more than {self._settings.redirects_max}")

    async def _answer(self, response: aiohttp.ClientResponse, url: URL, permanent: str | None) -> Fetched:
        retry_after = _retry_after(response.headers, self._clock.now())
        if response.status not in (200, 203, 304):
            raise FetchFailed(f"http {response.status}", status=response.status, retry_after=retry_after)
        body = await self._body(response) if response.status != 304 else None
        age = _MAX_AGE.search(response.headers.get("Cache-Control", ""))
        return Fetched(
            status=304 if body is None else 200,
            final_url=str(url.with_user(None)),
            body=body,
            etag=_validator(response.headers.get("ETag")),
            last_modified=_validator(response.headers.get("Last-Modified")),
            permanent_redirect=permanent,
            content_type=response.headers.get("Content-Type"),
            retry_after=retry_after,
            max_age=int(age[1]) if age else None,
            head=_head(response) if body is not None else None,
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self._settings.body_max
        too_large = FetchFailed("too large", f"more than {limit} bytes")
        if (response.content_length or 0) > limit:
            raise too_large
        body = bytearray()
        # Chunks come decompressed and small, so a gzip bomb is cut off as any other body.
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise too_large
        return bytes(body)


def _head(response: aiohttp.ClientResponse) -> Head:
    major, minor = response.version or (1, 1)
    return Head(
        protocol=f"HTTP/{major}.{minor}",
        status=f"{response.status} {response.reason or ''}".rstrip(),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers),
    )


def _checked(url: str, base: URL | None = None) -> URL:
    try:
        target = URL(url.strip())
        target = base.join(target) if base is not None else target
    except ValueError as error:
        raise FetchFailed("bad url", str(error)) from None
    if target.scheme not in ("http", "https") or not target.raw_host:
        raise FetchFailed("bad url", "only http and https can be polled")
    return target


def _validators(etag: str | None, last_modified: str | None) -> dict[str, str]:
    headers = {}
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    return headers


def _validator(value: str | None) -> str | None:
    """A validator to send back, unless it is absurdly long or could not stand in a header."""
    return value if value and len(value) <= _VALIDATOR_MAX and value.isprintable() else None


def _retry_after(headers: Mapping[str, str], now: datetime) -> int | None:
    """Seconds of Retry-After: a number, or a date by the server's own clock (RFC 9110 section 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return int(value[:9])
    until = parse_date(value)
    if until is None:
        return None  # before Date is read: that was 3 % of the poller's time at 50 polls/s
    return max(0, int((until - (parse_date(headers.get("Date")) or now)).total_seconds()))


def _explain(error: Exception) -> FetchFailed:
    """One kind and one line for what the client and the system raise; never the URL, which may hold a secret."""
    text = str(error)
    if REFUSED in text:
        return FetchFailed(REFUSED, "private, local or not unicast")
    if isinstance(error, aiohttp.InvalidURL):
        return FetchFailed("bad url", "the host is not valid")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return FetchFailed("dns", "the host has no address")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return FetchFailed("tls", type(error).__name__)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return FetchFailed("disconnected")
    if isinstance(error, aiohttp.ClientConnectorError):
        return FetchFailed("connect", error.os_error.strerror or type(error.os_error).__name__)
    if isinstance(error, aiohttp.ClientPayloadError):
        return FetchFailed("body cut short", type(error).__name__)
    if isinstance(error, aiohttp.ClientResponseError):
        return FetchFailed("bad answer", type(error).__name__)
    return FetchFailed("network", type(error).__name__)
