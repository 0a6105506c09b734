"""What a source gives out, one item after the other: captures to be decided, or records as they stand."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


class CaptureError(Exception):
    """One capture cannot be read; it costs only itself."""


@dataclass(frozen=True, slots=True)
class Capture:
    """One body of a feed as it was at a time. `feed` stands as the manifest gives it, a URL or any name."""

    index: int
    line: int
    feed: str
    at: datetime
    file: Path


@dataclass(frozen=True, slots=True)
class Line:
    """One record for `raw`, with the feed it counts for; `value` is None for one that is not wanted.

    `retry`: it is not wanted because it is a letter that was sent round again, which is no new article.
    """

    index: int
    at: datetime | None
    feed: str
    key: bytes | None
    value: bytes | None
    retry: bool = False


def fingerprint(*parts: str | bytes) -> str:
    """What tells sources apart: SHA-256 over the parts, each with its length."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()
