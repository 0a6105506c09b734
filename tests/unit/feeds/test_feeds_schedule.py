"""The schedule: adaptive, patient where servers ask for it, slower with failures, and the same every time."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.feeds.feedstate import SIGHTINGS, FeedState
from newswire.pipeline.feeds.schedule import (
    DAY,
    GONE_SECONDS,
    JITTER,
    Hints,
    Rules,
    after_document,
    after_failure,
    after_not_modified,
    is_conditional,
    is_due,
    jitter,
)
from newswire.pipeline.settings import CollectSettings

AT = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)
NOW = int(AT.timestamp())
RULES = Rules.of(CollectSettings())
NONE = Hints()
FEED = FeedState(url="https://host.example/feed", interval=1_000)


def wait(state: FeedState) -> float:
    """Seconds until the next poll, without the feed's jitter."""
    return (state.next_poll_at - NOW) / (1 + jitter(state.url))


def test_the_first_document_says_nothing() -> None:
    after = after_document(FeedState(url="https://host.example/feed"), AT, RULES, NONE, found=True)
    assert after.interval == RULES.interval_default
    assert (after.polls, after.last_poll_at, after.failures, after.error) == (1, NOW, 0, None)


@pytest.mark.parametrize(("rules", "own"), [(RULES, None), (Rules(4, 4, 4), None), (RULES, 60)])
def test_feeds_that_are_added_together_are_spread_over_their_interval(rules: Rules, own: int | None) -> None:
    interval = own or rules.interval_default
    feeds = [FeedState(url=f"https://host.example/{number}", interval_seconds=own) for number in range(800)]
    waits = [after_document(feed, AT, rules, NONE, found=True).next_poll_at - NOW for feed in feeds]
    low = min(rules.interval_min, interval)
    assert min(waits) >= low
    assert max(waits) <= (low + interval) * (1 + JITTER)
    quarters = [sum(low + interval * n / 4 <= wait < low + interval * (n + 1) / 4 for wait in waits) for n in range(4)]
    assert min(quarters) > 140
    assert wait(after_document(replace(feeds[0], interval=interval), AT, rules, NONE, found=True)) < low + interval


def test_what_a_server_asks_for_holds_for_the_second_poll_too() -> None:
    after = after_document(FeedState(url="https://host.example/feed"), AT, RULES, Hints(ttl=7_200), found=True)
    assert wait(after) == pytest.approx(7_200, abs=1)


def test_busy_feeds_are_polled_sooner_and_quiet_ones_later() -> None:
    assert after_document(FEED, AT, RULES, NONE, found=True).interval == 650
    assert after_document(FEED, AT, RULES, NONE, found=False).interval == 1_500
    assert after_not_modified(FEED, AT, RULES, NONE).interval == 1_500


@given(st.lists(st.sampled_from(["found", "same", "304", "failed"]), max_size=60))
def test_the_interval_stays_in_its_bounds(history: list[str]) -> None:
    state = FeedState(url="https://host.example/feed")
    for what in history:
        if what == "failed":
            state = after_failure(state, AT, RULES, "timeout")
        elif what == "304":
            state = after_not_modified(state, AT, RULES, NONE)
        else:
            state = after_document(state, AT, RULES, NONE, found=what == "found")
        assert state.interval == 0 or RULES.interval_min <= state.interval <= RULES.interval_max
        assert NOW < state.next_poll_at <= NOW + DAY * (1 + JITTER)


@pytest.mark.parametrize(
    ("hints", "seconds"),
    [
        (Hints(max_age=3_600), 3_600),
        (Hints(ttl=7_200), 7_200),
        (Hints(max_age=60, ttl=60), 1_500),
        (Hints(max_age=31_536_000), RULES.interval_max),
        (Hints(retry_after=40_000), 40_000),
        (Hints(retry_after=10_000_000), DAY),
    ],
)
def test_patience_that_is_asked_for(hints: Hints, seconds: int) -> None:
    assert wait(after_not_modified(FEED, AT, RULES, hints)) == pytest.approx(seconds, abs=1)


def test_settings_override_the_interval() -> None:
    after = after_document(replace(FEED, interval_seconds=7), AT, RULES, Hints(max_age=3_600), found=False)
    assert wait(after) == pytest.approx(7, abs=1)
    assert wait(after_failure(replace(FEED, interval_seconds=7), AT, RULES, "timeout")) == pytest.approx(7, abs=1)


def test_failures_wait_longer_and_longer() -> None:
    state, waits = FEED, []
    for _ in range(10):
        state = after_failure(state, AT, RULES, "http 500")
        waits.append(round(wait(state), -1))
    assert waits[:4] == [1_000, 2_000, 4_000, 8_000]
    assert waits[-1] == DAY
    assert (state.failures, state.error, state.etag) == (10, "http 500", FEED.etag)
    assert after_not_modified(state, AT, RULES, NONE).failures == 0


def test_retry_after_of_a_failure() -> None:
    assert wait(after_failure(FEED, AT, RULES, "http 429", retry_after=5_000)) == pytest.approx(5_000, abs=1)
    assert wait(after_failure(FEED, AT, RULES, "http 429", retry_after=5)) == pytest.approx(1_000, abs=1)


def test_gone_is_asked_again_after_a_week() -> None:
    gone = after_failure(FEED, AT, RULES, "http 410", gone=True)
    assert gone.gone
    assert wait(gone) == pytest.approx(GONE_SECONDS, abs=1)
    assert not after_document(gone, AT, RULES, NONE, found=True).gone


def test_a_feed_moves_after_enough_sightings_and_back_when_it_fails_there() -> None:
    state, moved = FEED, Hints(permanent_redirect="https://new.example/feed")
    for _ in range(SIGHTINGS):
        assert state.address == FEED.url
        state = after_not_modified(state, AT, RULES, moved)
    assert state.address == "https://new.example/feed"
    state = after_not_modified(state, AT, RULES, NONE)
    assert state.address == "https://new.example/feed"
    for _ in range(5):
        state = after_failure(state, AT, RULES, "dns")
    assert (state.address, state.moved_to) == (FEED.url, None)


def test_sightings_are_in_a_row() -> None:
    state = after_not_modified(FEED, AT, RULES, Hints(permanent_redirect="https://new.example/feed"))
    assert (state.moved_to, state.moved) == ("https://new.example/feed", 1)
    other = after_not_modified(state, AT, RULES, Hints(permanent_redirect="https://other.example/feed"))
    assert (other.moved_to, other.moved) == ("https://other.example/feed", 1)
    assert after_not_modified(state, AT, RULES, NONE).moved == 0


def test_due_and_conditional() -> None:
    assert is_due(replace(FEED, next_poll_at=NOW), NOW)
    assert not is_due(replace(FEED, next_poll_at=NOW + 1), NOW)
    assert not is_due(replace(FEED, next_poll_at=0, paused=True), NOW)
    assert sum(not is_conditional(replace(FEED, polls=polls)) for polls in range(100)) == 2


@given(st.text())
def test_jitter_is_fixed_and_small(url: str) -> None:
    assert 0 <= jitter(url) <= JITTER
    assert jitter(url) == jitter(url)
