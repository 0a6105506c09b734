"""A folder of captured feed bodies with its manifest."""

import codecs
import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import structlog

from newswire.pipeline.feeds.canonical import without_userinfo
from newswire.pipeline.replay.items import Capture, CaptureError, fingerprint
from newswire.pipeline.replay.lines import SourceError
from newswire.pipeline.replay.selection import Selection

MANIFEST = "manifest.jsonl"
FAULTS_SHOWN = 20
NAMES_SHOWN = 10

_log = structlog.get_logger(__name__)


@dataclass
class CaptureFolder:
    """Captures in the order of (time, line of the manifest), those that are not wanted left out.

    `faults`: the lines of the manifest that name no capture, a sentence each.
    """

    folder: Path
    fingerprint: str
    captures: tuple[Capture, ...]
    faults: tuple[str, ...]
    fraction: float = field(default=0.0, init=False)
    """How much of the source has been given out, 0 to 1."""

    @property
    def origin(self) -> str:
        """What a person calls the source."""
        return str(self.folder.absolute())

    def items(self, start: int) -> Iterator[Capture]:
        """The captures from an index on."""
        for capture in self.captures[start:]:
            yield capture
            self.fraction = (capture.index + 1) / len(self.captures)

    def body(self, capture: Capture, limit: int) -> bytes:
        """A capture's body (gzip by its ending). Raises CaptureError, also for one over `limit` bytes."""
        try:
            with _open_body(capture.file) as stream:
                body = stream.read(limit + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise CaptureError(str(error)) from None
        if len(body) > limit:
            raise CaptureError(f"the body is over {limit} bytes")
        return body


def open_folder(folder: Path, selection: Selection) -> CaptureFolder:
    """The captures of a folder. Raises SourceError when it has no manifest, or one without a feed that is wanted."""
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise SourceError(f"{folder / MANIFEST}: {error.strerror or error}") from None
    root = folder.resolve()
    found: list[tuple[datetime, int, str, Path]] = []
    faults: list[str] = []
    feeds: set[str] = set()
    for number, line in enumerate(manifest.removeprefix(codecs.BOM_UTF8).splitlines(), 1):
        try:
            feed, at, file = _entry(line, root)
        except ValueError as error:
            faults.append(f"{MANIFEST} line {number}: {error}")
            continue
        feeds.add(public := without_userinfo(feed))  # as it stands in the articles
        if selection.wants(public, at):
            found.append((at, number, feed, file))
    for fault in faults[:FAULTS_SHOWN]:
        _log.warning("a line of the manifest names no capture", fault=fault)
    if len(faults) > FAULTS_SHOWN:
        _log.warning("more lines of the manifest name no capture", count=len(faults) - FAULTS_SHOWN)
    if missing := sorted(selection.feeds - feeds):
        known = ", ".join(sorted(feeds)[:NAMES_SHOWN]) + (", ..." if len(feeds) > NAMES_SHOWN else "")
        raise SourceError(f"{folder / MANIFEST}: no capture of feed {missing[0]!r}; it has: {known}")
    found.sort(key=lambda entry: entry[:2])
    captures = tuple(Capture(index, number, feed, at, file) for index, (at, number, feed, file) in enumerate(found))
    return CaptureFolder(folder, fingerprint("captures", str(selection), manifest), captures, tuple(faults))


def _entry(line: bytes, root: Path) -> tuple[str, datetime, Path]:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise ValueError("not an object with feed, time and file")
    feed, file = entry.get("feed"), entry.get("file")
    if not isinstance(feed, str) or not feed:
        raise ValueError("feed is missing")
    if not isinstance(file, str) or not file or "\0" in file:
        raise ValueError("file is missing")
    path = (root / file).resolve()
    if not path.is_relative_to(root):
        raise ValueError(f"file lies outside the folder: {file}")
    return feed, _moment(entry.get("time")), path


def _moment(value: Any) -> datetime:
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                raise ValueError("no time zone")
            return moment.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError(f"time is neither Unix seconds nor RFC 3339: {str(value)[:80]}")


def _open_body(file: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")
