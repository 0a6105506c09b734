"""The generated wire and its load: each released article can be collected once, at the rate that was asked for."""

import asyncio
import random
import re
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web

from bench.soak.load import BACKLOG, ClosedLoop, OpenLoop
from bench.soak.wire import Wire

ENTRIES = 20
ITEM = re.compile(rb"<item><guid[^>]*>([^<]+)</guid><title>([^<]*)</title><description>(.*?)</description>", re.S)


def fetch(wire: Wire, name: str, etag: str | None = None) -> web.Response:
    headers = {"If-None-Match": etag} if etag else {}
    request = cast("web.Request", SimpleNamespace(match_info={"name": name}, headers=headers))
    return asyncio.run(wire.answer(request))


def entries(wire: Wire, name: str) -> list[tuple[bytes, ...]]:
    body: Any = fetch(wire, name).body
    return ITEM.findall(body)


def test_every_released_article_is_seen_once() -> None:
    chance = random.Random(1)
    wire = Wire(5, ENTRIES, chance)
    seen: set[tuple[bytes, ...]] = set()
    for _ in range(400):
        wire.release(chance.randrange(12))
        name = chance.choice(list(wire.feeds))
        seen.update(entries(wire, name))
    for name in wire.feeds:
        seen.update(entries(wire, name))
    assert len(seen) == wire.released > 1_000
    assert len({id for id, *_ in seen}) < wire.released  # some came with a new text
    assert len({text for *_, text in seen}) < wire.released  # and some in another feed as well


def test_nothing_is_pushed_out_before_it_was_fetched() -> None:
    wire = Wire(1, ENTRIES, random.Random(1))
    wire.release(3 * ENTRIES)
    assert wire.released == ENTRIES
    assert len(entries(wire, "feed-0")) == ENTRIES
    wire.release(1)
    assert wire.released == ENTRIES + 1


def test_a_document_is_not_sent_twice() -> None:
    wire = Wire(1, ENTRIES, random.Random(1))
    wire.release(1)
    first = fetch(wire, "feed-0")
    assert fetch(wire, "feed-0", first.headers["ETag"]).status == 304
    wire.release(1)
    assert fetch(wire, "feed-0", first.headers["ETag"]).status == 200


def test_full_speed_keeps_a_backlog() -> None:
    assert ClosedLoop().due(0.0, 0) == BACKLOG
    assert ClosedLoop().due(0.0, BACKLOG - 3) == 3
    assert ClosedLoop().due(0.0, BACKLOG + 5) == 0


def test_a_rate_is_kept_at_random_moments() -> None:
    load = OpenLoop(20.0, random.Random(1))
    counts = [load.due(tick / 10, 0) for tick in range(10_000)]
    assert 19 < sum(counts) / 1_000 < 21
    assert {0, 1, 2, 3, 4, 5} <= set(counts)
    assert load.held_back == 0


def test_who_falls_behind_gets_no_more() -> None:
    load = OpenLoop(20.0, random.Random(1))
    load.due(0.0, 0)
    assert load.due(10.0, 10_000) == 0
    assert 150 < load.held_back < 250
