"""Small real sites on loopback, a clock of the test's own, and a state in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def rss(*titles: str, head: str = "") -> bytes:
    """An RSS document with an entry for each title, its guid the title's first word."""
    items = "".join(
        f"<item><title>{title}</title><guid>{title.split()[0]}</guid><description>On {title}</description></item>"
        for title in titles
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>F</title>{head}{items}</channel></rss>'.encode()


@asynccontextmanager
async def site(handler: Handler) -> AsyncIterator[str]:
    """A server that gives every request to `handler`; yields its base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_site(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server below HTTP, for answers that no HTTP server gives."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


class FakeClock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self._now = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        """The time."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has moved the clock so far."""
        until = self._now + timedelta(seconds=seconds)
        while self._now < until:
            await self._moved.wait()

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._moved.set()
        self._moved = asyncio.Event()


class MemoryState:
    """A State in a dict."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.written: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        """The row."""
        return self.rows.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Write a row."""
        self.rows[key] = value
        self.written.append(key)

    def delete(self, key: bytes) -> None:
        """Delete a row."""
        self.rows.pop(key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The rows with a prefix."""
        return iter([(key, value) for key, value in sorted(self.rows.items()) if key.startswith(prefix)])

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """Not used by the collector."""
        raise NotImplementedError
