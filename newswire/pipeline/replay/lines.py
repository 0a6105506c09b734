"""Raw articles as JSON lines: `enrich` and replay read a file the same way, so that both see the same bytes."""

import codecs
import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from newswire.pipeline.settings import TextSettings
from newswire.pipeline.step import LETTER_VALUE_MAX
from newswire.schemas import RawArticle
from newswire.schemas.common import ContractError

LINE_MAX = 32 * 1024 * 1024
"""Bytes of a line that are read; the rest of a longer one is skipped."""

RECORD_MAX = 10 * 1024 * 1024
"""Bytes of the largest record value that the topics take."""


class SourceError(Exception):
    """A source cannot be read at all; the message says why in one line."""


@contextmanager
def open_lines(path: Path | None) -> Iterator[BinaryIO]:
    """Open a file of lines (gzip by its ending), or standard input for None. Raises SourceError."""
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        stream = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from None
    with stream:
        yield cast("BinaryIO", stream)


def read_lines(stream: BinaryIO, longest: int = LINE_MAX) -> Iterator[bytes]:
    """The lines of a stream without their ends, blank ones too; of a line over `longest` bytes only its head.

    A byte order mark at the head of the stream belongs to no line: editors and spreadsheets write one.
    Raises SourceError when the stream breaks off (a truncated gzip file).
    """
    mark = codecs.BOM_UTF8
    try:
        while line := stream.readline(longest + 1):
            if len(line) > longest and not line.endswith(b"\n"):
                _skip_line(stream)
            if line == mark:
                return  # nothing but the mark: a file without lines
            yield line.removeprefix(mark).rstrip(b"\r\n")[:longest]
            mark = b""
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{getattr(stream, 'name', 'input')}: {error}") from None


def fit_line(line: bytes, settings: TextSettings) -> bytes:
    """The line as a record of `raw`: its own bytes, unless they are over RECORD_MAX.

    Then an article's texts are cut to the caps, which the record says; of anything else the head is kept, which
    ends as a dead letter with what a letter can keep.
    """
    if len(line) <= RECORD_MAX:
        return line
    try:
        article = RawArticle.decode(line)
    except ContractError:
        return line[:LETTER_VALUE_MAX]
    caps = {"title": settings.title_max, "summary": settings.text_max, "content": settings.text_max}
    texts = {name: getattr(article, name) for name in caps}
    shorter = {name: text[: caps[name]] for name, text in texts.items() if text and len(text) > caps[name]}
    cut = tuple(dict.fromkeys((*article.cut, *shorter)))
    fitted = article.model_copy(update={**shorter, "cut": cut}).encode()
    return fitted if len(fitted) <= RECORD_MAX else line[:LETTER_VALUE_MAX]


def _skip_line(stream: BinaryIO) -> None:
    while rest := stream.readline(LINE_MAX):
        if rest.endswith(b"\n"):
            return
