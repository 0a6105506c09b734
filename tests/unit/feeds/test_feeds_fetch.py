"""Fetching from small real sites on loopback: answers as they are, redirects, limits, hostile servers."""

import asyncio
import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from newswire.pipeline.feeds.fetch import Fetched, Fetcher, FetchFailed
from newswire.pipeline.settings import CollectSettings
from tests.unit.feeds.site import FakeClock, raw_site, rss, site


def options(**given: Any) -> CollectSettings:
    """Settings for sites on loopback."""
    return CollectSettings(**{"allow_private": True, "timeout": 10.0, "host_spacing": 0.0, **given})


async def get(url: str, *validators: str | None, **given: Any) -> Fetched:
    """Fetch once."""
    async with Fetcher(options(**given), FakeClock()) as fetcher:
        return await fetcher.fetch(url, *validators)


async def failure(url: str, **given: Any) -> FetchFailed:
    """Fetch once; it has to fail."""
    with pytest.raises(FetchFailed) as raised:
        await get(url, **given)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)
    return raised.value


async def test_a_document_with_what_goes_with_it() -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        headers = {
            "ETag": '"1"',
            "Last-Modified": "Tue, 03 Feb 2026 12:00:00 GMT",
            "Cache-Control": "public, max-age=600",
        }
        return web.Response(body=rss("a"), headers=headers, content_type="application/rss+xml")

    async with site(handler) as url:
        fetched = await get(f"{url}/feed")
    assert fetched == Fetched(
        status=200,
        final_url=f"{url}/feed",
        body=rss("a"),
        etag='"1"',
        last_modified="Tue, 03 Feb 2026 12:00:00 GMT",
        permanent_redirect=None,
        content_type="application/rss+xml",
        retry_after=None,
        max_age=600,
    )
    assert seen[0].headers["User-Agent"].startswith("newswire/")
    assert "If-None-Match" not in seen[0].headers


async def test_not_modified() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["If-None-Match"] == '"1"'
        assert request.headers["If-Modified-Since"] == "Tue, 03 Feb 2026 12:00:00 GMT"
        return web.Response(status=304, headers={"ETag": '"1"'})

    async with site(handler) as url:
        fetched = await get(url, '"1"', "Tue, 03 Feb 2026 12:00:00 GMT")
    assert (fetched.status, fetched.body, fetched.etag) == (304, None, '"1"')


@pytest.mark.parametrize(
    ("codes", "permanent"),
    [((301,), "/1"), ((308, 301), "/2"), ((302,), None), ((301, 302), "/1"), ((302, 301), None), ((303, 307), None)],
)
async def test_redirects_are_followed(codes: tuple[int, ...], permanent: str | None) -> None:
    async def handler(request: web.Request) -> web.Response:
        step = int(request.path.strip("/") or 0)
        if step < len(codes):
            return web.Response(status=codes[step], headers={"Location": f"/{step + 1}"})
        return web.Response(body=rss("a"))

    async with site(handler) as url:
        fetched = await get(f"{url}/0")
        assert fetched.final_url == f"{url}/{len(codes)}"
        assert fetched.permanent_redirect == (f"{url}{permanent}" if permanent else None)


async def test_too_many_redirects() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"/x{request.path}"})

    async with site(handler) as url:
        assert (await failure(url, redirects_max=3)).kind == "too many redirects"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.com/", "gopher://127.0.0.1/", "http://[::1"])
async def test_redirects_out_of_http_are_refused(target: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": target})

    async with site(handler) as url:
        assert (await failure(url)).kind == "bad url"


PLAIN = ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0")


@pytest.mark.parametrize("host", [*PLAIN, "2130706433", "0x7f000001", "127.1"])
async def test_local_addresses_are_refused_whatever_they_are_called(host: str) -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(body=rss("a"))

    async with site(handler) as url:
        port = url.rsplit(":", 1)[1]
        failed = await failure(f"http://me:secret@{host}:{port}/", allow_private=False)
    # What aiohttp or the resolver does not take for an address does not get so far as a socket.
    assert failed.kind in (("refused address",) if host in PLAIN else ("refused address", "bad url", "dns"))
    assert not asked


async def test_a_redirect_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from newswire.pipeline.feeds import addresses

    # The first site stands for a public one; its neighbour 127.0.0.2 is private as ever.
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")

    async def handler(request: web.Request) -> web.Response:
        port = request.url.port
        return web.Response(status=302, headers={"Location": f"http://127.0.0.2:{port}/metadata"})

    async with site(handler) as url:
        assert (await failure(url, allow_private=False)).kind == "refused address"


async def test_a_body_over_the_cap_is_not_read_on() -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(40):
            await response.write(b"x" * 1_000_000)
            sent += 1
        return response

    async with site(handler) as url:
        assert (await failure(url, body_max=2_000_000)).kind == "too large"
    assert sent < 40


async def test_a_length_over_the_cap_is_believed() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(5)

    began = time.monotonic()
    async with raw_site(answer) as url:
        assert (await failure(url)).kind == "too large"
    assert time.monotonic() - began < 4


async def test_a_gzip_bomb_is_cut_off() -> None:
    bomb = gzip.compress(bytes(200_000_000), 1)

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with site(handler) as url:
        assert (await failure(url, body_max=2_000_000)).kind == "too large"


async def test_compressed_documents_are_read() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(rss("a")), headers={"Content-Encoding": "gzip"})

    async with site(handler) as url:
        assert (await get(url)).body == rss("a")


