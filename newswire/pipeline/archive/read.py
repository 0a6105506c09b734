"""Reading WARC files, our own and other tools': which bodies they hold, and a body.

Whatever is broken costs itself: a record that is cut short or cannot be read is a fault, in a sentence, and the next
record is looked for behind it.
"""

import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import brotli
from warcio.bufferedreaders import BufferedReader
from warcio.recordloader import ArcWarcRecordLoader

from newswire.pipeline.archive.index import Entry, moment, read_index
from newswire.pipeline.archive.record import POLL_HEADER, Origin

_GZIP: Final = b"\x1f\x8b\x08"
_PLAIN: Final = b"WARC/"
_BLOCK: Final = 65_536
_BROTLI_MAX: Final = 16 * 1024 * 1024  # of one block that warcio reads; gzip cannot make more of it
_ANSWERED: Final = (200, 203)
"""The statuses that the poller takes a body of."""
_IDENTICAL: Final = "/identical-payload-digest"


class BrokenRecord(Exception):  # noqa: N818 - it is what was found
    """A record cannot be read; the message says why, in a line."""


def list_entries(file: Path) -> tuple[list[Entry], list[str], bool]:
    """The bodies in a WARC file by offset, the faults of the file, and whether it has any WARC record.

    Its index saves reading what it names; what it leaves out is read. Raises OSError.
    """
    found: list[Entry] = []
    faults: list[str] = []
    any_record = False

    def take(begin: int, end: int) -> None:
        nonlocal any_record
        for item in scan(stream, begin, end):
            any_record = any_record or not isinstance(item, str)
            if isinstance(item, Entry):
                found.append(item)
            elif item is not None:
                faults.append(f"{file.name}: {item}")

    with file.open("rb") as stream:
        size, reached = os.fstat(stream.fileno()).st_size, 0
        for entry in read_index(file):
            if entry.offset < reached or entry.end > size or not _begins(stream, entry.offset):
                continue  # not the index of this file as it is
            if entry.offset > reached:
                take(reached, entry.offset)
            found.append(entry)
            reached, any_record = entry.end, True
        take(reached, size)
    return found, faults, any_record


def scan(stream: BinaryIO, begin: int, end: int) -> Iterator[Entry | str | None]:
    """The records that begin in a part of a file: an Entry for a body, None for any other one, a fault as text."""
    offset: int | None = begin
    while offset is not None and offset < end:
        try:
            record = _Record(stream, offset)
            record.skip()
            yield record.entry()
            offset = record.end
        except BrokenRecord as error:
            yield f"the record at byte {offset} {error}"
            offset = _next_record(stream, offset + 1, end)


def read_body(file: Path, entry: Entry, limit: int) -> bytes:
    """The body of a response, decoded. Raises BrokenRecord, also for one over `limit` bytes, and OSError."""
    with file.open("rb") as stream:
        record = _Record(stream, entry.offset)
        if record.date != entry.at or record.digest != entry.digest:
            raise BrokenRecord("is not the one that the index names")
        return record.body(limit)


