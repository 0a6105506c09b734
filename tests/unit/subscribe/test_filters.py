"""What a subscriber asks for."""

from datetime import UTC, datetime, timedelta

import pytest

from newswire.pipeline.subscribe import Filters
from tests.unit.subscribe.articles import OBSERVED, article


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        (Filters(), True),
        (Filters(language="en"), True),
        (Filters(language="EN"), True),
        (Filters(language="de"), False),
        (Filters(topic="medtop:11000000"), True),
        (Filters(topic="medtop:1100000"), False),
        (Filters(topic="politics and government"), False),
        (Filters(entity="ada LOVELACE"), True),
        (Filters(entity=" Ada  Lovelace "), True),
        (Filters(entity="Lovelace"), False),
        (Filters(entity="Straße"), True),
        (Filters(entity="STRASSE"), True),
        (Filters(since=OBSERVED), True),
        (Filters(since=OBSERVED + timedelta(seconds=1)), False),
        (Filters(language="en", entity="nobody"), False),
    ],
)
def test_filters(filters: Filters, matches: bool) -> None:
    assert filters.match(article()) is matches


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Filters(since=datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
