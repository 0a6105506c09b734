"""What the characters of words are, as tables for compiled code: Unicode's classes and full case folding.

Chinese and Japanese characters count as words of their own, since nothing parts their words.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SINGLES = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""The characters that are words of their own, as ranges of a regular expression."""
SIZE = 0x20000
"""Code points in the tables. Those beyond are SINGLES up to END, and no part of words from there on."""
END = 0x40000

PART, SINGLE, CAPITAL, LETTER = 1, 2, 4, 8
"""Bits of a kind: part of a word, a word of its own, written large, letters alone when folded."""
SPREAD = 1 << 31
"""The bit of a folded form that is several code points: the rest is its place in `spread`."""


class Characters(NamedTuple):
    """By code point its kind and its folded form; `spread` holds the longer forms, each after its length."""

    kinds: NDArray[np.uint8]
    folded: NDArray[np.uint32]
    spread: NDArray[np.uint32]


@cache
def characters() -> Characters:
    """The tables, made once a process."""
    kinds = np.zeros(SIZE, dtype=np.uint8)
    folded = np.arange(SIZE, dtype=np.uint32)
    spread: list[int] = []
    singles = set(_singles())
    for code in range(SIZE):
        character = chr(code)
        if code not in singles and not character.isalnum():
            continue
        form = character.casefold()
        kinds[code] = (
            (SINGLE if code in singles else PART)
            | (CAPITAL if character.isupper() else 0)
            | (LETTER if form.isalpha() else 0)
        )
        if len(form) == 1:
            folded[code] = ord(form)
        else:
            folded[code] = SPREAD | len(spread)
            spread += [len(form), *map(ord, form)]
    return Characters(kinds, folded, np.array(spread, dtype=np.uint32))


def _singles() -> Iterator[int]:
    for first, _, last in zip(SINGLES[::3], SINGLES[1::3], SINGLES[2::3], strict=True):
        yield from range(ord(first), min(ord(last) + 1, SIZE))
