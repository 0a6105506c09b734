"""JSON Feed 1.0 and 1.1 (jsonfeed.org), which feedparser does not read."""

import json
from typing import Any

import orjson

from newswire.pipeline.feeds.clean import clean, line, parse_date
from newswire.pipeline.feeds.entries import is_image, language_tag, make_entry
from newswire.pipeline.feeds.parsed import Limits, NotAFeed, ParsedEntry, ParsedFeed


def looks_like_json(body: bytes) -> bool:
    """Whether a document in UTF-8 begins as a JSON object or array does."""
    return body[:1_000].lstrip()[:1] in (b"{", b"[")


def parse_json_feed(body: bytes, url: str, limits: Limits) -> ParsedFeed:
    """Read a JSON Feed in UTF-8. Raises NotAFeed for other JSON, broken JSON and nesting beyond about 1,000."""
    document = _load(body)
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise NotAFeed("JSON, but not a JSON Feed: it has no list of items")
    language = document.get("language")
    feed_authors = _authors(document)
    entries = [
        _entry(item, url, limits, language, feed_authors)
        for item in document["items"][: limits.entries_max]
        if isinstance(item, dict)
    ]
    kept = tuple(entry for entry in entries if entry is not None)
    return ParsedFeed(
        title=line(document.get("title"), limits.title_max) or None,
        entries=kept,
        parser="json",
        dropped=len(document["items"]) - len(kept),
    )


def _load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        # The thorough one: it takes lone surrogates, which orjson does not; its own nesting has a limit as well.
        return json.loads(body)
    except RecursionError:
        raise NotAFeed("JSON nested too deep") from None
    except ValueError as error:
        raise NotAFeed(f"broken JSON: {error}"[:300]) from None


def _entry(
    item: dict[str, Any], base: str, limits: Limits, language: Any, feed_authors: list[Any]
) -> ParsedEntry | None:
    html, text = item.get("content_html"), item.get("content_text")
    is_html = bool(clean(html))
    attachments = [part for part in _list(item.get("attachments")) if isinstance(part, dict)]
    return make_entry(
        limits,
        base,
        entry_id=item.get("id"),
        url=item.get("url") or item.get("external_url"),
        title=item.get("title"),
        summary=item.get("summary"),
        content=html if is_html else text,
        plain=not is_html,
        authors=_authors(item) or feed_authors,
        categories=_list(item.get("tags")),
        images=[
            item.get("image"),
            item.get("banner_image"),
            *(part.get("url") for part in attachments if is_image(part.get("url"), part.get("mime_type"))),
        ],
        language=language_tag(item.get("language")) or language,
        published_at=parse_date(item.get("date_published")) or parse_date(item.get("date_modified")),
    )


def _authors(item: dict[str, Any]) -> list[Any]:
    """`authors` of version 1.1, else the one `author` of version 1.0."""
    people = _list(item.get("authors")) or [item.get("author")]
    return [person.get("name") for person in people if isinstance(person, dict) and person.get("name")]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
