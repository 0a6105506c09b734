"""What can be said of a raw record without working on it, also of one that is no article."""

from dataclasses import dataclass
from datetime import datetime

import orjson

from newswire.pipeline.feeds.identity import raw_article_id
from newswire.schemas import RawArticle, RawDiscard, RawRetry, decode_raw
from newswire.schemas.common import ContractError


@dataclass(frozen=True, slots=True)
class Described:
    """A record's feed ("" where none can be read), key and observed time, and its article, as far as there is one.

    `retry`: a letter that was sent round again, or given up.
    """

    feed: str
    key: bytes | None = None
    at: datetime | None = None
    article: RawArticle | None = None
    retry: bool = False


def describe(value: bytes | None) -> Described:
    """Describe a record of `raw` by its value."""
    try:
        record = decode_raw(value)
    except ContractError:
        return Described(_feed_of(value))
    if isinstance(record, RawDiscard):
        return Described(record.feed_url, record.id.encode() if record.id else None, record.observed_at, retry=True)
    if isinstance(record, RawRetry) and record.prepared is not None:
        prepared = record.prepared
        return Described(prepared.feed.url, prepared.id.encode(), prepared.observed_at, retry=True)
    article = record.article if isinstance(record, RawRetry) else record
    assert article is not None
    key = raw_article_id(article).encode()
    return Described(article.feed_url, key, article.observed_at, article, isinstance(record, RawRetry))


def _feed_of(value: bytes | None) -> str:
    try:
        record = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return ""
    feed = record.get("feed_url") if isinstance(record, dict) else None
    return feed if isinstance(feed, str) else ""
