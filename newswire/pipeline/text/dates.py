"""Times of articles: Unix milliseconds for decisions, and which of them can be true."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Nothing was published in a feed before; older dates are zero clocks and typing errors."""
AHEAD = timedelta(days=1)
"""A publisher's clock may be this much before ours (a date without a zone, too)."""

_MILLISECOND = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """Unix milliseconds of a moment with a time zone, rounded down."""
    return (moment - EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The moment in UTC. Raises OverflowError outside the years 1 to 9999."""
    return EPOCH + milliseconds * _MILLISECOND


def plausible_published(published: datetime | None, observed: datetime) -> datetime | None:
    """The publisher's date, or None when it cannot be true: before 1990, or over a day after it was observed."""
    if published is None or published < EARLIEST or published > observed + AHEAD:
        return None
    return published
