"""Raw articles that are small enough for every topic on their way."""

import orjson

from newswire.schemas import RawArticle

RECORD_MAX = 4_000_000
"""Bytes of a raw record: half of what a stage sends, as the later ones add to it."""

_TEXTS = ("content", "summary", "title")


def fit(article: RawArticle, limit: int = RECORD_MAX) -> RawArticle:
    """The article, its longest texts cut until its record has at most `limit` bytes; `cut` names them."""
    over = len(article.encode()) - limit
    while over > 0:
        texts: dict[str, str] = {name: getattr(article, name) or "" for name in _TEXTS}
        name = max(texts, key=lambda field: len(texts[field]))
        text = texts[name]
        size = len(orjson.dumps(text))
        # In proportion, since a character takes one byte to six; half at most, so that no text pays for another.
        keep = max(len(text) // 2, len(text) * (size - over) // size - 1)
        cut = article.cut if name in article.cut else (*article.cut, name)
        article = article.model_copy(update={name: text[: max(1, keep)], "cut": cut})
        if len(text) <= 1:
            break
        over = len(article.encode()) - limit
    return article
