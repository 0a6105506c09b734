"""The moments of a second at which feeds are polled."""

import itertools

from newswire.pipeline.feeds.moments import MOMENTS, Moments


def gaps(moments: list[float]) -> list[float]:
    """The time from each moment of a second to the next one, round its end."""
    ordered = sorted(moment % 1.0 for moment in moments)
    return [after - before for before, after in itertools.pairwise([*ordered, ordered[0] + 1])]


def test_the_feeds_of_one_second_are_spread_over_it() -> None:
    for count in range(2, MOMENTS + 1):
        moments = Moments("wire")
        taken = [moments.take(f"https://site.example/{number}", 1_000) for number in range(count)]
        assert all(1_000 <= moment < 1_001 for moment in taken)
        assert max(gaps(taken)) <= 2 / count
        assert min(gaps(taken)) >= 0.5 / count


def test_more_feeds_than_moments_share_them_evenly() -> None:
    moments = Moments("wire")
    taken = [moments.take(f"https://site.example/{number}", 1_000) for number in range(3 * MOMENTS)]
    assert sorted(map(taken.count, set(taken))) == [3] * MOMENTS


def test_a_feed_keeps_its_moment_while_it_is_due_in_the_same_second() -> None:
    moments = Moments("wire")
    first = moments.take("a", 1_000)
    second = moments.take("b", 1_000)
    assert (moments.take("a", 1_000), moments.take("b", 1_000)) == (first, second)
    assert first != second


def test_what_is_polled_later_or_no_more_leaves_its_moment_to_others() -> None:
    moments = Moments("wire")
    first, second = moments.take("a", 1_000), moments.take("b", 1_000)
    moments.take("a", 1_005)
    moments.forget("b")
    moments.forget("b")
    assert {moments.take("c", 1_000), moments.take("d", 1_000)} == {first, second}


def test_seconds_that_are_over_are_not_kept() -> None:
    moments = Moments("wire")
    for second in range(100):
        moments.take("a", second)
    assert list(moments._taken) == [99]


def test_processes_begin_at_moments_of_their_own() -> None:
    assert len({Moments(name).take("a", 1_000) for name in ("wire", "poller", "poller-2")}) == 3
