"""What makes fastfeedparser lose text without an error: mended here where that is safe, else left to feedparser.

It takes an element's first text node, so that a title ends at an entity that XML does not know and a description of
unescaped HTML is empty. Real feeds have both. Halves of surrogate pairs written as numbers end both parsers.
"""

import re
from html.entities import html5

_CDATA = b"<![CDATA["
_CDATA_END = b"]]>"
_STRAY = re.compile(
    rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});)(?:([A-Za-z][A-Za-z0-9]{1,31});)?"
)
_KNOWN = (b"&amp;", b"&lt;", b"&gt;", b"&quot;", b"&#", b"&apos;")
"""What a feed may hold as it is, the most frequent first."""
_MARKUP = re.compile(rb"<(?:a|b|br|div|em|h[1-6]|i|img|li|p|span|strong|ul)[\s/>]")
_HALF = re.compile(rb"&#(?:[xX]0{0,4}[dD][89a-fA-F]|0{0,4}5[5-7])")
_HALVES = re.compile(rb"(?:&#(?:[xX]0{0,4}[dD][89a-fA-F][0-9a-fA-F]{2}|0{0,4}5[5-7][0-9]{3});)+")
_XHTML_TEXT = re.compile(rb"<(?:[\w.-]+:)?(?:title|summary)[^>]{1,200}xhtml")
_PREFIXES = (b"content", b"dc", b"media")


def outside_cdata(body: bytes) -> bytes:
    """The document without what its CDATA sections hold: one text to look through, not a thousand pieces."""
    first, *rest = body.split(_CDATA)
    return b" ".join((first, *(part[part.rfind(_CDATA_END) + 1 :] for part in rest))) if rest else body


def mend_entities(body: bytes, outside: bytes) -> bytes:
    """The document with HTML's entities as numbers and stray ampersands escaped; CDATA sections stay as they are.

    `outside` is what `outside_cdata` gives of it.
    """
    # Counting is many times quicker than the pattern, and most feeds are in order.
    left = outside.count(b"&")
    for known in _KNOWN:
        if left == 0:
            return body
        left -= outside.count(known)
    if left == 0:
        return body
    parts = body.split(_CDATA)
    for index, part in enumerate(parts):
        inside, end, own = part.rpartition(_CDATA_END) if index else (b"", b"", part)
        if b"&" in own:
            parts[index] = inside + end + _STRAY.sub(_as_number, own)
    return _CDATA.join(parts)


def mend_surrogates(body: bytes) -> bytes:
    """The document with references to surrogates as the character that a pair means, U+FFFD for one that is alone."""
    # Looking for one is a hundred times quicker than replacing none, and hardly any feed has them.
    return _HALVES.sub(_as_whole, body) if _HALF.search(body) else body


def loses_text(body: bytes, head: bytes, outside: bytes) -> bool:
    """Whether fastfeedparser would leave something out: this document is for feedparser.

    `head` is what stands before its first entry, `outside` what `outside_cdata` gives.

    XHTML titles and summaries, entities that the document declares, content:encoded of RSS 1.0, prefixes that it does
    not declare, and HTML that is neither escaped, nor CDATA, nor said to be XHTML.
    """
    is_xhtml = b"xhtml" in body
    if b"<!ENTITY" in head or (is_xhtml and _XHTML_TEXT.search(body)):
        return True
    if b"<rdf:RDF" in head and b"<content:encoded" in body:
        return True
    # Nearly all of them are declared before the first entry: the rest need not be looked through.
    if any(_is_undeclared(prefix, body) for prefix in _PREFIXES if b"xmlns:" + prefix not in head):
        return True
    return not is_xhtml and _MARKUP.search(outside) is not None


def _is_undeclared(prefix: bytes, body: bytes) -> bool:
    return b"<" + prefix + b":" in body and b"xmlns:" + prefix not in body


def _as_number(found: re.Match[bytes]) -> bytes:
    name = found[1]
    text = html5.get(name.decode() + ";") if name else None
    if text is None:
        return b"&amp;" + found[0][1:]
    return _as_references(text)


def _as_whole(found: re.Match[bytes]) -> bytes:
    numbers = (number[2:] for number in found[0].split(b";")[:-1])
    halves = "".join(chr(int(n[1:], 16) if n[:1] in b"xX" else int(n)) for n in numbers)
    return _as_references(halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


def _as_references(text: str) -> bytes:
    return b"".join(b"&#%d;" % ord(character) for character in text)
