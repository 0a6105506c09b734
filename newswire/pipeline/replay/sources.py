"""What can be replayed: a folder of captured feed bodies with its manifest, or raw articles as JSON lines."""

import codecs
import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import structlog

from newswire.pipeline.feeds.identity import raw_article_id
from newswire.pipeline.replay.lines import SourceError, fit_line, open_lines, read_lines
from newswire.pipeline.settings import TextSettings
from newswire.schemas import RawArticle, RawDiscard, decode_raw
from newswire.schemas.common import ContractError, format_time

MANIFEST = "manifest.jsonl"
HEAD_BYTES = 64 * 1024
FAULTS_SHOWN = 20

_log = structlog.get_logger(__name__)


class CaptureError(Exception):
    """One capture cannot be read; it costs only itself."""


@dataclass(frozen=True, slots=True)
class Span:
    """Observed times that are wanted: `begin` <= time < `end`, each with a time zone; None is open."""

    begin: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether the moment is wanted."""
        return (self.begin is None or moment >= self.begin) and (self.end is None or moment < self.end)

    @property
    def whole(self) -> bool:
        """Whether everything is wanted."""
        return self.begin is None and self.end is None

    def __str__(self) -> str:
        return "/".join(format_time(moment) if moment else "" for moment in (self.begin, self.end))


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
    """One record for `raw`, with the feed it counts for; `value` is None for a line outside the wanted times."""

    index: int
    at: datetime | None
    feed: str
    key: bytes | None
    value: bytes | None


@dataclass
class CaptureFolder:
    """Captures in the order of (time, line of the manifest), those outside the wanted times left out.

    `faults`: the lines of the manifest that name no capture, a sentence each.
    """

    folder: Path
    fingerprint: str
    captures: tuple[Capture, ...]
    faults: tuple[str, ...]
    fraction: float = field(default=0.0, init=False)
    """How much of the source has been given out, 0 to 1."""

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


@dataclass
class LineFile:
    """Raw articles as JSON lines, in file order, each line as its own bytes."""

    path: Path
    fingerprint: str
    span: Span
    text: TextSettings
    faults: tuple[str, ...] = ()
    fraction: float = field(default=0.0, init=False)
    """How much of the file has been read, 0 to 1."""

    def items(self, start: int) -> Iterator[Line]:
        """The lines from an index on. Raises SourceError when the file breaks off."""
        size = max(1, self.path.stat().st_size)
        with open_lines(self.path) as stream:
            read = _position(stream)
            for index, line in enumerate(read_lines(stream)):
                if index >= start:
                    yield self._line(index, line)
                    self.fraction = min(1.0, read.tell() / size)

    def _line(self, index: int, line: bytes) -> Line:
        value = fit_line(line, self.text)
        feed, key, at = _describe(value)
        wanted = self.span.whole or (at is not None and self.span.holds(at))
        return Line(index, at, feed, key, value if wanted else None)


Source = CaptureFolder | LineFile


def open_source(path: Path, span: Span, text: TextSettings) -> Source:
    """The source at a path: a folder with manifest.jsonl (or that file), else a file of JSON lines (gzip by ending).

    Raises SourceError, in one line, when it is neither.
    """
    if path.is_dir() or path.name == MANIFEST:
        return _open_folder(path if path.is_dir() else path.parent, span)
    try:
        with path.open("rb") as stream:
            head, size = stream.read(HEAD_BYTES), os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from None
    return LineFile(path, _fingerprint("lines", str(span), str(size), head), span, text)


def _open_folder(folder: Path, span: Span) -> CaptureFolder:
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise SourceError(f"{folder / MANIFEST}: {error.strerror or error}") from None
    root = folder.resolve()
    found: list[tuple[datetime, int, str, Path]] = []
    faults: list[str] = []
    for number, line in enumerate(manifest.removeprefix(codecs.BOM_UTF8).splitlines(), 1):
        try:
            feed, at, file = _entry(line, root)
        except ValueError as error:
            faults.append(f"{MANIFEST} line {number}: {error}")
            continue
        if span.holds(at):
            found.append((at, number, feed, file))
    for fault in faults[:FAULTS_SHOWN]:
        _log.warning("a line of the manifest names no capture", fault=fault)
    if len(faults) > FAULTS_SHOWN:
        _log.warning("more lines of the manifest name no capture", count=len(faults) - FAULTS_SHOWN)
    found.sort(key=lambda entry: entry[:2])
    captures = tuple(Capture(index, number, feed, at, file) for index, (at, number, feed, file) in enumerate(found))
    return CaptureFolder(folder, _fingerprint("captures", str(span), manifest), captures, tuple(faults))


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


def _describe(value: bytes) -> tuple[str, bytes | None, datetime | None]:
    """Feed, key and observed time of a record, as far as it can be read."""
    try:
        record = decode_raw(value)
    except ContractError:
        return _feed_of(value), None, None
    if isinstance(record, RawDiscard):
        return record.feed_url, record.id.encode() if record.id else None, record.observed_at
    if isinstance(record, RawArticle):
        return record.feed_url, raw_article_id(record).encode(), record.observed_at
    if record.article is not None:
        return record.article.feed_url, raw_article_id(record.article).encode(), record.article.observed_at
    assert record.prepared is not None
    return record.prepared.feed.url, record.prepared.id.encode(), record.prepared.observed_at


def _feed_of(value: bytes) -> str:
    try:
        record = orjson.loads(value)
    except orjson.JSONDecodeError:
        return ""
    feed = record.get("feed_url") if isinstance(record, dict) else None
    return feed if isinstance(feed, str) else ""


def _open_body(file: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")


def _position(stream: BinaryIO) -> BinaryIO:
    """What knows how far the file itself has been read, under gzip too."""
    return cast("BinaryIO", stream.fileobj) if isinstance(stream, gzip.GzipFile) else stream


def _fingerprint(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()
