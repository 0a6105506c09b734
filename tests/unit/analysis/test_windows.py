"""Windows cover every token once, in order, where it has context; they begin with sentences where that is near."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.analysis.windows import plan, sentence_starts


@given(
    tokens=st.integers(0, 3000),
    size=st.integers(2, 300),
    share=st.floats(0.1, 1.0),
    starts=st.lists(st.integers(0, 3000), max_size=200),
)
def test_every_token_is_kept_exactly_once(tokens: int, size: int, share: float, starts: list[int]) -> None:
    stride = max(1, int(size * share))
    windows = plan(tokens, size, stride, 100_000, sorted(starts))
    kept = [token for window in windows for token in range(window.first, window.last)]
    assert kept == list(range(tokens))
    assert len(windows) == len(plan(tokens, size, stride, 100_000))
    for window in windows:
        assert window.start <= window.first < window.last <= window.end
        assert window.end - window.start <= size


@given(tokens=st.integers(1, 3000))
def test_windows_are_even_and_read_no_more_than_their_overlap_twice(tokens: int) -> None:
    windows = plan(tokens, 126, 116, 1000)
    sizes = [window.end - window.start for window in windows]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == tokens + 10 * (len(windows) - 1)


def test_tokens_at_an_overlap_are_read_away_from_the_edges() -> None:
    first, second = plan(200, 126, 116, 10)
    assert (first.start, first.end, second.start, second.end) == (0, 105, 95, 200)
    assert first.last == second.first == 100


def test_a_window_begins_with_the_nearest_sentence_and_nothing_is_read_twice() -> None:
    first, second = plan(200, 126, 116, 10, (0, 40, 88, 109, 150))
    assert (first.start, first.end, second.start, second.end) == (0, 109, 109, 200)
    assert (first.last, second.first) == (109, 109)


def test_a_sentence_that_is_far_or_would_leave_too_much_is_passed_over() -> None:
    overlapping = plan(200, 126, 116, 10)
    assert plan(200, 126, 116, 10, (0, 70, 130)) == overlapping
    assert plan(240, 126, 116, 10, (110,)) == plan(240, 126, 116, 10)


def test_the_most_windows_bound_what_is_read() -> None:
    windows = plan(100_000, 126, 96, 4)
    assert len(windows) == 4
    assert windows[-1].last == 126 + 3 * 96


def test_a_stride_that_leaves_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="stride"):
        plan(10, 4, 5, 10)


@pytest.mark.parametrize(
    ("text", "beginnings"),
    [
        ("One line\n\nAnother one", ["Another one"]),
        ("They left. Nobody knew. ", ["Nobody knew. ", ""]),
        ("They left!» Nobody knew", ["Nobody knew"]),
        ("He met Gen. Smith of the U.S. Army on Feb. 3 vs. others", []),
        ("вул. Шкільна, м. Київ. Нове речення", []),
        ("у місті. Нове речення", ["Нове речення"]),
        ("a company named foo.bar. com", []),
        ("They left.\n  Nobody knew", ["Nobody knew"]),
        (" " * 300_000, []),
        ("习近平在北京会见普京。他说", ["他说"]),
    ],
)
def test_sentences_begin_where_that_is_sure(text: str, beginnings: list[str]) -> None:
    assert [text[start:] for start in sentence_starts(text)] == beginnings
