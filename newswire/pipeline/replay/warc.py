"""WARC files as a source: the service's own archive, and what other tools captured.

Of our own records each says which poll it is of, so a replay decides as the service did: with the address, the content
type and the title of then, passing over a body that was the last one, beginning anew with a feed that was removed and
added again, and without a poll that was lost with its process and polled again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from newswire.pipeline.archive.index import SUFFIXES, Entry
from newswire.pipeline.archive.read import BrokenRecord, list_entries, read_body
from newswire.pipeline.archive.record import Origin
from newswire.pipeline.replay.folder import FAULTS_SHOWN, CaptureFolder
from newswire.pipeline.replay.items import Capture, CaptureError, fingerprint
from newswire.pipeline.replay.lines import SourceError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WarcCapture(Capture):
    """A body in a WARC file: `file` is the one that has it, `record` its place there.

    `url`, `content_type` and `title` are what the poller had: the address that answered, the header, the title that the
    list gave the feed. `life` tells a feed's stays in the list apart, by the time (Unix seconds) when it was added.
    """

    record: Entry
    url: str
    content_type: str | None
    title: str | None
    life: int | None


@dataclass
class WarcArchive(CaptureFolder):
    """The bodies of feeds in WARC files in the order of (time, file, place), those that are not wanted left out.

    `faults`: the records that cannot be read, a sentence each.
    """

    def body(self, capture: Capture, limit: int) -> bytes:
        """A capture's body, decoded. Raises CaptureError, also for one over `limit` bytes."""
        assert isinstance(capture, WarcCapture)
        try:
            return read_body(capture.file, capture.record, limit)
        except BrokenRecord as error:
            raise CaptureError(f"the record at byte {capture.record.offset} {error}") from None
        except OSError as error:
            raise CaptureError(error.strerror or type(error).__name__) from None


def holds_warc(path: Path) -> bool:
    """Whether a path is that of a WARC file, by its ending, or of a folder with any, at any depth."""
    return path.name.endswith(SUFFIXES) or (path.is_dir() and any(_files(path)))


def open_warc(
    path: Path,
    wants: Callable[[str, datetime], bool],
    selection: str,
    belongs: Callable[[Path], bool] = lambda file: True,
) -> WarcArchive:
    """The source at a path for which holds_warc(). `wants` says of a feed and a time whether it is to be replayed, and
    `selection` the same in a text; `belongs` says of a file of a folder whether it is read. Raises SourceError, in a
    line, when no file has a WARC record.
    """
    files = sorted(filter(belongs, _files(path))) if path.is_dir() else [path]
    rows, faults = _read(files, path)
    rows, lost = _resolved(rows)  # before _committed(): a poll that was lost may have the body
    rows, faults = _committed(rows), faults + lost
    for fault in faults[:FAULTS_SHOWN]:
        _log.warning("a record of a WARC file cannot be read", fault=fault)
    if len(faults) > FAULTS_SHOWN:
        _log.warning("more records of WARC files cannot be read", count=len(faults) - FAULTS_SHOWN)
    wanted = [row for row in rows if wants(row.entry.feed, row.entry.at)]
    captures = tuple(row.capture(index) for index, row in enumerate(wanted))
    identity = (
        f"{row.entry.at.isoformat()} {row.entry.feed} {row.entry.digest or row.place} {row.life}" for row in wanted
    )
    return WarcArchive(path, fingerprint("warc", selection, *identity), captures, tuple(faults))


@dataclass(slots=True)
class _Row:
    """The `number`th body of a file; `body` is the record that has it, in the file `holder`."""

    entry: Entry
    file: Path
    number: int
    holder: Path
    body: Entry
    life: int | None = None

    @property
    def place(self) -> str:
        return f"{self.file.name}:{self.entry.offset}"

    def capture(self, index: int) -> WarcCapture:
        entry = self.entry
        return WarcCapture(
            index=index,
            line=self.number,
            feed=entry.feed,
            at=entry.at,
            file=self.holder,
            record=self.body,
            url=entry.url,
            content_type=entry.content_type or self.body.content_type,
            title=entry.origin.title if entry.origin is not None else None,
            life=self.life,
        )


def _files(folder: Path) -> Iterable[Path]:
    return (file for file in folder.rglob("*") if file.name.endswith(SUFFIXES) and file.is_file())


def _read(files: list[Path], path: Path) -> tuple[list[_Row], list[str]]:
    """All bodies of the files in the order of (time, file, place), and the faults."""
    rows: list[_Row] = []
    faults: list[str] = []
    any_record = False
    for file in files:
        try:
            entries, broken, readable = list_entries(file)
        except OSError as error:
            faults.append(f"{file.name}: {error.strerror or type(error).__name__}")
            continue
        rows += (_Row(entry, file, number, file, entry) for number, entry in enumerate(entries, 1))
        faults += broken
        any_record = any_record or readable
    if not any_record:
        raise SourceError(faults[0] if faults else f"{path}: there is no WARC record in it")
    rows.sort(key=lambda row: row.entry.at)  # which keeps the order of file and place
    return rows, faults


def _committed(rows: list[_Row]) -> list[_Row]:
    """The rows without those of polls that were never committed, and with `life` set.

    A document was not taken when the feed's next poll that was committed knew only of older ones, and no later one of
    it.
    """
    following: dict[str, Origin] = {}
    known: dict[str, set[int | None]] = {}
    kept = []
    for row in reversed(rows):
        if (origin := row.entry.origin) is not None:
            later, at = following.get(origin.feed), int(row.entry.at.timestamp())
            if later is None or _begins(later, origin):
                known[origin.feed] = set()
            elif origin.read and (later.read_at or 0) < at and at not in known[origin.feed]:
                continue
            following[origin.feed] = origin
            known[origin.feed].add(origin.read_at)
        kept.append(row)
    kept.reverse()
    before: dict[str, Origin] = {}
    lives: dict[str, int] = {}
    for row in kept:
        if (origin := row.entry.origin) is not None:
            if origin.feed not in before or _begins(origin, before[origin.feed]):
                lives[origin.feed] = origin.added_at
            before[origin.feed] = origin
            row.life = lives[origin.feed]
    return kept


def _begins(origin: Origin, before: Origin) -> bool:
    """Whether a feed had been removed and added again between two of its polls."""
    return origin.added_at != before.added_at and origin.read_at is None


def _resolved(rows: list[_Row]) -> tuple[list[_Row], list[str]]:
    """The rows with the bodies of the revisits, and faults for those whose body is in no file."""
    missing = {row.entry.digest for row in rows if row.entry.revisit}
    bodies: dict[str | None, _Row] = {}
    for row in rows:
        if not row.entry.revisit and row.entry.digest in missing:
            bodies.setdefault(row.entry.digest, row)
    faults = []
    found = []
    for row in rows:
        if row.entry.revisit:
            body = bodies.get(row.entry.digest) if row.entry.digest is not None else None
            if body is None:
                faults.append(f"{row.file.name}: the revisit record at byte {row.entry.offset} has its body elsewhere")
                continue
            row.holder, row.body = body.file, body.entry
        found.append(row)
    return found, faults
