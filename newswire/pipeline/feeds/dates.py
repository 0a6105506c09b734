"""Dates without a clock: what fastfeedparser may guess is held to what the feed says."""

from datetime import datetime
from functools import lru_cache

import fastfeedparser.main


def without_clock() -> None:
    """Make fastfeedparser's last resort refuse dates without a day, a month and a year.

    dateutil takes what is missing ("10:30", "Monday") from today, so that the same document would give other
    articles tomorrow, and replay would not be deterministic.
    """
    fastfeedparser.main._slow_dateutil_parse = _complete_date


@lru_cache(maxsize=512)
def _complete_date(text: str) -> datetime | None:
    try:
        parse = fastfeedparser.main.dateutil_parser.parse
        # Two different defaults agree only on a date that needed neither.
        one, other = (
            parse(text, tzinfos=fastfeedparser.main._custom_tzinfos, default=default)
            for default in (datetime(2001, 1, 1), datetime(2004, 2, 2))  # noqa: DTZ001 - only defaults
        )
    except (ValueError, TypeError, ArithmeticError):
        return None
    return one if one == other else None
