"""Answers of feeds' servers for the archive's tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from newswire.pipeline.archive.index import Entry
from newswire.pipeline.archive.read import list_entries
from newswire.pipeline.archive.record import Answer, Origin
from newswire.pipeline.archive.write import ArchiveWriter

BEGIN = datetime(2026, 2, 3, 12, 0, 0, 123_000, tzinfo=UTC)
FEED = "https://example.org/feed?a=b"


def answer(number: int = 0, body: bytes = b"<rss/>", feed: str = FEED, **fields: Any) -> Answer:
    """The answer to a feed's poll number so and so, a minute after the one before."""
    given = {
        "at": BEGIN + timedelta(minutes=number),
        "origin": Origin(feed, None, 1_700_000_000, number, read=True),
        "url": feed,
        "protocol": "HTTP/1.1",
        "status": "200 OK",
        "headers": (("Content-Type", "application/rss+xml; charset=utf-8"), ("ETag", '"1"')),
        "body": body,
    }
    return Answer(**{**given, **fields})


def writer(folder: Path, name: str = "host", file_max: int = 1_000_000) -> ArchiveWriter:
    """A writer of the tests' wire."""
    return ArchiveWriter(folder, "wire", name, file_max)


def warcs(folder: Path) -> list[Path]:
    """The WARC files of a folder, by name."""
    return sorted(folder.glob("*.warc.gz"))


def entries(folder: Path) -> list[Entry]:
    """What is in a folder's WARC files, none of which may have a fault."""
    found = []
    for file in warcs(folder):
        listed, faults, _ = list_entries(file)
        assert faults == []
        found += listed
    return found
