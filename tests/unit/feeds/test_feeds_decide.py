"""decide: new, changed and seen; what is remembered of a feed; the rows of its state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.feeds.decide import KEEP_SECONDS, content_hash, decide
from newswire.pipeline.feeds.feedstate import FeedState, load, load_head, new_feed, remove, save
from newswire.pipeline.feeds.identity import raw_article_id
from newswire.pipeline.feeds.parse import parse_feed
from newswire.pipeline.feeds.parsed import ENTRIES_MAX, ParsedEntry, ParsedFeed
from newswire.schemas import FeedSettings, RawArticle
from tests.unit.feeds.site import MemoryState, rss

URL = "https://host.example/feed"
AT = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)
FEED = FeedState(url=URL)


def document(*entries: ParsedEntry, title: str | None = "Feed") -> ParsedFeed:
    """A parsed document."""
    return ParsedFeed(title, entries, "fast")


def entry(name: str, text: str = "text", published_at: datetime | None = None) -> ParsedEntry:
    """An entry with an id."""
    return ParsedEntry(entry_id=name, title=f"Title {name}", content=text, published_at=published_at)


def test_new_then_seen_then_changed() -> None:
    first = decide(FEED, document(entry("b"), entry("a")), AT)
    assert [article.entry_id for article in first.articles] == ["a", "b"]  # the oldest first
    assert (first.new, first.changed, first.seen) == (2, 0, 0)
    again = decide(first.state, document(entry("b"), entry("a")), AT)
    assert (again.articles, again.new, again.changed, again.seen) == ((), 0, 0, 2)
    edited = decide(again.state, document(entry("c"), entry("b", "other text"), entry("a")), AT)
    assert [article.entry_id for article in edited.articles] == ["b", "c"]
    assert (edited.new, edited.changed, edited.seen) == (1, 1, 1)


def test_articles_carry_the_feed_and_the_time() -> None:
    parsed = document(entry("a", published_at=AT - timedelta(hours=1)))
    article = decide(replace(FEED, title="My title"), parsed, AT).articles[0]
    assert article == RawArticle(
        feed_url=URL,
        feed_title="My title",
        entry_id="a",
        title="Title a",
        content="text",
        published_at=AT - timedelta(hours=1),
        observed_at=AT,
    )


def test_user_names_and_passwords_stay_here() -> None:
    article = decide(FeedState(url="https://me:secret@host.example/feed"), document(entry("a")), AT).articles[0]
    assert article.feed_url == URL
    assert "secret" not in article.encode().decode()


@pytest.mark.parametrize(
    ("published", "kept"),
    [
        (AT, True),
        (AT + timedelta(hours=23), True),
        (AT + timedelta(hours=25), False),
        (datetime(2100, 1, 1, tzinfo=UTC), False),
        (datetime(1970, 1, 1, tzinfo=UTC), False),
        (datetime(1971, 1, 1, tzinfo=UTC), True),
        (None, False),
    ],
)
def test_dates_that_cannot_be_meant_are_dropped(published: datetime | None, kept: bool) -> None:
    article = decide(FEED, document(entry("a", published_at=published)), AT).articles[0]
    assert article.published_at == (published if kept else None)


def test_white_space_and_dates_are_no_change() -> None:
    one = ParsedEntry(entry_id="a", title="A  title", content="<p>some\n text</p>", published_at=AT)
    two = ParsedEntry(entry_id="a", title="A title ", content="<p>some text</p>", url="https://a.example/?moved")
    assert content_hash(one) == content_hash(two)
    assert decide(decide(FEED, document(one), AT).state, document(two), AT).seen == 1


def test_text_that_moves_between_fields_is_a_change() -> None:
    assert content_hash(ParsedEntry(title="a b")) != content_hash(ParsedEntry(title="a", summary="b"))


def test_one_identity_twice_in_a_document_does_not_flap() -> None:
    both = document(entry("a", "newer"), entry("a", "older"))
    first = decide(FEED, both, AT)
    assert [article.content for article in first.articles] == ["newer"]
    assert (first.new, first.seen) == (1, 1)
    assert decide(first.state, both, AT).seen == 2


def test_an_entry_that_left_is_remembered_and_forgotten() -> None:
    state = decide(FEED, document(entry("a"), entry("b")), AT).state
    later = AT + timedelta(seconds=KEEP_SECONDS + 1)
    # The body did not change all the while, so "a" only left now.
    state = decide(state, document(entry("b")), later).state
    assert decide(state, document(entry("a"), entry("b")), later + timedelta(days=1)).new == 0
    state = decide(state, document(entry("b")), later + timedelta(days=1)).state
    state = decide(state, document(entry("b")), later + timedelta(seconds=KEEP_SECONDS + 90_000)).state
    assert len(state.seen) == 1
    assert decide(state, document(entry("a"), entry("b")), later + timedelta(seconds=KEEP_SECONDS + 90_001)).new == 1


def test_the_memory_has_an_end() -> None:
    state = FEED
    for day in range(8):
        entries = [entry(f"{day}-{number}") for number in range(2_000)]
        state = decide(state, document(*entries), AT + timedelta(hours=day)).state
    assert len(state.seen) == ENTRIES_MAX
    assert len(state.encode_seen()) < 600_000
    assert decide(state, document(*entries), AT + timedelta(hours=9)).new == 0  # the newest are there


TEXTS = st.text(max_size=5)
ENTRIES = st.builds(
    ParsedEntry,
    entry_id=st.none() | st.sampled_from(["a", "b", "c"]),
    url=st.none() | st.sampled_from(["https://a.example/1", "https://a.example/2?utm_source=x"]),
    title=TEXTS.map(lambda text: "t" + text),
    content=st.none() | TEXTS,
    published_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)
DOCUMENTS = st.lists(ENTRIES, max_size=8).map(lambda entries: ParsedFeed("F", tuple(entries), "fast"))


@given(st.lists(DOCUMENTS, max_size=4), DOCUMENTS)
def test_any_history(history: list[ParsedFeed], last: ParsedFeed) -> None:
    state, at = FEED, AT
    for parsed in history:
        state, at = decide(state, parsed, at).state, at + timedelta(minutes=5)
    decision = decide(state, last, at)
    assert decision.new + decision.changed + decision.seen == len(last.entries)
    assert len(decision.articles) == decision.new + decision.changed
    assert len({raw_article_id(article) for article in decision.articles}) == len(decision.articles)
    again = decide(decision.state, last, at + timedelta(minutes=5))
    assert (again.new, again.changed, again.seen) == (0, 0, len(last.entries))
    assert decide(state, last, at) == decision  # nothing but its arguments decides
    restored = FeedState.decode(decision.state.encode(), decision.state.encode_seen())
    assert restored == decision.state


def test_the_same_body_twice_is_all_seen() -> None:
    parsed = parse_feed(rss("a one", "b two", "c three"), None, URL)
    assert decide(decide(FEED, parsed, AT).state, parse_feed(rss("a one", "b two", "c three"), None, URL), AT).seen == 3


def test_rows() -> None:
    state = MemoryState()
    feed = new_feed(FeedSettings(url=URL, added_at=AT))
    save(state, feed, feed)
    assert (load(state, URL), state.written) == (feed, [b"feed/" + URL.encode()])
    after = decide(feed, document(entry("a")), AT).state
    save(state, after, feed)
    assert load(state, URL) == after
    head = load_head(state, URL)
    assert head == replace(after, seen={})
    state.written.clear()
    save(state, replace(head, failures=3), head)
    assert state.written == [b"feed/" + URL.encode()]  # a poll that finds nothing leaves the large row alone
    assert load(state, URL) == replace(after, failures=3)
    remove(state, URL)
    assert not state.rows


def test_settings_change_a_feed_and_keep_what_it_knows() -> None:
    feed = replace(decide(FEED, document(entry("a")), AT).state, next_poll_at=99, etag='"1"')
    paused = feed.with_settings(FeedSettings(url=URL, title="T", paused=True, added_at=AT))
    assert (paused.title, paused.paused, paused.etag, paused.seen) == ("T", True, '"1"', feed.seen)
    assert paused.next_poll_at == 99
    assert paused.with_settings(FeedSettings(url=URL, added_at=AT)).next_poll_at == 0  # resumed: due at once
    gone = replace(feed, gone=True)
    assert not gone.with_settings(FeedSettings(url=URL, added_at=AT)).gone
    assert feed.with_settings(FeedSettings(url=URL, added_at=AT)).next_poll_at == 99  # nothing changed
