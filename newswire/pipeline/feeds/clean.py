"""Texts and dates of a feed made safe to carry: no lone surrogates, no control characters, aware UTC times."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

# C0 but tab and line ends, DEL, C1, and the two non-characters that XML forbids too.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
# The same in UTF-8, for a check that costs a copy of the bytes and not a step for each character.
_CONTROL_BYTES = bytes(sorted({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0D}))
_CONTROL_PAIRS = re.compile(rb"\xc2[\x80-\x9f]")
_NON_CHARACTERS = re.compile(rb"\xef\xbf[\xbe\xbf]")
_YEAR = re.compile(r"\d{4}")
_FIRST_YEAR = 1900


def clean(text: Any) -> str:
    """A text without control characters and lone surrogates (which become U+FFFD), trimmed; "" for no text."""
    if not isinstance(text, str):
        return ""
    # Most are one line of ASCII, and that is a quarter of the work.
    return text.strip() if text.isascii() and text.isprintable() else _without_controls(text).strip()


def line(text: Any, limit: int) -> str:
    """A cleaned text on one line, at most `limit` code points: names, categories."""
    return " ".join(clean(text).split())[:limit]


def to_utc(moment: datetime) -> datetime | None:
    """A moment in UTC (a naive one is taken to be UTC already); None when that is outside the calendar."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_date(text: Any) -> datetime | None:
    """A date with a year, RFC 3339 / ISO 8601 or RFC 2822, as an aware UTC time; None for anything else.

    Years before 1900 are what programs write for "no date" (0001-01-01).
    """
    if not isinstance(text, str) or len(text) > 100 or not _YEAR.search(text):
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = to_utc(read(text.strip()))
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return moment if moment and moment.year >= _FIRST_YEAR else None
    return None


def _without_controls(text: str) -> str:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        # Through UTF-16, so that the two halves of a pair that were escaped apart come together.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        raw = text.encode()
    if len(raw.translate(None, _CONTROL_BYTES)) != len(raw) or (
        not text.isascii() and (_CONTROL_PAIRS.search(raw) or _NON_CHARACTERS.search(raw))
    ):
        return _CONTROL.sub("", text)
    return text
