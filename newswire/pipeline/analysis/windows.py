"""Windows over a long sequence of sub-tokens: all of it is read, each token where it has the most context."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

# A sentence's end: an abbreviation is no longer than three letters, or has a capital ("Mr.", "Prof.", "вул.").
_ENDS = re.compile(r"\n\s*|[.!?…][\"'»”’)\]]*\s+|[。！？]+")
_LETTERS = 4
_REACH = 16
"""How many tokens a cut may stand from its even place, to be where a sentence begins."""


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens `start` to `end` go through the model; the results of `first` to `last` are kept."""

    start: int
    end: int
    first: int
    last: int


def sentence_starts(text: str) -> list[int]:
    """Where lines and sentences of a text begin, in code points; of sentences those that surely are."""
    return [end.end() for end in _ENDS.finditer(text) if _is_sure(text, end.group(), end.start(), end.end())]


def _is_sure(text: str, mark: str, start: int, end: int) -> bool:
    if mark[0] in "。！？" or "\n" in mark:
        return True
    word = text[max(0, start - _LETTERS) : start]
    return len(word) == _LETTERS and word.isalpha() and word.islower() and not text[end : end + 1].islower()


def plan(tokens: int, size: int, stride: int, most: int, starts: Sequence[int] = ()) -> tuple[Window, ...]:
    """The fewest windows of at most `size` tokens, as even as can be; at most `most`.

    Where one of `starts`, tokens at which a sentence begins in rising order, is near, a window begins with it and the
    one before ends there: nothing is read twice. Elsewhere the two overlap by `size - stride`, and each keeps the half
    that is nearer to its middle. Tokens beyond `most` windows are not covered. Raises ValueError for sizes that leave
    gaps.
    """
    if not 0 < stride <= size:
        raise ValueError(f"a stride of {stride} tokens does not fit windows of {size}")
    overlap = size - stride
    tokens = min(tokens, size + stride * (most - 1))
    if tokens <= 0:
        return ()
    count = max(1, math.ceil((tokens - overlap) / stride))
    before, after = overlap // 2, overlap - overlap // 2
    windows, first, start = [], 0, 0
    for left in range(count - 1, 0, -1):
        # What the windows to the right can hold, and what this one can, were they to overlap.
        lowest = tokens - left * stride - after
        highest = min(start + size - after, tokens - left)
        even = round(start + (tokens - start + left * overlap) / (left + 1)) - after
        low, high = max(lowest, even - _REACH, first + 1), min(highest, even + _REACH)
        near = starts[bisect_left(starts, low) : bisect_right(starts, high)]
        if near:
            cut = min(near, key=lambda one: abs(one - even))
            windows.append(Window(start, cut, first, cut))
            first = start = cut
        else:
            cut = min(max(even, lowest, first + 1), highest)
            windows.append(Window(start, min(cut + after, tokens), first, cut))
            first, start = cut, cut - before
    windows.append(Window(start, tokens, first, tokens))
    return tuple(windows)
