"""A feed's body to entries, whatever the format. Pure, and without a clock or the network.

Bodies are hostile: run this in the worker (`worker.py`), which has a time and a memory limit. Texts are cleaned of
control characters and capped; HTML stays HTML, to be made text or sanitised downstream.
"""

from collections import Counter
from dataclasses import replace

from newswire.pipeline.feeds.canonical import canonical_url
from newswire.pipeline.feeds.charset import as_utf8
from newswire.pipeline.feeds.jsonfeed import looks_like_json, parse_json_feed
from newswire.pipeline.feeds.parsed import Limits, NotAFeed, ParsedFeed
from newswire.pipeline.feeds.xmlfeed import parse_xml_feed

__all__ = ["parse_feed"]


def parse_feed(body: bytes, content_type: str | None, url: str, limits: Limits | None = None) -> ParsedFeed:
    """Parse JSON Feed, RSS, Atom or RDF. `content_type` is the HTTP header, `url` what relative links refer to.

    Raises NotAFeed with the reason in a line; a feed without entries is no error.
    """
    if not body.strip():
        raise NotAFeed("the body is empty")
    limits = limits or Limits()
    text = as_utf8(body, content_type)
    feed = (parse_json_feed if looks_like_json(text) else parse_xml_feed)(text, url, limits)
    return _without_shared_ids(feed)


def _without_shared_ids(feed: ParsedFeed) -> ParsedFeed:
    """Take back ids that entries with different addresses share: they identify nothing, the addresses do."""
    times = Counter(entry.entry_id for entry in feed.entries if entry.entry_id is not None)
    repeated = {entry_id for entry_id, number in times.items() if number > 1}
    addresses: dict[str, set[str | None]] = {}
    for entry in feed.entries:
        if entry.entry_id in repeated:
            addresses.setdefault(entry.entry_id, set()).add(canonical_url(entry.url) if entry.url else None)
    shared = {entry_id for entry_id, urls in addresses.items() if len(urls) > 1 and None not in urls}
    if not shared:
        return feed
    entries = tuple(replace(e, entry_id=None) if e.entry_id in shared else e for e in feed.entries)
    return replace(feed, entries=entries)