class _Record:
    """The record at an offset, its head read. Raises BrokenRecord."""

    def __init__(self, stream: BinaryIO, offset: int) -> None:
        self.end = offset
        self._offset = offset
        stream.seek(offset)
        head = stream.read(len(_PLAIN))
        stream.seek(offset)
        if not (head.startswith(_GZIP) or head == _PLAIN):
            raise BrokenRecord("is no WARC record")
        self._member = _Member(stream) if head.startswith(_GZIP) else None
        # warcio raises whatever comes on a broken head, an AttributeError for one
        try:
            self._reader: Any = io.BufferedReader(self._member, _BLOCK) if self._member is not None else stream
            self._parsed = ArcWarcRecordLoader(verify_http=False).parse_record_stream(self._reader, known_format="warc")
        except (EOFError, zlib.error) as error:
            raise _broken(error) from None
        except OSError:
            raise
        except Exception as error:
            raise BrokenRecord(f"cannot be read: {' '.join(str(error).split())[:200]}") from None
        if self._parsed.length is None:
            raise BrokenRecord("has no Content-Length")
        self._headers = self._parsed.rec_headers
        self.digest: str | None = self._headers.get_header("WARC-Payload-Digest")
        try:
            self.date = moment(self._headers.get_header("WARC-Date") or "")
        except ValueError:
            raise BrokenRecord("has no WARC-Date") from None

    def entry(self) -> Entry | None:
        """What it is as a body of a feed, after skip(); None for other records."""
        kind, http, url = self._parsed.rec_type, self._parsed.http_headers, self._headers.get_header("WARC-Target-URI")
        revisit = kind == "revisit" and (self._headers.get_header("WARC-Profile") or "").endswith(_IDENTICAL)
        if not (revisit or (kind == "response" and http is not None)) or not url:
            return None
        # a revisit may leave out the headers, which are those of the record that it refers to
        code = http.get_statuscode() if http is not None else "200"
        if not code.isdecimal() or int(code) not in _ANSWERED:
            return None
        return Entry(
            offset=self._offset,
            length=self.end - self._offset,
            revisit=revisit,
            at=self.date,
            url=url,
            status=int(code),
            content_type=http.get_header("Content-Type") if http is not None else None,
            digest=self.digest,
            origin=Origin.decode(self._headers.get_header(POLL_HEADER)),
        )

    def skip(self) -> None:
        """Read to the end of the record, and check that it is there."""
        try:
            while self._parsed.raw_stream.read(_BLOCK):
                pass
            self._check_end()
        except (EOFError, zlib.error) as error:
            raise _broken(error) from None

    def body(self, limit: int) -> bytes:
        """The body, its encodings undone."""
        too_large = BrokenRecord(f"has a body over {limit} bytes")
        if self._parsed.payload_length > 2 * limit:
            raise too_large  # before a single chunk of that size is read
        BufferedReader.DECOMPRESSORS["br"] = _Brotli
        try:
            content: bytes = self._parsed.content_stream().read(limit + 1)
        except (EOFError, zlib.error) as error:
            raise _broken(error) from None
        except OSError:
            raise
        except Exception as error:
            raise BrokenRecord(f"has a body that cannot be decoded: {' '.join(str(error).split())[:200]}") from None
        if len(content) > limit:
            raise too_large
        self.skip()
        return content

    def _check_end(self) -> None:
        if self._parsed.raw_stream.limit:
            raise EOFError
        if self._member is None:
            self._reader.readline()
            self._reader.readline()
            self.end = self._reader.tell()
        elif self._reader.read(_BLOCK).strip():
            raise BrokenRecord("shares its gzip member with others: `warcio recompress` makes a file that can be read")
        else:
            self._member.finish()
            self.end = self._member.end


class _Member(io.RawIOBase):
    """The bytes of one gzip member from where a file stands. Raises EOFError when it is cut short, and zlib.error."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._given = 0

    @property
    def end(self) -> int:
        """Where it ends in the file, once it has been read."""
        return self._stream.tell() - len(self._inflate.unused_data)

    def readable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """How many bytes were given."""
        return self._given

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the member's end."""
        while not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._stream.read(_BLOCK)
            out = self._inflate.decompress(data, len(buffer))
            if not (data or out):
                raise EOFError
            if out:
                buffer[: len(out)] = out
                self._given += len(out)
                return len(out)
        return 0

    def finish(self) -> None:
        """Read to the end, which holds the checksum."""
        rest = bytearray(_BLOCK)
        while self.readinto(rest):
            pass


class _Brotli:
    """What warcio asks of a decoder, which is made for another Brotli library than the one that aiohttp takes."""

    unused_data = None

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    def decompress(self, data: bytes) -> bytes:
        """The decoded bytes of a block. Raises ValueError when they are far too many."""
        decoded: bytes = self._decoder.process(data, output_buffer_limit=_BROTLI_MAX)
        if not (self._decoder.is_finished() or self._decoder.can_accept_more_data()):
            raise ValueError("the body expands too much")
        return decoded


def _broken(error: Exception) -> BrokenRecord:
    return BrokenRecord("is cut short" if isinstance(error, EOFError) else f"is broken: {error}")


def _begins(stream: BinaryIO, offset: int) -> bool:
    stream.seek(offset)
    head = stream.read(len(_PLAIN))
    return head.startswith(_GZIP) or head == _PLAIN


def _next_record(stream: BinaryIO, begin: int, end: int) -> int | None:
    """Where the next record begins that can be told as one; None when there is none before `end`."""
    keep = len(_PLAIN) + 1
    stream.seek(begin)
    place, block = begin, stream.read(_BLOCK)
    while block and place < end:
        for mark in _marks(block):
            if place + mark >= end:
                return None
            if _is_record(stream, place + mark):
                return place + mark
        stream.seek(place + len(block))
        more = stream.read(_BLOCK)
        if not more:
            return None
        place, block = place + len(block) - keep, block[-keep:] + more
    return None


def _marks(block: bytes) -> Iterator[int]:
    """Where a record may begin in a block, in order."""
    place = -1
    while True:
        found = [at for mark in (_GZIP, b"\n" + _PLAIN) if (at := block.find(mark, place + 1)) >= 0]
        if not found:
            return
        place = min(found)
        yield place + (block[place : place + 1] == b"\n")


def _is_record(stream: BinaryIO, offset: int) -> bool:
    stream.seek(offset)
    head = stream.read(_BLOCK)
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, len(_PLAIN))
        except zlib.error:
            return False
    return head.startswith(_PLAIN)
