"""The feed list as OPML 2.0 (opml.org): what other readers export, and what they import."""

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

import listparser

from newswire.pipeline.feeds.charset import as_utf8
from newswire.pipeline.feeds.clean import line
from newswire.schemas import FeedSettings

TITLE_MAX = 500


class NotAnOpml(ValueError):  # noqa: N818 - it says what the file is
    """The file is no OPML; the message says so in a line."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A feed of a list: its address, and its title and category where it has them."""

    url: str
    title: str | None = None
    category: str | None = None


def read_opml(document: bytes) -> tuple[Outline, ...]:
    """The feeds of an OPML file, each address once, in its order. Raises NotAnOpml.

    Groups become the category (nested ones joined by "/"). Addresses are as they stand: the caller checks them.
    """
    found = listparser.parse(as_utf8(document, None))  # bytes only: given a string it would fetch a URL
    if not found["version"].startswith("opml"):
        raise NotAnOpml("not an OPML file: it has no <opml> element")
    return tuple(
        Outline(
            url=feed["url"].strip(),
            title=_title(feed["title"], feed["url"]),
            category=line("/".join(feed["categories"][0]), TITLE_MAX) or None if feed["categories"] else None,
        )
        for feed in found["feeds"]
    )


def write_opml(feeds: Iterable[FeedSettings]) -> bytes:
    """The feed list as OPML in UTF-8: a group for each category, in the order of the list."""
    root = ElementTree.Element("opml", version="2.0")
    ElementTree.SubElement(ElementTree.SubElement(root, "head"), "title").text = "newswire"
    body = ElementTree.SubElement(root, "body")
    groups: dict[str, ElementTree.Element] = {}
    for feed in feeds:
        parent = body
        if feed.category:
            if feed.category not in groups:
                groups[feed.category] = ElementTree.SubElement(body, "outline", text=feed.category)
            parent = groups[feed.category]
        # `text` is required: a feed without a title shows its address.
        ElementTree.SubElement(parent, "outline", type="rss", text=feed.title or feed.url, xmlUrl=feed.url)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _title(text: str, url: str) -> str | None:
    """A title that is the address is none: it is what is written for a feed without one."""
    title = line(text, TITLE_MAX)
    return title if title and title != url.strip() else None
