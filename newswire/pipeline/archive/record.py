"""One answer of a feed's server as a record of a WARC/1.1 file, a gzip member of its own.

The body is the decoded one, as the parser got it, and the stored headers say so: those of the transfer that no longer
hold stand under X-Archive-Orig-. A header of our own, Newswire-Poll, names the poll.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from warcio.statusandheaders import StatusAndHeaders
from warcio.utils import Digester
from warcio.warcwriter import WARCWriter

from newswire.schemas.common import format_time
from newswire.version import __version__

POLL_HEADER: Final = "Newswire-Poll"

SPECIFICATION: Final = "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"

_VERSION: Final = "1.1"
_TRANSFER: Final = frozenset({"content-length", "transfer-encoding"})
_DECODED: Final = frozenset({"gzip", "deflate", "br", "zstd"})  # what aiohttp decodes by itself


@dataclass(frozen=True, slots=True)
class Origin:
    """The poll that an answer comes from: the feed's URL as the wire has it, and the title that the list gives it.

    `added_at` (Unix seconds) is when the feed was added to the list, `read_at` when its last document was read before
    this poll (None: never), and `read` says whether this poll gave another document. One that did and was never
    committed can be told by that: the next poll knows nothing of it.
    """

    feed: str
    title: str | None
    added_at: int
    read_at: int | None
    read: bool

    def encode(self) -> str:
        """A line of JSON."""
        return orjson.dumps(self).decode()

    @classmethod
    def decode(cls, plain: Any) -> "Origin | None":
        """What `encode` wrote, as its JSON object or as the line; None for anything else."""
        try:
            fields = orjson.loads(plain) if isinstance(plain, str) else plain
            origin = cls(**{name: fields[name] for name in cls.__slots__})
        except (orjson.JSONDecodeError, TypeError, KeyError):
            return None
        sound = (
            isinstance(origin.feed, str)
            and bool(origin.feed)
            and isinstance(origin.title, str | None)
            and isinstance(origin.added_at, int)
            and isinstance(origin.read_at, int | None)
            and isinstance(origin.read, bool)
        )
        return origin if sound else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a feed's server answered to one poll.

    `at` is the time of the poll (aware), `url` the address that answered in the end; `protocol`, `status` ("200 OK")
    and `headers` are as they came, bytes as ISO 8859-1, and `body` is decoded.
    """

    at: datetime
    origin: Origin
    url: str
    protocol: str
    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def content_type(self) -> str | None:
        """The header Content-Type."""
        return next((value for name, value in self.headers if name.lower() == "content-type"), None)


def payload_digest(body: bytes) -> str:
    """The digest of a body as WARC files have it by convention: SHA-1 in base 32."""
    digester = Digester("sha1")
    digester.update(body)
    return str(digester)


def encode_info(name: str, at: datetime) -> bytes:
    """The warcinfo record that a file of that name begins with."""
    writer, stream = _writer()
    fields = {"software": f"newswire/{__version__}", "format": "WARC File Format 1.1", "conformsTo": SPECIFICATION}
    record = writer.create_warcinfo_record(name, fields)
    record.rec_headers.replace_header("WARC-Date", format_time(at))
    writer.write_record(record)
    return stream.getvalue()


def encode_response(answer: Answer, digest: str) -> bytes:
    """An answer with its body. `digest` is payload_digest() of it."""
    writer, stream = _writer()
    record = writer.create_warc_record(
        answer.url,
        "response",
        payload=io.BytesIO(answer.body),
        length=len(answer.body),
        warc_headers_dict={**_headers(answer), "WARC-Payload-Digest": digest},
        http_headers=_http(answer),
    )
    writer.write_record(record)
    return stream.getvalue()


def encode_revisit(answer: Answer, digest: str, url: str, at: datetime) -> bytes:
    """An answer whose body is that of an earlier record, of `url` and time `at`: its headers alone."""
    writer, stream = _writer()
    record = writer.create_revisit_record(
        answer.url, digest, url, format_time(at), http_headers=_http(answer), warc_headers_dict=_headers(answer)
    )
    writer.write_record(record)
    return stream.getvalue()


def _writer() -> tuple[Any, io.BytesIO]:
    stream = io.BytesIO()
    return WARCWriter(stream, gzip=True, warc_version=_VERSION), stream


def _headers(answer: Answer) -> dict[str, str]:
    return {"WARC-Date": format_time(answer.at.astimezone(UTC)), POLL_HEADER: answer.origin.encode()}


def _http(answer: Answer) -> Any:
    headers = [*_true_headers(answer), ("Content-Length", str(len(answer.body)))]
    # a reason phrase is the server's own text, and warcio takes ASCII only
    status = answer.status.encode("ascii", "replace").decode()
    return StatusAndHeaders(status, headers, protocol=answer.protocol)


def _true_headers(answer: Answer) -> Iterator[tuple[str, str]]:
    for name, value in answer.headers:
        lower = name.lower()
        gone = lower in _TRANSFER or (lower == "content-encoding" and value.strip().lower() in _DECODED)
        yield (f"X-Archive-Orig-{name}" if gone else name), value
