"""Records that are small enough."""

import pytest

from newswire.pipeline.feeds.fit import RECORD_MAX, fit
from newswire.schemas import RawArticle


@pytest.mark.parametrize("letter", ["x", "é", "語", "😀", '"', "\n"])
@pytest.mark.parametrize("fields", [("content",), ("summary", "content"), ("title", "summary", "content")])
def test_what_is_too_large_is_cut(letter: str, fields: tuple[str, ...]) -> None:
    article = RawArticle(feed_url="https://a.example/", **dict.fromkeys(fields, letter * 60000))
    small = fit(article, 50_000)
    assert 40_000 < len(small.encode()) <= 50_000
    assert set(small.cut) <= set(fields)
    assert small.cut
    assert all((getattr(small, name) or "").strip(letter) == "" for name in fields)


def test_what_fits_stays() -> None:
    article = RawArticle(feed_url="https://a.example/", title="t", content="c" * 1_000_000)
    assert fit(article) is article


def test_the_largest_article_of_the_default_caps_fits() -> None:
    texts = {"title": "😀" * 4_096, "summary": "😀" * 1_000_000, "content": "😀" * 1_000_000}
    small = fit(RawArticle(feed_url="https://a.example/", **texts))
    assert len(small.encode()) <= RECORD_MAX
    assert small.title == texts["title"]
