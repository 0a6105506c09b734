"""One entry from the loose values that a parser gives: cleaned, capped, its addresses made absolute."""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from newswire.pipeline.feeds.canonical import LENGTH_MAX
from newswire.pipeline.feeds.clean import clean, line
from newswire.pipeline.feeds.parsed import Limits, ParsedEntry

NAMES_MAX = 32
NAME_LENGTH_MAX = 200
IMAGES_MAX = 16
ENTRY_ID_MAX = 1_000

_MARKUP = re.compile(r"<(?:p|br|a|b|i|em|strong|div|span|img|ul|ol|li|h[1-6]|blockquote|table|figure)\b[^<>]*>", re.I)
_MAILBOX = re.compile(r"\S+@\S+\s*\((?P<name>[^()]+)\)")
_IMAGE_FILE = re.compile(r"\.(?:avif|gif|jpe?g|png|webp)(?:[?#]|$)", re.I)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


def make_entry(
    limits: Limits,
    base: str,
    *,
    entry_id: Any = None,
    url: Any = None,
    title: Any = None,
    summary: Any = None,
    content: Any = None,
    plain: bool = False,
    authors: Iterable[Any] = (),
    categories: Iterable[Any] = (),
    images: Iterable[Any] = (),
    language: Any = None,
    published_at: datetime | None = None,
) -> ParsedEntry | None:
    """An entry, or None when it has no text at all. `base` is what relative addresses are relative to.

    `plain` says that content (without one: summary) is plain text. A text that calls itself plain and is full of
    HTML tags is taken for HTML, since many feeds escape HTML and name it text.
    """
    texts = {"title": clean(title), "summary": clean(summary), "content": clean(content)}
    if not any(texts.values()):
        return None
    cut = []
    for name, text in texts.items():
        limit = limits.title_max if name == "title" else limits.text_max
        if len(text) > limit:
            texts[name] = text[:limit]
            cut.append(name)
    body = texts["content"] or texts["summary"]
    return ParsedEntry(
        entry_id=_entry_id(entry_id),
        url=absolute(base, url),
        title=texts["title"] or None,
        summary=texts["summary"] or None,
        content=texts["content"] or None,
        content_type="text/plain" if plain and not _MARKUP.search(body) else "text/html",
        authors=_names(_author(author) for author in authors),
        categories=_names(categories),
        images=tuple(dict.fromkeys(found for image in images if (found := absolute(base, image))))[:IMAGES_MAX],
        language=language_tag(language),
        published_at=published_at,
        cut=tuple(cut),
    )


def absolute(base: str, url: Any) -> str | None:
    """An http(s) address, relative ones resolved; None for anything else."""
    text = clean(url)
    if not text or len(text) > LENGTH_MAX:
        return None
    if not text.startswith(("https://", "http://")):
        try:
            text = urljoin(base, text)
        except ValueError:
            return None
    return text if text[:8].lower().startswith(("https://", "http://")) else None


def is_image(url: Any, mime: Any, medium: Any = None) -> bool:
    """Whether an enclosure or a media element is a picture: by its type, else by the ending of its address."""
    if medium == "image" or (isinstance(mime, str) and mime.startswith("image/")):
        return True
    return not mime and not medium and isinstance(url, str) and bool(_IMAGE_FILE.search(url))


def language_tag(text: Any) -> str | None:
    """A language tag as it stands (en, pt-BR), or None when it is none."""
    found = _LANGUAGE.fullmatch(text.strip()) if isinstance(text, str) and len(text) < 40 else None
    return found[0].replace("_", "-") if found else None


def _entry_id(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # JSON Feed 1.1: a number is made a string
    text = clean(value)
    if len(text) > ENTRY_ID_MAX:
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return text or None


def _author(value: Any) -> Any:
    """The name of RSS's `mail@example.org (Name)`."""
    found = _MAILBOX.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 500 else None
    return found["name"] if found else value


def _names(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for value in values if (name := line(value, NAME_LENGTH_MAX))))[:NAMES_MAX]
