"""Texts without case: headlines in capitals, posts in small letters. The encoder knows names by how they are written.

Where a text tells nothing by its capitals, each of its words gets one: F1 of entities is 82.6 then on CoNLL-2003
validation in capitals or in small letters, of 92.7 as it was written (`make eval`).
"""

import re

WORDS_MIN = 3
"""Of fewer words nothing is told: "NATO" is no text in capitals."""
UPPER_MIN = 0.9
"""The share of capitals among the letters from which a text is in capitals,"""
UPPER_MAX = 0.005
"""and up to which it is in small letters."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def with_case(text: str) -> str:
    """The text, with a capital at the beginning of each word and small letters after it where it has no case.

    Each code point stays where it is. Other texts come back as they are, and those of scripts that have no case.
    """
    upper = sum(map(str.isupper, text))
    lower = sum(map(str.islower, text))
    if UPPER_MAX * (upper + lower) < upper < UPPER_MIN * (upper + lower) or not upper + lower:
        return text
    words = list(_WORD.finditer(text))
    if len(words) < WORDS_MIN:
        return text
    characters = list(text)
    for word in words:
        start, end = word.span()
        characters[start] = _one(text[start], text[start].title())
        characters[start + 1 : end] = [_one(character, character.lower()) for character in text[start + 1 : end]]
    return "".join(characters)


def _one(character: str, changed: str) -> str:
    """What a character is changed to, unless that is more than one ("ß", "İ")."""
    return changed if len(changed) == 1 else character
