r"""HTML of feeds to plain text.

Done by resiliparse (a real HTML5 parser, lexbor): measured on 2,000 feed texts at 0.18 ms each, where selectolax
breaks inline elements into lines and trafilatura takes 6 ms. Block elements part paragraphs by an empty line, `<br>`,
list items, table rows and `<div>` part lines, cells are parted by a space; entities are decoded; scripts, styles,
comments, forms, captions and embedded media are left out.
"""

import html
import re

from resiliparse.extract.html2text import extract_plain_text

from newswire.pipeline.text.normalise import clean_line, clean_text

_PARAGRAPH = re.compile(r"\n[ \t\r\f\v]*\n")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def html_to_text(source: str) -> str:
    """Plain text of an HTML fragment, in the form of `clean_text`. Any string is accepted; it raises nothing.

    A text without any tag keeps the paragraphs that its empty lines make: many feeds give plain text as HTML.
    """
    if "<" not in source:
        paragraphs = [" ".join(html.unescape(part).split()) for part in _PARAGRAPH.split(source.replace("\r\n", "\n"))]
        return clean_text("\n\n".join(part for part in paragraphs if part))
    return clean_text(_extract(source))


def html_to_line(source: str) -> str:
    """Plain text of an HTML title, in one line.

    Feeds often encode a title twice ("AT&amp;amp;T"), and hardly one is about entities: what is left of them after
    the first pass is decoded too.
    """
    line = clean_line(_extract(source) if "<" in source else html.unescape(source))
    return clean_line(html.unescape(line)) if _ENTITY.search(line) else line


def _extract(source: str) -> str:
    # resiliparse takes UTF-8 only; lone surrogates cannot come from JSON but from other callers.
    safe = source.encode("utf-8", "replace").decode() if not source.isascii() else source
    return str(extract_plain_text(safe, preserve_formatting=True, list_bullets=False, alt_texts=False))
