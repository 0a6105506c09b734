"""The bundled feeds: what each file is, how its server behaves, and how many articles it must give."""

from dataclasses import dataclass
from importlib import resources
from typing import Literal

POISON = b"<item>this record is no JSON, so that no stage can do it</item>"
"""A record that somebody else's program might put on `raw`: it must cost itself and nothing more."""


@dataclass(frozen=True, slots=True)
class SampleFeed:
    """A feed of the demo.

    `path` is its place on the site, `files` its versions in order of the polls (the last one stays), `media_type`
    its Content-Type, `articles` the number of raw articles that all versions give together. `validator` is what the
    server offers for a conditional GET: with `none` every poll gets the whole body. `broken`: there is no feed there.
    """

    path: str
    title: str
    files: tuple[str, ...]
    media_type: str
    articles: int
    validator: Literal["etag", "modified", "none"] = "none"
    broken: bool = False

    def body(self, version: int) -> bytes:
        """The bytes of a version, counted from 0; beyond the last one, the last."""
        name = self.files[min(version, len(self.files) - 1)]
        return resources.files("newswire.pipeline.demo").joinpath("feeds", name).read_bytes()


FEEDS = (
    SampleFeed(
        "harbour-courier.xml", "The Harbour Courier", ("harbour-courier.rss.xml",), "application/rss+xml", articles=7
    ),
    # The agency's text is only in its second version, so that the copies are looked at in an order that one can tell.
    SampleFeed(
        "northern-ledger.xml",
        "Northern Ledger",
        ("northern-ledger.v1.atom.xml", "northern-ledger.v2.atom.xml"),
        "application/atom+xml",
        articles=5,
        validator="modified",
    ),
    SampleFeed(
        "science-weekly.xml",
        "Science Weekly Notes",
        ("science-weekly.atom.xml",),
        "application/atom+xml",
        articles=4,
        validator="etag",
    ),
    SampleFeed(
        "dniprovski-visti.xml",
        "Дніпровські вісті",
        ("dniprovski-visti.rss.xml",),
        "application/rss+xml",
        articles=5,
        validator="etag",
    ),
    SampleFeed("rheinblick.rdf", "Rheinblick", ("rheinblick.rdf.xml",), "application/rdf+xml", articles=5),
    SampleFeed(
        "kurier-nadwislanski.json",
        "Kurier Nadwiślański",
        ("kurier-nadwislanski.feed.json",),
        "application/feed+json",
        articles=5,
        validator="modified",
    ),
    # Three articles, and one of them again with corrected numbers.
    SampleFeed(
        "election-desk.xml",
        "Election Desk",
        ("election-desk.v1.rss.xml", "election-desk.v2.rss.xml"),
        "application/rss+xml",
        articles=4,
        validator="etag",
    ),
    SampleFeed("old-gazette.xml", "The Old Gazette", ("old-gazette.html",), "text/html", articles=0, broken=True),
)

ARTICLES = sum(feed.articles for feed in FEEDS)
"""Raw articles that the feeds give in all; the poison record comes on top."""
