"""The lists of one article, within bounds: who wrote it, what it is filed under, and its pictures."""

import re
from dataclasses import dataclass

from newswire.pipeline.feeds.canonical import LENGTH_MAX, canonical_url
from newswire.schemas import RawArticle

NAMES_MAX = 100
"""Authors of an article, and categories: of more, the first ones are kept."""

NAME_LENGTH_MAX = 500
"""Code points of an author and of a category; of a longer one the beginning is kept."""

IMAGES_MAX = 50
"""Images of an article: of more, the first ones are kept."""

IMAGE_LENGTH_MAX = LENGTH_MAX
"""Characters of an image's URL; a longer one is no address, and part of one is none either."""

IMAGES_READ = 1_000
"""Images that are looked at, the useless ones too, so that no record takes long."""

_EDGES = "".join(map(chr, range(0x21)))
_DROPPED = str.maketrans({"\t": None, "\n": None, "\r": None, " ": "%20"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class CleanLists:
    """Authors, categories and images; `cut` names those of them that are not whole."""

    authors: tuple[str, ...]
    categories: tuple[str, ...]
    images: tuple[str, ...]
    cut: frozenset[str]


def clean_lists(article: RawArticle) -> CleanLists:
    """The lists of an article within the bounds above.

    Of images only absolute http(s) URLs are kept, each once; one that is none is dropped without being named in
    `cut`, since nothing is lost with it.
    """
    cut: set[str] = set()

    def names(field: str, values: tuple[str, ...]) -> tuple[str, ...]:
        kept = tuple(value[:NAME_LENGTH_MAX] for value in values[:NAMES_MAX])
        if kept != values:
            cut.add(field)
        return kept

    authors, categories = names("authors", article.authors), names("categories", article.categories)
    images = tuple(dict.fromkeys(url for image in article.images[:IMAGES_READ] if (url := image_url(image))))
    if len(images) > IMAGES_MAX or len(article.images) > IMAGES_READ:
        cut.add("images")
    return CleanLists(authors, categories, images[:IMAGES_MAX], frozenset(cut))


def image_url(text: str) -> str | None:
    """An image's absolute http(s) URL as it was given, or None when it is none.

    What browsers mend is mended: spaces and controls at the edges, line breaks and tabs, a space within.
    """
    if len(text) > IMAGE_LENGTH_MAX:
        return None
    url = text.strip(_EDGES).translate(_DROPPED)
    # Not the canonical form: a picture's server may ask for the very query that was given.
    return url if len(url) <= IMAGE_LENGTH_MAX and not _CONTROL.search(url) and canonical_url(url) else None
