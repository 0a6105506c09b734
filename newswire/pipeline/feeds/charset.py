"""The character encoding of a feed: what the bytes are rather than what they say they are."""

import codecs
import re

_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,400}\?>")
_HTTP = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Encodings whose bytes are ASCII, so that they pass for UTF-8.
_SEVEN_BIT = ("iso-2022", "iso2022", "hz", "utf-7", "utf7")
_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")


def as_utf8(body: bytes, content_type: str | None) -> bytes:
    """The same document in valid UTF-8, without a byte order mark; the body itself when it is that already.

    In order: byte order mark (XML 1.0, appendix F), UTF-8 when the bytes are that but for some damage, what the XML
    declaration says, what the HTTP header says, windows-1252. Real feeds call windows-1252 "utf-8" and cut UTF-8 in
    the middle of a character; neither may spoil the rest.
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return _encode(body.decode(name, "replace"))
    if b"\0" in body[:4]:
        return _encode(body.decode("utf-16-be" if body[:1] == b"\0" else "utf-16-le", "replace"))
    named = [name.lower() for name in (_declared(body), _sent(content_type)) if name]
    if not any(name.startswith(_SEVEN_BIT) for name in named):
        if body.isascii() and (not named or named[0] in _UTF8):
            return body
        text = _utf8(body)
        if text is not None:
            says_so = not named or named[0] in _UTF8
            return body if says_so and "\ufffd" not in text else _encode(text)
    for name in named:
        if name not in _UTF8:
            try:
                return _encode(body.decode(name))
            except (LookupError, UnicodeError, ValueError):
                continue
    return _encode(body.decode("windows-1252", "replace"))


def _declared(body: bytes) -> str | None:
    found = _DECLARED.search(body[:1_000])
    return found[1].decode() if found else None


def _sent(content_type: str | None) -> str | None:
    found = _HTTP.search(content_type or "")
    return found[1] if found else None


def _utf8(body: bytes) -> str | None:
    """The text of bytes that are UTF-8, if with some damage; None when they are something else."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        text = body.decode(errors="replace")
        bad = text.count("\ufffd")
        good = len(text) - len(text.encode("ascii", "ignore")) - bad
        return text if good > 4 * bad else None


def _encode(text: str) -> bytes:
    # A declaration that says otherwise would mislead the parser.
    text = _DECLARATION.sub('<?xml version="1.0" encoding="utf-8"?>', text.lstrip("\ufeff"), count=1)
    return text.encode(errors="replace")
