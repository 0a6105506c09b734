"""What parsing gives, the same for every format, and the error for what is no feed."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the parse worker starts quicker without it
    from newswire.pipeline.settings import Settings

ENTRIES_MAX = 10_000
"""More entries of one feed than these are not remembered either (half a megabyte), so they are not read."""


class NotAFeed(ValueError):  # noqa: N818 - it says what the body is
    """The body is no feed; the message says why, in a line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of one document: entries, and code points of a title and of each other text."""

    entries_max: int = 2_000
    title_max: int = 4_096
    text_max: int = 1_000_000

    @classmethod
    def of(cls, settings: "Settings") -> "Limits":
        """The caps that the configuration asks for."""
        return cls(min(settings.collect.entries_max, ENTRIES_MAX), settings.text.title_max, settings.text.text_max)


@dataclass(frozen=True, slots=True)
class ParsedEntry:
    """One entry, cleaned: absent texts are None, dates aware UTC, URLs absolute, `cut` the fields over their cap.

    `content_type` is that of the content, or of the summary where there is no content: text/html or text/plain.
    """

    entry_id: str | None = None
    url: str | None = None
    title: str | None = None
    summary: str | None = None
    content: str | None = None
    content_type: str = "text/html"
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    language: str | None = None
    published_at: datetime | None = None
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A document: entries in its own order, `parser` json, fast or thorough, `ttl` the seconds it asks to wait.

    `dropped` counts entries without any text and those beyond the cap.
    """

    title: str | None
    entries: tuple[ParsedEntry, ...]
    parser: str
    ttl: int | None = None
    dropped: int = 0


def feed_from_plain(plain: dict[str, Any]) -> ParsedFeed:
    """A ParsedFeed from its JSON object (what orjson makes of one), as the parse worker sends it."""
    entries = tuple(
        ParsedEntry(
            **{
                **entry,
                "authors": tuple(entry["authors"]),
                "categories": tuple(entry["categories"]),
                "images": tuple(entry["images"]),
                "cut": tuple(entry["cut"]),
                "published_at": datetime.fromisoformat(entry["published_at"]) if entry["published_at"] else None,
            }
        )
        for entry in plain["entries"]
    )
    return ParsedFeed(plain["title"], entries, plain["parser"], plain["ttl"], plain["dropped"])
