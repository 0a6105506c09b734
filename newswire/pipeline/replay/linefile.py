"""A file of raw articles as JSON lines."""

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from newswire.pipeline.replay.items import Line, fingerprint
from newswire.pipeline.replay.lines import SourceError, fit_line, open_lines, read_lines
from newswire.pipeline.replay.records import describe
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.settings import TextSettings

HEAD_BYTES = 64 * 1024


@dataclass
class LineFile:
    """Raw articles as JSON lines, in file order, each line as its own bytes."""

    path: Path
    fingerprint: str
    selection: Selection
    text: TextSettings
    faults: tuple[str, ...] = ()
    fraction: float = field(default=0.0, init=False)
    """How much of the file has been read, 0 to 1."""

    @property
    def origin(self) -> str:
        """What a person calls the source."""
        return str(self.path.absolute())

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
        found, where = describe(value), self.selection.where
        wanted = self.selection.wants(found.feed, found.at)
        if wanted and where is not None:
            wanted = found.article is not None and where.holds_raw(found.article)
        return Line(index, found.at, found.feed, found.key, value if wanted else None)


def open_file(path: Path, selection: Selection, text: TextSettings) -> LineFile:
    """The lines of a file (gzip by its ending). Raises SourceError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            head, size = stream.read(HEAD_BYTES), os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from None
    return LineFile(path, fingerprint("lines", str(selection), str(size), head), selection, text)


def _position(stream: BinaryIO) -> BinaryIO:
    """What knows how far the file itself has been read, under gzip too."""
    return cast("BinaryIO", stream.fileobj) if isinstance(stream, gzip.GzipFile) else stream
