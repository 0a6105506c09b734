"""Authors, categories and images: what is kept of them, and what is said of the rest."""

import pytest

from newswire.pipeline.text.lists import (
    IMAGE_LENGTH_MAX,
    IMAGES_MAX,
    IMAGES_READ,
    NAME_LENGTH_MAX,
    NAMES_MAX,
    clean_lists,
    image_url,
)
from newswire.schemas import RawArticle
from tests.unit.text.test_text_prepare import Wire, prepared


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/relative.jpg",
        "//host.example/a.jpg",
        "ftp://host.example/a.jpg",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "https://",
        "http://[::1/a.jpg",
        "https://host.example:99999/a.jpg",
        "https://host.example/\x00.jpg",
        "https://host.example/" + "x" * IMAGE_LENGTH_MAX,
        "https://host.example/" + " " * (IMAGE_LENGTH_MAX // 2) + "x",
    ],
)
def test_what_is_no_absolute_http_url_is_no_image(text: str) -> None:
    assert image_url(text) is None


def test_an_image_s_url_stays_as_it_was_given() -> None:
    assert (
        image_url("https://Host.example/a.jpg?utm_source=rss&w=1#x")
        == "https://Host.example/a.jpg?utm_source=rss&w=1#x"
    )
    assert image_url(" http://host.example/my\n photo.jpg ") == "http://host.example/my%20photo.jpg"


def test_useless_images_are_dropped_and_no_loss_is_named() -> None:
    article = RawArticle(title="T", images=("https://a.example/1", "no", "https://a.example/1", "https://a.example/2"))
    lists = clean_lists(article)
    assert (lists.images, lists.cut) == (("https://a.example/1", "https://a.example/2"), frozenset())


def test_what_is_too_many_or_too_long_is_named() -> None:
    images = tuple(f"https://a.example/{n}" for n in range(IMAGES_MAX + 1))
    lists = clean_lists(RawArticle(title="T", images=images))
    assert (lists.images, set(lists.cut)) == (images[:IMAGES_MAX], {"images"})
    assert clean_lists(RawArticle(title="T", images=images[:IMAGES_MAX])).cut == frozenset()
    assert clean_lists(RawArticle(title="T", images=("no",) * (IMAGES_READ + 1))).cut == {"images"}
    names = ("n" * NAME_LENGTH_MAX,) * NAMES_MAX
    whole = clean_lists(RawArticle(title="T", authors=names, categories=names))
    assert (whole.authors, whole.categories, whole.cut) == (names, names, frozenset())
    more = clean_lists(RawArticle(title="T", authors=(*names, "x"), categories=(names[0] + "x",)))
    assert (more.authors, more.categories, set(more.cut)) == (names, names[:1], {"authors", "categories"})


def test_a_prepared_article_s_lists_are_bounded_and_say_so() -> None:
    images = ["javascript:alert(1)", *(f"https://a.example/{n}" for n in range(10_000))]
    cut = ["summary", "x" * 100_000]
    article = prepared(Wire().article(authors=["a" * 1_000] * 5_000, categories=["c"], images=images, cut=cut))
    assert len(article.images) == IMAGES_MAX
    assert article.images[0] == "https://a.example/0"
    assert (len(article.authors), len(article.authors[0])) == (NAMES_MAX, NAME_LENGTH_MAX)
    assert article.cut == ("authors", "images")
    assert len(article.encode()) < 100_000
