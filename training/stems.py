"""How common stems are in the news, from word frequencies: `python -m training.stems FILE` writes the shipped list.

The source is wordfreq (Speer 2022, 3.1.1), the frequencies of words in 42 languages, from news, subtitles, books, the
web and encyclopedias. An article's title and lead hold some WORDS words, so that a stem of frequency f stands in a
share of 1 - exp(-f * WORDS) of them (words as a Poisson process); of several languages the one where it is commonest
counts. What stands in fewer than LEAST of a thousand articles is left out: the open stories tell how common it is.
"""

import argparse
import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from wordfreq import available_languages, get_frequency_dict

from newswire.pipeline.stories.background import ARTICLES
from newswire.pipeline.stories.words import split_words

WORDS = 200
"""What LEAD_MAX code points of text and a title hold in English."""

LEAST = 3
EXACT = 100
"""Larger counts are rounded to two digits: the list is then some hundred lines."""


def frequencies_of_stems(language: str) -> dict[str, float]:
    """Each stem's frequency in a language, of all its words together."""
    found: defaultdict[str, float] = defaultdict(float)
    for word, frequency in get_frequency_dict(language, "best").items():
        for stem in set(split_words(word)):
            found[stem] += frequency
    return found


def article_counts(languages: Iterable[str]) -> dict[str, int]:
    """In how many of ARTICLES articles each stem stands, in the language where it is commonest."""
    most: dict[str, float] = {}
    for language in languages:
        for stem, frequency in frequencies_of_stems(language).items():
            most[stem] = max(frequency, most.get(stem, 0.0))
    counts = {stem: round(ARTICLES * -math.expm1(-frequency * WORDS)) for stem, frequency in most.items()}
    return {stem: count if count < EXACT else round(count, -1) for stem, count in counts.items() if count >= LEAST}


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    by_count: defaultdict[int, list[str]] = defaultdict(list)
    for stem, count in article_counts(available_languages("best")).items():
        by_count[count].append(stem)
    lines = (f"{count}\t{' '.join(sorted(by_count[count]))}\n" for count in sorted(by_count, reverse=True))
    file.write_text("".join(lines), encoding="utf-8")
    print(f"{sum(map(len, by_count.values())):,} stems, {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
