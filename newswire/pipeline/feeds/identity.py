"""The identity of an article: one id for one entry of one feed, whatever happens to its text."""

import hashlib

from newswire.pipeline.feeds.canonical import canonical_url
from newswire.schemas import RawArticle


def article_id(feed_url: str, *, entry_id: str | None, url: str | None, title: str | None, content: str | None) -> str:
    """The first 32 hex digits of SHA-256 over the canonical feed URL, a line feed and the entry's identity.

    The identity is the entry's own id, else its canonical URL, else its title and content with white space
    normalised (two lines). A feed URL that is no http(s) URL stands as it is.
    """
    own = (entry_id or "").strip() or (canonical_url(url) if url else None)
    if not own:
        own = normalise(title) + "\n" + normalise(content)
    feed = canonical_url(feed_url) or feed_url.strip()
    return hashlib.sha256(f"{feed}\n{own}".encode(errors="replace")).hexdigest()[:32]


def raw_article_id(article: RawArticle) -> str:
    """The id of a raw article: without content its summary stands for it."""
    return article_id(
        article.feed_url,
        entry_id=article.entry_id,
        url=article.url,
        title=article.title,
        content=article.content or article.summary,
    )


def normalise(text: str | None) -> str:
    """A text with each run of white space as one space, and none at the ends."""
    return " ".join(text.split()) if text else ""
