"""Windows cover every token once, in order, where it has context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.analysis.windows import plan


@given(tokens=st.integers(0, 3000), size=st.integers(2, 300), share=st.floats(0.1, 1.0))
def test_every_token_is_kept_exactly_once(tokens: int, size: int, share: float) -> None:
    stride = max(1, int(size * share))
    windows = plan(tokens, size, stride, 100_000)
    kept = [token for window in windows for token in range(window.first, window.last)]
    assert kept == list(range(tokens))
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


def test_the_most_windows_bound_what_is_read() -> None:
    windows = plan(100_000, 126, 96, 4)
    assert len(windows) == 4
    assert windows[-1].last == 126 + 3 * 96


def test_a_stride_that_leaves_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="stride"):
        plan(10, 4, 5, 10)
