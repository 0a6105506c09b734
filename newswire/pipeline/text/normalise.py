"""The form that texts are kept in: no control characters, single spaces, paragraphs parted by one empty line."""

import hashlib
import re
import unicodedata

TITLE_FROM_TEXT_MAX = 120
"""Code points of a title that is made from an article's text."""

# Control and invisible characters that carry no text. Joiners stay: emoji and Persian need them.
_DROPPED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_EMPTY_LINES = re.compile("\n{3,}")
_ELLIPSES = ("…", "...", "[…]", "[...]")
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[。！？]")


def clean_text(text: str) -> str:
    """A text in NFC: lines trimmed and with single spaces, at most one empty line on end and none at the edges."""
    text = _DROPPED.sub("", _LINE_ENDS.sub("\n", text))
    lines = "\n".join([" ".join(line.split()) for line in text.split("\n")])
    return unicodedata.normalize("NFC", _EMPTY_LINES.sub("\n\n", lines).strip())


def clean_line(text: str) -> str:
    """The same for a text of one line, such as a title: line ends become spaces."""
    return " ".join(clean_text(text).split())


def cap(text: str, limit: int) -> tuple[str, bool]:
    """A text cut to `limit` code points, and whether it was longer."""
    return (text[:limit], True) if len(text) > limit else (text, False)


def title_from_text(text: str) -> str:
    """A title for an article that has none: its first line, or as much of it as TITLE_FROM_TEXT_MAX allows.

    A line that is too long ends with its last sentence that fits, else with its last word and an ellipsis.
    """
    line = " ".join(text.strip()[: TITLE_FROM_TEXT_MAX * 8].split("\n", 1)[0].split())
    if len(line) <= TITLE_FROM_TEXT_MAX:
        return line
    kept = line[:TITLE_FROM_TEXT_MAX]
    ends = [end.end() for end in _SENTENCE_END.finditer(kept)]
    if ends:
        return kept[: ends[-1]]
    words, _, _ = line[: TITLE_FROM_TEXT_MAX - 1].rpartition(" ")
    return (words or line[: TITLE_FROM_TEXT_MAX - 1]) + "…"


def own_summary(summary: str, text: str) -> str | None:
    """The summary when it says something of its own; None when it is empty, the text, or the text's beginning."""
    stem = summary
    for ellipsis in _ELLIPSES:
        stem = stem.removesuffix(ellipsis).rstrip()
    return summary if stem and not text.startswith(stem) else None


def content_hash(title: str, text: str) -> str:
    """What tells two versions of an article apart: 32 hex digits of SHA-256 over title and text."""
    return hashlib.sha256(f"{title}\0{text}".encode()).hexdigest()[:32]
