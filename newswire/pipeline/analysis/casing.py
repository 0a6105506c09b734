"""Texts without case: headlines in capitals, posts in small letters. The encoder knows names by how they are written.

Where a text tells nothing by its capitals, it is read twice, with a capital on each word and in small letters: what is
thought of a word is the mean of both, which is better than the first alone.
"""

import re

WORDS_MIN = 3
"""Of fewer words nothing is told: "NATO" is no text in capitals."""
UPPER_MIN = 0.9
"""The share of capitals among the letters from which a text is in capitals,"""
UPPER_MAX = 0.005
"""and up to which it is in small letters."""
LONG_WORD = 4
"""Letters of a word that has its capital in a title in English too: "Mayor of Leeds Visits the Troops"."""
TITLED_MIN = 0.9
"""The share of such words with a capital from which a text is set as a title;"""
TITLED_UPPER_MIN = 0.08
"""of fewer capitals among its letters it is not, and its words are not looked at."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def readings_of(text: str, titles: bool = False) -> tuple[str, ...]:
    """How a text is to be read: as it is, or, where it has no case, with a capital on each word and in small letters.

    With `titles`, a text that is set as a title has no case either. Each code point stays where it is. Texts of scripts
    that have no case are read as they are.
    """
    upper = sum(map(str.isupper, text))
    lower = sum(map(str.islower, text))
    cased = UPPER_MAX * (upper + lower) < upper < UPPER_MIN * (upper + lower)
    if not upper + lower or (cased and not (titles and upper >= TITLED_UPPER_MIN * (upper + lower))):
        return (text,)
    words = list(_WORD.finditer(text))
    if len(words) < WORDS_MIN or (cased and not _is_titled([word.group() for word in words])):
        return (text,)
    characters = [_one(character, character.lower()) for character in text]
    small = "".join(characters)
    if cased:
        return text, small
    for word in words:
        characters[word.start()] = _one(text[word.start()], text[word.start()].title())
    titled = "".join(characters)
    return (titled, small) if titled != small else (text,)


def _is_titled(words: list[str]) -> bool:
    long = [word[0].isupper() for word in words if len(word) >= LONG_WORD]
    return bool(long) and sum(long) >= TITLED_MIN * len(long)


def _one(character: str, changed: str) -> str:
    """What a character is changed to, unless that is more than one ("ß", "İ")."""
    return changed if len(changed) == 1 else character
