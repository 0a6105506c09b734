"""How an article is printed: for a program (IPTC ninjs) or for a person."""

import textwrap
from collections.abc import Callable
from typing import Any

import orjson

from newswire.pipeline.subscribe.reader import Delivered
from newswire.schemas import EnrichedArticle
from newswire.schemas.common import format_time

NINJS_VERSION = "2.1"
MEDIA_TOPIC = "http://cv.iptc.org/newscodes/mediatopic/"
TEXT_WIDTH = 100
TEXT_LINES = 4

_KINDS = {"PER": "people", "ORG": "organisations", "LOC": "places"}


def as_ninjs(article: EnrichedArticle) -> dict[str, Any]:
    """The article as an IPTC ninjs 2.1 object (News in JSON), without empty properties.

    Entities of no ninjs kind of their own (MISC) stand among the subjects that the text mentions.
    """
    names = _names(article)
    item: dict[str, Any] = {
        "standard": {
            "name": "ninjs",
            "version": NINJS_VERSION,
            "schema": f"http://www.iptc.org/std/ninjs/ninjs-schema_{NINJS_VERSION}.json",
        },
        "uri": f"urn:newswire:article:{article.id}",
        "type": "text",
        "representationtype": "partial" if article.cut else "full",
        "version": str(article.revision),
        "firstcreated": format_time(article.observed_at) if article.revision == 1 else None,
        "versioncreated": format_time(article.observed_at),
        "contentcreated": format_time(article.published_at) if article.published_at else None,
        "language": article.language.code,
        "headlines": [{"role": "main", "contenttype": "text/plain", "value": article.title}] if article.title else [],
        "descriptions": [{"role": "summary", "contenttype": "text/plain", "value": article.summary}]
        if article.summary
        else [],
        "bodies": [
            {
                "role": "main",
                "contenttype": "text/plain",
                "charcount": len(article.text),
                "wordcount": len(article.text.split()),
                "value": article.text,
            }
        ]
        if article.text
        else [],
        "by": ", ".join(article.authors),
        "subjects": [
            {
                "name": topic.name,
                "rel": "about",
                "uri": MEDIA_TOPIC + topic.id.removeprefix("medtop:"),
                "creator": article.provenance.model,
                "confidence": round(topic.score * 100),
            }
            for topic in article.topics
        ]
        + names.pop("MISC", []),
        **{_KINDS[kind]: found for kind, found in names.items()},
        "infosources": [{key: value for key, value in _source(article).items() if value}],
        "altids": [
            {"role": role, "value": value}
            for role, value in (("url", article.url), ("story", article.story.id))
            if value
        ],
        "renditions": [{"name": f"image-{n}", "href": url} for n, url in enumerate(article.images, 1)],
    }
    return {name: value for name, value in item.items() if value not in (None, "", [])}


def as_text(article: EnrichedArticle) -> str:
    """The article for a person: a few lines and an empty one."""
    about = ", ".join(topic.name for topic in article.topics)
    names = dict.fromkeys(entity.text for entity in article.entities)
    state = "" if article.revision == 1 else f"  revision {article.revision}"
    body = textwrap.wrap(
        " ".join(article.text.split()), TEXT_WIDTH, max_lines=TEXT_LINES, placeholder=" ...", break_on_hyphens=False
    )
    feed = article.feed.title or article.feed.url
    lines = [
        f"{format_time(article.observed_at)}  [{article.language.code}]  {feed}{state}",
        article.title,
        *(f"  {line}" for line in body),
        f"  topics:  {about}" if about else "",
        f"  names:   {', '.join(names)}" if names else "",
        f"  story:   {article.story.id}{' (new)' if article.story.new else ''}",
        f"  {article.url}" if article.url else "",
    ]
    return "\n".join(line for line in lines if line) + "\n"


FORMATS: dict[str, Callable[[Delivered], bytes]] = {
    "ndjson": lambda one: one.value,
    "ninjs": lambda one: orjson.dumps(as_ninjs(one.article)),
    "text": lambda one: as_text(one.article).encode(),
}
"""An article's bytes in each format, without the end of the line; `ndjson` is the record itself."""


def _names(article: EnrichedArticle) -> dict[str, list[dict[str, str]]]:
    found: dict[str, dict[str, None]] = {}
    for entity in article.entities:
        found.setdefault(entity.type, {})[entity.text] = None
    return {kind: [{"name": name, "rel": "mentions"} for name in names] for kind, names in found.items()}


def _source(article: EnrichedArticle) -> dict[str, str | None]:
    # uri must be one; a replay's feed may be a plain name
    where = "uri" if ":" in article.feed.url else "literal"
    return {"name": article.feed.title, where: article.feed.url}
