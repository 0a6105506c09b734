"""From tag logits to entity spans: words, valid tag sequences, clean boundaries.

The model tags sub-tokens; a decision is made once a word, from its first sub-token, so no span begins or ends inside a
word. A word is a run of letters, marks and digits; scripts written without spaces are decided sub-token by sub-token.
"""

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n|\r\n[^\S\n]*\r\n|\u2029")
_POSSESSIVE = re.compile(r"(?:['’ʼ＇][sSｓ]|(?<=[sS])['’ʼ＇])$")
_PAIRS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "«": "»",
    "“": "”",
    "„": "“",
    "‘": "’",
    "‹": "›",
    "「": "」",
    "『": "』",
    "《": "》",
}
_CLOSING = {"“": "„"} | {close: open_ for open_, close in _PAIRS.items() if close != "“"}
_STRAIGHT = "\"'`´"
_EDGE = frozenset(",;:!?…·•–—-−*_/\\|<>=~^‑‒―、。，；：！？・؛،؟।") | frozenset(_STRAIGHT)
_ABBREVIATION = re.compile(r"(?:^|[\s.])[^\W\d_]{1,5}\.$")

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """A span of a text in code points; `kind` is a number of an entity type, `score` the mean probability."""

    start: int
    end: int
    kind: int
    score: float


def _joins(character: str) -> bool:
    """Whether a character is inside a word: letters, digits and marks of scripts that put spaces between words."""
    if character.isascii():
        return character.isalnum()
    if not (character.isalnum() or unicodedata.category(character)[0] == "M"):
        return False
    code = ord(character)
    # Thai to Myanmar, Khmer; then Japanese and Chinese up to Yi; their half-width forms; the planes of rare ideographs.
    spaceless = 0x0E00 <= code < 0x10A0 or 0x1780 <= code < 0x1800 or 0x2E80 <= code < 0xA4D0
    return not (spaceless or 0xF900 <= code < 0xFB00 or 0xFF66 <= code < 0xFFA0 or code >= 0x20000)


def trim_space(text: str, starts: Integers, ends: Integers) -> tuple[Integers, Integers]:
    """Offsets without the white space that sub-tokens carry at their beginning (or, rarely, at their end)."""
    starts, ends = starts.copy(), ends.copy()
    for number in [n for n, (s, e) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)) if s < e]:
        start, end = int(starts[number]), int(ends[number])
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        starts[number], ends[number] = start, end
    return starts, ends


def word_starts(text: str, starts: Integers, ends: Integers) -> Flags:
    """Which sub-tokens begin a word, given their trimmed offsets (none empty)."""
    begins = np.ones(len(starts), dtype=np.bool_)
    opens = np.array([_joins(text[start]) for start in starts.tolist()], dtype=np.bool_)
    closes = np.array([_joins(text[end - 1]) for end in ends.tolist()], dtype=np.bool_)
    # A sub-token that starts before its neighbour ends stands for part of the same character.
    begins[1:] = ~(((starts[1:] == ends[:-1]) & opens[1:] & closes[:-1]) | (starts[1:] < ends[:-1]))
    return begins


def breaks(text: str, starts: Integers) -> Flags:
    """Which words follow a blank line, so that no span may run into them."""
    found = np.zeros(len(starts), dtype=np.bool_)
    lines = [match.start() for match in _BLANK_LINE.finditer(text)]
    if lines:
        before = np.searchsorted(np.array(lines), starts)
        found[1:] = before[1:] != before[:-1]
    return found


def _unpaired(text: str) -> bool:
    """Whether the last character closes a bracket or quotation that was not opened inside the text."""
    last = text[-1]
    return last in _CLOSING and text.count(_CLOSING[last]) < text.count(last)


def _full_stop(text: str) -> bool:
    """Whether the text ends with a full stop that ends a sentence, not an abbreviation ("U.S.", "Inc.")."""
    return text[-1] == "." and "." not in text[:-1] and not _ABBREVIATION.search(text)


def clean(text: str, start: int, end: int) -> tuple[int, int]:
    """Boundaries without possessive endings, surrounding quotation marks, brackets and punctuation.

    Full stops of abbreviations stay ("U.S.", "Inc."). Gives an empty range when nothing is left.
    """
    while start < end:
        first, last, span = text[start], text[end - 1], text[start:end]
        possessive = _POSSESSIVE.search(span)
        if possessive:
            end -= len(possessive.group())
        elif first.isspace() or first in _EDGE or first in _CLOSING or first == ".":
            start += 1
        elif last.isspace() or last in _EDGE or last in _PAIRS or _unpaired(span) or _full_stop(span):
            end -= 1
        elif first in _PAIRS and _PAIRS[first] not in span:
            start += 1
        elif first in _PAIRS and last == _PAIRS[first] and span.count(first) == 1:
            start, end = start + 1, end - 1
        else:
            break
    return start, max(start, end)


def decode(text: str, starts: Integers, ends: Integers, logits: Floats) -> list[Span]:
    """Spans of a text from its sub-tokens' offsets and tag logits (tokens, 1 + 2 types), tag 0 O, then B, I a type.

    An I that does not continue a span of its type begins one, which makes every tag sequence a valid one.
    """
    starts, ends = trim_space(text, starts, ends)
    solid = np.flatnonzero(ends > starts)
    if not len(solid):
        return []
    starts, ends, logits = starts[solid], ends[solid], logits[solid]
    firsts = np.flatnonzero(word_starts(text, starts, ends))
    ends = np.maximum.reduceat(ends, firsts)
    starts, logits = starts[firsts], logits[firsts].astype(np.float64)

    tags = logits.argmax(1)
    kinds = (tags + 1) // 2
    inside = kinds > 0
    if not inside.any():
        return []
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    sure = shifted.max(1) / shifted.sum(1)
    before = np.concatenate(([0], kinds[:-1]))
    opens = inside & ((tags % 2 == 1) | (kinds != before) | breaks(text, starts))
    spans = []
    for first in np.flatnonzero(opens).tolist():
        last = first
        while last + 1 < len(kinds) and inside[last + 1] and not opens[last + 1]:
            last += 1
        start, end = clean(text, int(starts[first]), int(ends[last]))
        if any(map(str.isalnum, text[start:end])):
            spans.append(Span(start, end, int(kinds[first]), float(sure[first : last + 1].mean())))
    return spans
