"""The bundled feeds hold what the demo promises."""

import io
import json
import re
from typing import Any

import feedparser
import pytest

from newswire.pipeline.demo.catalogue import ARTICLES, FEEDS, POISON, SampleFeed


def entries(feed: SampleFeed, version: int = 0) -> list[tuple[str, str, str]]:
    """(identity, title, text) of each entry."""
    body = feed.body(version)
    if feed.path.endswith(".json"):
        return [(item["id"], item["title"], _plain(item["content_html"])) for item in json.loads(body)["items"]]
    parsed: Any = feedparser.parse(io.BytesIO(body))
    return [
        (
            entry.get("id", entry.link),
            entry.title,
            _plain(entry.content[0].value if "content" in entry else entry.summary),
        )
        for entry in parsed.entries
    ]


def _plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def by_title(title: str) -> SampleFeed:
    return next(feed for feed in FEEDS if feed.title == title)


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.path)
def test_catalogue_counts_the_articles(feed: SampleFeed) -> None:
    versions = {entry for version in range(len(feed.files)) for entry in entries(feed, version)}
    assert len(versions) == feed.articles


def test_every_format_and_at_least_three_languages_are_there() -> None:
    bodies = [feed.body(0) for feed in FEEDS if not feed.broken]
    formats = {feedparser.parse(io.BytesIO(body)).version for body in bodies if not body.startswith(b"{")}
    assert {"rss20", "atom10", "rss10"} <= formats
    assert any(body.startswith(b"{") and b"jsonfeed.org" in body for body in bodies)
    texts = " ".join(text for feed in FEEDS for _, _, text in entries(feed))
    assert all(letters in texts for letters in ("ії", "ß", "ł", "the "))
    assert 25 <= ARTICLES <= 40


def test_texts_are_long_enough_to_be_news() -> None:
    lengths = [len(text.split()) for feed in FEEDS for _, _, text in entries(feed)]
    assert min(lengths) >= 45
    assert max(lengths) <= 250


def test_one_agency_text_stands_in_three_feeds_twice_whole_and_once_cut() -> None:
    whole, again, cut = (
        next(text for _, title, text in entries(by_title(feed), 1) if "satellite" in title.lower())
        for feed in ("The Harbour Courier", "Science Weekly Notes", "Northern Ledger")
    )
    assert whole == again
    assert whole != cut
    assert _likeness(whole, cut) > 0.85


def test_one_event_is_told_by_two_feeds_in_their_own_words() -> None:
    one, other = (
        next(text for _, title, text in entries(by_title(feed)) if "Izmir" in title)
        for feed in ("The Harbour Courier", "Northern Ledger")
    )
    assert _likeness(one, other) < 0.2
    assert all(name in one and name in other for name in ("Seferihisar", "AFAD", "Bayrakli", "Leyla Aydemir"))


def test_one_article_changes_and_keeps_its_identity() -> None:
    feed = by_title("Election Desk")
    before, after = entries(feed, 0), entries(feed, 1)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    (old, new) = changed[0]
    assert old[0] == new[0]
    assert entries(feed, 7) == after


def test_the_poison_is_not_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(POISON)


def _likeness(one: str, other: str) -> float:
    """Jaccard similarity of five-word shingles."""
    first, second = ({tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (one.split(), other.split()))
    return len(first & second) / len(first | second)
