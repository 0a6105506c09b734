"""The loopback site answers as servers of real feeds do."""

from collections.abc import Mapping

import aiohttp
import pytest

from newswire.pipeline.demo.catalogue import FEEDS, SampleFeed
from newswire.pipeline.demo.site import FeedSite


def feed_with(validator: str, versions: int = 1) -> SampleFeed:
    return next(feed for feed in FEEDS if feed.validator == validator and len(feed.files) == versions)


async def get(site: FeedSite, feed: SampleFeed, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(site.url(feed), headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


@pytest.mark.parametrize(
    ("validator", "given", "sent"),
    [("etag", "ETag", "If-None-Match"), ("modified", "Last-Modified", "If-Modified-Since")],
)
async def test_the_second_poll_with_the_validator_gets_304(validator: str, given: str, sent: str) -> None:
    feed = feed_with(validator)
    async with FeedSite() as site:
        status, body, headers = await get(site, feed)
        assert (status, body, headers["Content-Type"]) == (200, feed.body(0), feed.media_type)
        status, body, _ = await get(site, feed, **{sent: headers[given]})
        assert (status, body) == (304, b"")
        status, _, _ = await get(site, feed)
        assert status == 200
        assert (site.polls(feed), site.answered(304)) == (3, 1)


async def test_the_changed_version_is_not_304() -> None:
    feed = feed_with("etag", versions=2)
    async with FeedSite() as site:
        _, first, headers = await get(site, feed)
        status, second, headers = await get(site, feed, **{"If-None-Match": headers["ETag"]})
        assert (status, first, second) == (200, feed.body(0), feed.body(1))
        status, _, _ = await get(site, feed, **{"If-None-Match": headers["ETag"]})
        assert status == 304


async def test_a_wrong_date_is_no_error_and_a_feed_without_validators_comes_whole() -> None:
    async with FeedSite() as site:
        assert (await get(site, feed_with("modified"), **{"If-Modified-Since": "yesterday"}))[0] == 200
        for _ in range(2):
            status, _, headers = await get(site, feed_with("none"))
            assert status == 200
            assert "ETag" not in headers
            assert "Last-Modified" not in headers


async def test_the_broken_feed_is_a_page() -> None:
    broken = next(feed for feed in FEEDS if feed.broken)
    async with FeedSite() as site:
        status, body, headers = await get(site, broken)
    assert status == 200
    assert b"<html>" in body
    assert headers["Content-Type"].startswith("text/html")
