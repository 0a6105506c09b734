"""The counters of feeds and hours: what is added comes back, and the hours stay bounded."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.ledger.counters import (
    COUNTED,
    FEED_HOUR,
    FEED_HOURS_KEPT,
    FEED_MAX,
    HOUR,
    HOURS_KEPT,
    RECENT,
    Counters,
    count,
    count_feed_hour,
    count_hour,
    feed_key,
    hour_of,
    read_counters,
)


def counters(state: MemoryState) -> Counters:
    return read_counters(state.scan(b""))


@given(st.lists(st.tuples(st.integers(-100, 5_000), st.sampled_from(["in", "out"]), st.integers(-3, 3))))
def test_every_hour_within_the_kept_ones_has_its_sum_and_the_rest_is_earlier(
    counts: list[tuple[int, str, int]],
) -> None:
    state = MemoryState()
    for hour, name, number in counts:
        count_hour(state, hour, {name: number})
    found = counters(state)
    assert found.newest == max((hour for hour, _, _ in counts), default=None)
    floor = (found.newest or 0) - HOURS_KEPT
    expected: dict[int | None, Counter[str]] = {}
    for hour, name, number in counts:
        expected.setdefault(hour if hour > floor else None, Counter())[name] += number
    assert found.hours == expected
    assert len(list(state.scan(HOUR))) <= HOURS_KEPT + 2


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200), st.sampled_from(["in", "out"]), st.integers(1, 3)))
)
def test_each_feed_has_the_sum_of_every_hour_of_the_newest_ones(counts: list[tuple[str, int, str, int]]) -> None:
    state = MemoryState()
    expected: dict[tuple[str, int], Counter[str]] = {}
    for feed, hour, name, number in counts:
        count(state, feed, {name: number})
        count_feed_hour(state, feed, hour, {name: number})
        expected.setdefault((feed, hour), Counter())[name] += number
    floor = max((hour for _, hour, _, _ in counts), default=0) - FEED_HOURS_KEPT
    found = {(feed, hour): row for feed, rows in counters(state).feed_hours.items() for hour, row in rows.items()}
    assert {at: row for at, row in found.items() if at[1] > floor} == {
        at: row for at, row in expected.items() if at[1] > floor
    }
    assert len(list(state.scan(FEED_HOUR))) <= FEED_HOURS_KEPT * len({feed for feed, *_ in counts})


def test_hours_are_of_utc_and_before_1970_too() -> None:
    assert [hour_of(ms) for ms in (0, 3_599_999, 3_600_000, -1)] == [0, 0, 1, -1]


def test_a_jump_over_all_that_is_kept_folds_all() -> None:
    state = MemoryState()
    for hour in range(10):
        count_hour(state, hour, {"in": 1})
    count_hour(state, 10 * HOURS_KEPT, {"in": 5})
    assert counters(state).hours == {None: {"in": 10}, 10 * HOURS_KEPT: {"in": 5}}


def test_nothing_counted_leaves_no_row() -> None:
    state = MemoryState()
    count(state, "a", {})
    count_hour(state, 1, {})
    count_feed_hour(state, "a", 1, {})
    assert list(state.scan(b"")) == []


def test_other_rows_are_passed_over() -> None:
    state = MemoryState()
    state.put(b"a" + bytes(16), b"\xff")
    count(state, "a", {"in": 1})
    count_hour(state, 7, {"in": 1})
    count_feed_hour(state, "a", 7, {"in": 1})
    assert counters(state) == Counters({"a": {"in": 1}}, {7: {"in": 1}}, 7, {"a": {7: {"in": 1}}})
    assert {key.startswith((*COUNTED, *RECENT)) for key, value in state.scan(b"#")} == {True}


@given(st.text(min_size=FEED_MAX // 2, max_size=FEED_MAX + 200), st.text(max_size=3))
def test_a_feed_of_any_length_has_a_key_of_its_own_and_a_bounded_one(feed: str, more: str) -> None:
    key = feed_key(feed)
    assert len(key) <= FEED_MAX
    assert key.decode() == key.decode(errors="replace"), "it is text"
    assert (feed_key(feed + more) == key) == (not more)
    assert feed_key(key.decode()) == key


def test_an_article_changes_no_row_but_its_feeds_until_the_next_hour() -> None:
    state = MemoryState()
    for _ in range(3):
        count(state, "a", {"in": 1})
        count_feed_hour(state, "a", 7, {"in": 1})
    assert len(list(state.scan(b"#"))) == 1
    count_feed_hour(state, "a", 8, {"in": 1})
    count_feed_hour(state, "a", 7, {"in": 1})
    assert len(list(state.scan(b"#"))) == 2
    assert counters(state).feed_hours == {"a": {7: {"in": 4}, 8: {"in": 1}}}
