"""Writing WARC files: a record at a time, each handed to the system whole, in files that nobody else writes to."""

import itertools
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, Protocol

import structlog

from newswire.pipeline.archive.index import Entry, encode_entry, index_path
from newswire.pipeline.archive.record import Answer, encode_info, encode_response, encode_revisit, payload_digest

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.~-]+")

log = structlog.get_logger(__name__)


def is_named(file: Path, prefix: str) -> bool:
    """Whether an ArchiveWriter with that prefix named the file: others may write to the same folder."""
    return re.fullmatch(rf"{re.escape(_NOT_IN_NAMES.sub('-', prefix))}-\d{{14}}-\d{{5,}}-.*", file.name) is not None


class Output(Protocol):
    """What is needed of a file: an unbuffered binary one."""

    def write(self, data: memoryview, /) -> int | None:
        """Write, or write a part; the number of bytes."""

    def truncate(self, size: int, /) -> int:
        """Cut the file."""

    def fileno(self) -> int:
        """The system's number of it."""

    def close(self) -> None:
        """Close it."""


class ArchiveWriter:
    """Writes answers to WARC files in a folder, `PREFIX-TIME-SERIAL-NAME.warc.gz`, with an index beside each.

    A file is opened exclusively, so writers never share one, and a new one begins when it has reached `file_max` bytes
    or the day (UTC, of the answers) is another. A body that the feed gave last time too, on that day and to this
    writer, becomes a revisit record; so a day's files need no others. Not for several threads at once.
    """

    def __init__(self, folder: Path, prefix: str, name: str, file_max: int) -> None:
        self._folder = folder
        self._prefix = _NOT_IN_NAMES.sub("-", prefix)
        self._name = _NOT_IN_NAMES.sub("-", name)
        self._file_max = file_max
        self._serial = 0
        self._file: _File | None = None
        self._day: date | None = None
        self._last: dict[str, _Last] = {}

    def write(self, answer: Answer) -> None:
        """Write an answer; the system has all of it when this returns. Raises OSError, and then nothing of it is left.

        After an error the next answer goes into a new file: what a failing disk did to the old one is not known.
        """
        day = answer.at.astimezone(UTC).date()
        if self._file is not None and (self._file.size >= self._file_max or self._day != day):
            self.close()
        if self._day != day:
            self._day, self._last = day, {}
        digest = payload_digest(answer.body)
        last = self._last.get(answer.origin.feed)
        revisit = last is not None and last.digest == digest
        if last is not None and revisit:
            data = encode_revisit(answer, digest, last.url, last.at)
        else:
            data = encode_response(answer, digest)
        if self._file is None:
            self._file = self._open(answer.at)
        entry = Entry(
            offset=self._file.size,
            length=len(data),
            revisit=revisit,
            at=answer.at,
            url=answer.url,
            status=int(answer.status[:3]),
            content_type=answer.content_type,
            digest=digest,
            origin=answer.origin,
        )
        try:
            self._file.append(data, entry)
        except OSError:
            self._file.abandon()
            self._file = None
            raise
        if not revisit:
            self._last[answer.origin.feed] = _Last(digest, answer.url, answer.at)

    def close(self) -> None:
        """End the file, if there is one, and wait until the disk has it; the next answer begins another."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, at: datetime) -> "_File":
        self._folder.mkdir(parents=True, exist_ok=True)
        for serial in itertools.count(self._serial):
            file = self._folder / f"{self._prefix}-{at.astimezone(UTC):%Y%m%d%H%M%S}-{serial:05}-{self._name}.warc.gz"
            with suppress(FileExistsError):
                opened = _File(file, at)
                self._serial = serial + 1
                return opened
        raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True)
class _Last:
    digest: str
    url: str
    at: datetime


class _File:
    """One WARC file and its index, both without buffers. Raises OSError; FileExistsError when there is either."""

    def __init__(self, path: Path, at: datetime) -> None:
        self.path = path
        self.size = 0
        self._records = 0
        self._indexing = True
        self._warc: Output = path.open("xb", buffering=0)
        try:
            self._index: Output = index_path(path).open("xb", buffering=0)
        except OSError:
            self._warc.close()
            path.unlink()
            raise
        try:
            self.size = _write(self._warc, encode_info(path.name, at))
        except OSError:
            self.abandon()
            raise

    def append(self, data: bytes, entry: Entry) -> None:
        """Write a record, then its line in the index."""
        line = encode_entry(entry, self.path.name)
        self.size += _write(self._warc, data)
        self._records += 1
        try:
            if self._indexing:
                _write(self._index, line)
        except OSError as error:
            # the record stands, and whoever reads the file finds it and the rest without the index
            self._indexing = False
            log.warning("the index of an archive file ends here", file=self.path.name, error=error.strerror)

    def abandon(self) -> None:
        """Close the file after an error, cut back to its whole records; without any it is removed."""
        if self._records:
            with suppress(OSError):
                self._warc.truncate(self.size)
            self.close()
            return
        for path, output in ((self.path, self._warc), (index_path(self.path), self._index)):
            with suppress(OSError):
                path.unlink()
            with suppress(OSError):
                output.close()

    def close(self) -> None:
        """Wait until the disk has both files, and close them. It does not fail: what it cannot do, it logs."""
        for output in (self._warc, self._index):
            try:
                os.fsync(output.fileno())
            except OSError as error:
                log.warning("an archive file may not be on the disk", file=self.path.name, error=error.strerror)
            with suppress(OSError):
                output.close()


def _write(output: Output, data: bytes) -> int:
    """Write all of it; a full disk takes a part first and says so at the next try. Gives the number of bytes."""
    rest = memoryview(data)
    while rest:
        rest = rest[output.write(rest) or 0 :]
    return len(data)
