"""canonical_url and article_id: one address and one id for one thing."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.feeds.canonical import canonical_url, without_userinfo
from newswire.pipeline.feeds.identity import article_id, raw_article_id
from newswire.schemas import RawArticle


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://User:Pass@EXAMPLE.com:80/a/../b?utm_source=x&id=3#top", "http://example.com/b?id=3"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://example.com./x", "https://example.com/x"),
        ("https://n.example/a.html?partner=rss&emc=rss", "https://n.example/a.html"),
        ("https://n.example/?feed=rss2&fbclid=1", "https://n.example/?feed=rss2"),
        ("https://n.example/?session=1&source=a&keyword=b", "https://n.example/?session=1&source=a&keyword=b"),
        ("  http://example.com/a\n", "http://example.com/a"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        ("http://example.com/?b=2&a=%20+c", "http://example.com/?b=2&a=%20+c"),
    ],
)
def test_the_same_page_has_one_form(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "mailto:a@b",
        "javascript:x",
        "file:///etc/passwd",
        "http:///x",
        "http://a b/",
        "http://example.com:99999/",
        "http://[::1",
        "http://exa<mple/",
        "http://a/" + "x" * 9000,
    ],
)
def test_what_cannot_be_polled_has_none(url: str) -> None:
    assert canonical_url(url) is None


URLS = st.builds(
    lambda scheme, host, port, path, query, fragment: f"{scheme}://{host}{port}/{path}?{query}#{fragment}",
    st.sampled_from(["http", "https", "HTTP", "hTTps"]),
    st.sampled_from(["example.com", "EXAMPLE.com.", "bücher.example", "[2001:db8::1]", "u:p@a.example", "192.0.2.7"]),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.text(max_size=20),
    st.text(max_size=20) | st.sampled_from(["utm_source=a&b=c", "b=%zz&&gclid=1", "a=%2f&ref=rss"]),
    st.text(max_size=5),
)


@given(URLS | st.text(max_size=60))
def test_canonical_is_idempotent(url: str) -> None:
    once = canonical_url(url)
    assert once is None or canonical_url(once) == once


def test_no_password_is_left() -> None:
    assert without_userinfo("https://me:secret@example.com/a@b") == "https://example.com/a@b"
    assert without_userinfo("https://example.com/@me?x=a@b") == "https://example.com/@me?x=a@b"


def test_id_is_the_documented_hash() -> None:
    expected = hashlib.sha256(b"https://example.com/feed\ntag:1").hexdigest()[:32]
    assert article_id("https://EXAMPLE.com/feed#x", entry_id=" tag:1 ", url="u", title="t", content="c") == expected
    by_url = hashlib.sha256(b"https://example.com/feed\nhttps://example.com/a").hexdigest()[:32]
    url = "https://example.com/a?utm_medium=x"
    assert article_id("https://example.com/feed", entry_id=None, url=url, title="t", content="c") == by_url
    by_text = hashlib.sha256(b"https://example.com/feed\nA title\nsome text").hexdigest()[:32]
    text_id = article_id("https://example.com/feed", entry_id="", url=None, title="A  title ", content="some\ntext")
    assert text_id == by_text


@given(st.text(), st.text(), st.none() | st.text(), st.none() | st.text())
def test_id_is_stable_and_its_own(feed: str, entry: str, title: str | None, content: str | None) -> None:
    first = article_id(feed, entry_id=entry, url=None, title=title, content=content)
    assert first == article_id(feed, entry_id=entry, url=None, title=title, content=content)
    assert len(first) == 32
    other = article_id(feed, entry_id=entry.strip() + "x", url=None, title=title, content=content)
    assert first != other


def test_summary_stands_for_missing_content() -> None:
    one = RawArticle(feed_url="https://a.example/", title="t", summary="s")
    two = RawArticle(feed_url="https://a.example/", title="t", content="s")
    assert raw_article_id(one) == raw_article_id(two)
