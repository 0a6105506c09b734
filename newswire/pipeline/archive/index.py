"""The index beside a WARC file, as CDXJ: a line a record, in the order of the file, with what is needed to find it.

The fields are those of CDXJ, so that other tools read it, and three more: `date` with milliseconds, `content_type`
whole, and the poll. It only saves reading: what it lacks, or has wrong, is read from the WARC file itself.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from newswire.pipeline.archive.record import Origin
from newswire.schemas.common import format_time

REVISIT: Final = "warc/revisit"
"""What stands as the MIME type of a revisit record."""

SUFFIXES: Final = (".warc.gz", ".warc")
"""How the name of a WARC file ends."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A body of a feed in a WARC file: where its record lies (bytes), and what it is.

    `at` has milliseconds; `digest` is the record's own payload digest, `origin` the poll, both None where a record has
    none. A `revisit` has the body of another record with the same digest.
    """

    offset: int
    length: int
    revisit: bool
    at: datetime
    url: str
    status: int
    content_type: str | None
    digest: str | None
    origin: Origin | None

    @property
    def feed(self) -> str:
        """The feed's URL: as the wire has it, else the address that answered."""
        return self.origin.feed if self.origin is not None else self.url

    @property
    def end(self) -> int:
        """Where the record ends."""
        return self.offset + self.length


def index_path(file: Path) -> Path:
    """Where the index of a WARC file is."""
    return file.with_name(file.name.removesuffix(".gz").removesuffix(".warc") + ".cdxj")


def encode_entry(entry: Entry, filename: str) -> bytes:
    """The line of a record in the index of a file."""
    mime = (entry.content_type or "").split(";")[0].strip().lower()
    fields = {
        "url": entry.url,
        "mime": REVISIT if entry.revisit else mime or "unk",
        "status": str(entry.status),
        "digest": entry.digest,
        "length": str(entry.length),
        "offset": str(entry.offset),
        "filename": filename,
        "date": format_time(entry.at),
        "content_type": entry.content_type,
        "poll": entry.origin,
    }
    return f"{_surt(entry.url)} {entry.at.astimezone(UTC):%Y%m%d%H%M%S} ".encode() + orjson.dumps(fields) + b"\n"


def read_index(file: Path) -> list[Entry]:
    """The entries of a WARC file's index, by offset: none without one, and lines that cannot be read are left out."""
    found = []
    try:
        with index_path(file).open("rb") as lines:
            found = [entry for line in lines if (entry := _decode(line)) is not None]
    except OSError:
        pass
    return sorted(found, key=lambda entry: entry.offset)


def moment(text: str) -> datetime:
    """A WARC-Date, to the millisecond, as records carry no more. Raises ValueError."""
    parsed = datetime.fromisoformat(text)
    try:
        at = parsed.astimezone(UTC) if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("the time lies outside the years 1 to 9999") from None
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _decode(line: bytes) -> Entry | None:
    try:
        fields: dict[str, Any] = orjson.loads(line[line.index(b"{") :])
        entry = Entry(
            offset=int(fields["offset"]),
            length=int(fields["length"]),
            revisit=fields["mime"] == REVISIT,
            at=moment(fields["date"]),
            url=fields["url"],
            status=int(fields["status"]),
            content_type=fields["content_type"],
            digest=fields["digest"],
            origin=Origin.decode(fields["poll"]) if fields["poll"] is not None else None,
        )
    except (ValueError, TypeError, KeyError):
        return None
    texts = isinstance(entry.url, str) and isinstance(entry.content_type, str | None)
    return entry if texts and isinstance(entry.digest, str) and entry.offset >= 0 and entry.length > 0 else None


def _surt(url: str) -> str:
    """The sort-friendly form of a URL that indexes are ordered by: `org,example)/rss`."""
    parts = urlsplit(url.lower())
    host = (parts.hostname or "").removeprefix("www.")
    reverse = host if ":" in host or host.replace(".", "").isdigit() else ",".join(reversed(host.split(".")))
    port = f":{parts.port}" if parts.port else ""
    return f"{reverse}{port}){parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
