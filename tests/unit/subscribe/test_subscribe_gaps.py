"""What a gap says, and what the metadata of a place may hold."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from newswire.pipeline.subscribe import ArticlesExpired, Gap, Mark

MARK = Mark(7, datetime(2026, 1, 31, 12, 0, 30, tzinfo=UTC))
GAP = Gap("n.enriched", 10, 19, MARK, Mark(12, datetime(2026, 2, 1, tzinfo=UTC)))


def test_a_mark_comes_back() -> None:
    assert Mark.decode(MARK.encode()) == MARK


@pytest.mark.parametrize("text", [None, "", "{", "[]", "7", "{}", '{"sequence":"x","observed_at":"y"}', "leader-epoch"])
def test_what_another_client_left_is_no_mark(text: str | None) -> None:
    assert Mark.decode(text) is None


def test_a_gap_says_numbers_offsets_and_times() -> None:
    assert GAP.lost == 4
    assert GAP.explain() == (
        "4 articles expired before they were read: numbers 8 to 11, offsets 10 to 19 of n.enriched,"
        " between 2026-01-31T12:00:30Z and 2026-02-01T00:00:00Z"
    )
    one = replace(GAP, before=Mark(9, GAP.before.observed_at))
    assert one.explain().startswith("1 article expired before they were read: number 8, ")
    unknown = replace(GAP, after=None)
    assert unknown.lost is None
    assert unknown.explain() == (
        "articles expired before they were read: offsets 10 to 19 of n.enriched,"
        " up to the one observed at 2026-02-01T00:00:00Z"
    )


def test_the_exception_has_the_gap() -> None:
    error = ArticlesExpired(GAP)
    assert (error.gap, str(error)) == (GAP, GAP.explain())
