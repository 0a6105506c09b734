"""Raw articles as JSON lines: `enrich` and replay read a file the same way, so that both see the same bytes."""

import codecs
import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from newswire.pipeline.feeds.canonical import LENGTH_MAX
from newswire.pipeline.settings import TextSettings
from newswire.schemas import RawArticle, RawOversize
from newswire.schemas.common import ContractError, parse_object

LINE_MAX = 32 * 1024 * 1024
"""Bytes of a line that are read; the rest of a longer one is skipped."""

RECORD_MAX = 10 * 1024 * 1024
"""Bytes of the largest record value that the topics take."""

HEAD_MAX = 100_000
"""Bytes of a record over RECORD_MAX that are kept: escaped, a byte takes six, and a letter keeps LETTER_VALUE_MAX."""


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

    Then an article's texts are cut to the caps, which the record says; for anything else, and for an article that is
    long elsewhere, stands a record that says so: it becomes a dead letter.
    """
    if len(line) <= RECORD_MAX:
        return line
    try:
        article = RawArticle.decode(line)
    except ContractError:
        return _oversize(line)
    caps = {"title": settings.title_max, "summary": settings.text_max, "content": settings.text_max}
    texts = {name: getattr(article, name) for name in caps}
    shorter = {name: text[: caps[name]] for name, text in texts.items() if text and len(text) > caps[name]}
    cut = tuple(dict.fromkeys((*article.cut, *shorter)))
    fitted = article.model_copy(update={**shorter, "cut": cut}).encode()
    return fitted if len(fitted) <= RECORD_MAX else _oversize(line)


def _oversize(line: bytes) -> bytes:
    try:
        feed = parse_object(line).get("feed_url")
    except ContractError:
        feed = None
    return RawOversize(
        feed_url=feed if isinstance(feed, str) and len(feed) <= LENGTH_MAX else "",
        size=len(line),
        whole=len(line) < LINE_MAX,
        limit=RECORD_MAX,
        head=line[:HEAD_MAX].decode(errors="replace"),
    ).encode()


def _skip_line(stream: BinaryIO) -> None:
    while rest := stream.readline(LINE_MAX):
        if rest.endswith(b"\n"):
            return