async def test_a_slow_server_has_its_time_and_no_more() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"<")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with raw_site(answer) as url:
        assert (await failure(url, timeout=0.5)).kind == "timeout"


HOSTILE: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "cut body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<rss>", ("body cut short",)),
    "cut chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<rss>\r\n", ("body cut short",)),
    "broken gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", ("body cut short",)),
    "no HTTP": (b"hello\r\n\r\n", ("bad answer",)),
    "silence": (b"", ("disconnected",)),
    "endless header": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, ("bad answer", "disconnected")),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_servers(name: str) -> None:
    body, kinds = HOSTILE[name]

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(body)
        await writer.drain()

    async with raw_site(answer) as url:
        assert (await failure(url)).kind in kinds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("Tue, 03 Feb 2026 12:10:00 GMT", 600),
        ("Tue, 03 Feb 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("", None),
    ],
)
async def test_retry_after(value: str, seconds: int | None) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": value, "Date": "Tue, 03 Feb 2026 12:00:00 GMT"})

    async with site(handler) as url:
        failed = await failure(url)
    assert (failed.kind, failed.status, failed.retry_after) == ("http 503", 503, seconds)


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 410, 429, 500])
async def test_errors_carry_their_status(status: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with site(handler) as url:
        assert (await failure(url)).kind == f"http {status}"


async def test_nobody_answers() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    async with site(handler) as url:
        pass
    assert (await failure(url)).kind == "connect"


async def test_no_such_host() -> None:
    assert (await failure("http://no-such-host.invalid/")).kind == "dns"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.example/", "http://", "a.example", "http://[::1"])
async def test_only_http_is_fetched(url: str) -> None:
    assert (await failure(url)).kind == "bad url"


async def test_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=rss("a"))

    async with site(handler) as url:
        assert (await get(url)).status == 200


async def test_a_host_gets_few_polls_at_once_and_apart() -> None:
    running, most, starts = 0, 0, []

    async def handler(_: web.Request) -> web.Response:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        starts.append(time.monotonic())
        await asyncio.sleep(0.15)
        running -= 1
        return web.Response(body=rss("a"))

    async with site(handler) as url, Fetcher(options(host_polls_at_once=2, host_spacing=0.05), FakeClock()) as fetcher:

        async def poll() -> None:
            async with fetcher.turn(url):
                await fetcher.fetch(url)

        began = time.monotonic()
        await asyncio.gather(*(poll() for _ in range(6)))
    assert most == 2
    # A busy machine makes each of them later, never earlier.
    assert all(start > began + 0.05 * number - 0.01 for number, start in enumerate(starts))


async def test_one_slow_host_does_not_take_all_places() -> None:
    waiting: list[Callable[[], None]] = []

    async def slow(_: web.Request) -> web.Response:
        release = asyncio.Event()
        waiting.append(release.set)
        await release.wait()
        return web.Response(body=rss("a"))

    async def quick(_: web.Request) -> web.Response:
        return web.Response(body=rss("b"))

    settings = options(polls_at_once=3, host_polls_at_once=2)
    async with site(slow) as slow_url, site(quick) as quick_url, Fetcher(settings, FakeClock()) as fetcher:

        async def poll(url: str) -> Fetched:
            async with fetcher.turn(url):
                return await fetcher.fetch(url)

        slow_ones = [asyncio.create_task(poll(slow_url)) for _ in range(5)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            assert (await poll(quick_url)).body == rss("b")
        for task in slow_ones:
            task.cancel()
        await asyncio.gather(*slow_ones, return_exceptions=True)
        for release in waiting:
            release()
