"""The feed list as OPML."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.feeds.opml import NotAnOpml, Outline, read_opml, write_opml
from newswire.schemas import FeedSettings

AT = datetime(2026, 2, 3, tzinfo=UTC)


def test_groups_become_categories() -> None:
    document = """<?xml version="1.0" encoding="UTF-8"?>
    <opml version="2.0"><head><title>My feeds</title></head><body>
      <outline text="Новини"><outline text="Світ">
        <outline type="rss" text="Перша &amp; друга" xmlUrl="https://a.example/feed?x=1&amp;y=2" htmlUrl="https://a.example/"/>
      </outline></outline>
      <outline type="rss" text="Zwei" title="two" xmlUrl="https://b.example/feed"></outline>
      <outline type="rss" text="again" xmlUrl="https://b.example/feed"/>
      <outline type="link" text="no feed" url="https://c.example/list.opml"/>
    </body></opml>"""
    assert read_opml(document.encode()) == (
        Outline("https://a.example/feed?x=1&y=2", "Перша & друга", "Новини/Світ"),
        Outline("https://b.example/feed", "Zwei"),
    )


def test_other_encodings() -> None:
    document = '<?xml version="1.0" encoding="iso-8859-1"?><opml version="1.0"><body><outline text="Köln" xmlUrl="https://a.example/"/></body></opml>'
    assert read_opml(document.encode("latin-1")) == (Outline("https://a.example/", "Köln"),)


@pytest.mark.parametrize("document", [b"", b"hello", b"<html><body></body></html>", b"<rss/>", b"\x00\xff" * 100])
def test_what_is_no_opml(document: bytes) -> None:
    with pytest.raises(NotAnOpml):
        read_opml(document)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
FEEDS = st.lists(
    st.builds(
        lambda name, title, category: FeedSettings(
            url=f"https://{name}.example/feed?a=1&b=2", title=title, category=category, added_at=AT
        ),
        st.text("abcdef", min_size=1, max_size=6),
        st.none() | TEXT,
        st.none() | TEXT,
    ),
    unique_by=lambda feed: feed.url,
    max_size=6,
)


@given(FEEDS)
def test_round_trip(feeds: list[FeedSettings]) -> None:
    document = write_opml(feeds)
    if not feeds:
        assert b"<opml" in document
        return
    expected = {Outline(feed.url, feed.title, feed.category) for feed in feeds}
    assert set(read_opml(document)) == expected
