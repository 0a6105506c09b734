"""How common stems are in the news at large, counted as if over a thousand articles of its own.

What stands in many articles anywhere tells no event from another, however few of the open stories have it: among few
stories "police" and "year" are as rare as a name is. So a stem's share of the open stories is taken as if the articles
of the background were stories too, a prior that weighs less the more stories are open (the background corpus of
document frequencies in Allan, Papka and Lavrenko 1998, and Brants, Chen and Farahat 2003, "A System for New Event
Detection").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

ARTICLES = 1_000
"""Articles that the shipped background stands for."""

BACKGROUND_FILE = Path(__file__).resolve().parents[2] / "models" / "stems" / "stems-of-1000-articles.txt"
"""A line a count, the largest first: the count of articles, a tab, the stems in so many, in order and parted by spaces.

Made by `python -m training.stems FILE`.
"""


@dataclass(frozen=True, slots=True)
class Background:
    """A number of articles, and in how many of them a stem stands; what is not listed stands in none."""

    articles: int
    having: Mapping[str, int]


NO_BACKGROUND = Background(0, MappingProxyType({}))


@cache
def news_background() -> Background:
    """The shipped background, for words of 42 languages. It is read once a process."""
    return read_background(BACKGROUND_FILE, ARTICLES)


def read_background(file: Path, articles: int) -> Background:
    """A background of so many articles. Raises OSError, and ValueError for a file that is none."""
    having: dict[str, int] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        count, _, stems = line.partition("\t")
        having.update(dict.fromkeys(stems.split(" "), int(count)))
    return Background(articles, MappingProxyType(having))
