"""From tag logits to entity spans: words, agreement among a word's occurrences, valid tag sequences, clean boundaries.

The model tags sub-tokens; a decision is made once a word, from its first sub-token, so no span begins or ends inside a
word. A word is a run of letters, marks and digits; scripts written without spaces are decided sub-token by sub-token.

The same capitalised word most often names the same thing throughout an article, so that its occurrences share what the
model thinks of each. Of the tag sequences that are valid the most probable one is taken (Viterbi 1967). `make eval` has
the figures.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

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

DECODER = "decoder-5"
"""Another one with every change of what is made of the same logits: records name it with their model, so that a
verification makes no analysis again that another decoder made."""
SHARED = 0.7
"""How much of what is thought of a word is what is thought of all its occurrences."""
ALONE = 0.01
"""How much of the probability of an I counts for a B."""
_LEAST = 1e-9

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """A span of a text in code points; `kind` is a number of an entity type, `score` its mean probability."""

    start: int
    end: int
    kind: int
    score: float


@lru_cache(maxsize=4096)
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
    blank = np.fromiter(map(str.isspace, text), dtype=np.bool_, count=len(text))
    places = np.arange(len(text))
    # The first solid character from each place on, and the end of the last one up to it.
    following = np.minimum.accumulate(np.where(blank, len(text), places)[::-1])[::-1]
    until = np.maximum.accumulate(np.where(blank, 0, places + 1))
    some = np.flatnonzero(starts < ends)
    starts, ends = starts.copy(), ends.copy()
    starts[some] = np.minimum(following[starts[some]], ends[some])
    ends[some] = np.maximum(until[ends[some] - 1], starts[some])
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
    return text[-1] == "." and not _ABBREVIATION.search(text)


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


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in code points, and the probability of each tag, shape (words, 1 + 2 types).

    `breaks` are the words that no span may run into.
    """

    text: str
    starts: Integers
    ends: Integers
    tags: Doubles
    breaks: Flags


def words_of(text: str, starts: Integers, ends: Integers, logits: Floats) -> Words:
    """The words of a text from its sub-tokens' offsets and tag logits (tokens, 1 + 2 types).

    Tag 0 is O, then come B and I of each type.
    """
    starts, ends = trim_space(text, starts, ends)
    solid = np.flatnonzero(ends > starts)
    starts, ends, logits = starts[solid], ends[solid], logits[solid]
    if not len(solid):
        return Words(text, starts, ends, logits.astype(np.float64), np.zeros(0, dtype=np.bool_))
    firsts = np.flatnonzero(word_starts(text, starts, ends))
    ends = np.maximum.reduceat(ends, firsts)
    starts, logits = starts[firsts], logits[firsts].astype(np.float64)
    tags = np.exp(logits - logits.max(1, keepdims=True))
    return Words(text, starts, ends, tags / tags.sum(1, keepdims=True), breaks(text, starts))


def mean_of(first: Words, second: Words) -> Words:
    """The words of a text that was read twice, with the mean of both readings' probabilities.

    Words are the first reading's; what begins no word in the second one keeps its own probabilities.
    """
    places = np.searchsorted(second.starts, first.starts)
    places[places == len(second.starts)] = 0
    both = second.starts[places] == first.starts if len(second.starts) else np.zeros(len(places), dtype=np.bool_)
    tags = first.tags.copy()
    tags[both] = (tags[both] + second.tags[places[both]]) / 2
    return replace(first, tags=tags)


def agree(fields: Sequence[Words]) -> list[Words]:
    """The words of an article's fields, where each occurrence of a capitalised word has a part of what all have.

    Shared are the types and O; whether a word begins a span or goes on with one is left to its place.
    """
    places: dict[str, list[int]] = {}
    first = 0
    for words in fields:
        text = words.text
        for place, (start, end) in enumerate(zip(words.starts.tolist(), words.ends.tolist(), strict=True), first):
            if text[start].isupper():
                places.setdefault(text[start:end], []).append(place)
        first += len(words.starts)
    groups = [found for found in places.values() if len(found) > 1]
    if not groups:
        return list(fields)
    tags = np.concatenate([words.tags for words in fields])
    # All words' occurrences at once, one word's after another's: an array for each word takes longer.
    order, sizes = np.array([place for found in groups for place in found]), np.array(list(map(len, groups)))
    own = tags[order]
    types = _types(own)
    means = np.add.reduceat(types, np.cumsum(sizes) - sizes, axis=0) / sizes[:, None]
    known = np.maximum(types, _LEAST)
    mixed = known ** (1 - SHARED) * np.repeat(np.maximum(means, _LEAST) ** SHARED, sizes, axis=0)
    ratio = mixed / mixed.sum(1, keepdims=True) / known
    own[:, 0] *= ratio[:, 0]
    own[:, 1::2] *= ratio[:, 1:]
    own[:, 2::2] *= ratio[:, 1:]
    tags[order] = own
    parts = np.split(tags, np.cumsum([len(words.starts) for words in fields])[:-1])
    return [replace(words, tags=part) for words, part in zip(fields, parts, strict=True)]


def decode(words: Words) -> list[Span]:
    """Spans of a text, in order; none overlap."""
    if not (words.tags[:, 0] < 0.5).any():
        return []
    tags = best_sequence(words)
    types = _types(words.tags)
    spans = []
    for first in [place for place, tag in enumerate(tags) if tag % 2 == 1]:
        last = first
        while last + 1 < len(tags) and tags[last + 1] == tags[first] + 1:
            last += 1
        start, end = clean(words.text, int(words.starts[first]), int(words.ends[last]))
        if any(map(str.isalnum, words.text[start:end])):
            kind = (tags[first] + 1) // 2
            own = types[first, kind] if first == last else types[first : last + 1, kind].mean()
            spans.append(Span(start, end, kind, float(own)))
    return spans


def best_sequence(words: Words) -> list[int]:
    """The most probable valid sequence of tags.

    What the model says goes on with a span, where there is none, begins one: certainly after a break, else at a price.
    """
    begins = np.where(words.breaks, 1.0, ALONE)[:, None]
    begins[0] = 1.0
    weights = words.tags.copy()
    weights[:, 1::2] += begins * words.tags[:, 2::2]
    logs = np.log(np.maximum(weights, _LEAST))
    # A word that is O by more than it can cost to begin a span behind it is O in the best sequence, whatever the others
    # are; nearly all are. What lies between two of them is decided by itself.
    unsure = np.flatnonzero(logs[:, 0] <= logs[:, 1:].max(1) - math.log(ALONE))
    tags = [0] * len(logs)
    for run in np.split(unsure, np.flatnonzero(np.diff(unsure) > 1) + 1):
        if len(run):
            first, end = int(run[0]), int(run[-1]) + 1
            tags[first:end] = _viterbi(logs[first:end].tolist(), words.breaks[first:end].tolist())
    return tags


def _viterbi(logs: list[list[float]], apart: list[bool]) -> list[int]:
    """The best valid sequence of tags after an O, by the words' `logs`; those `apart` go on with nothing."""
    inner = range(2, len(logs[0]), 2)
    scores = [score if tag not in inner else -math.inf for tag, score in enumerate(logs[0])]
    came: list[list[int]] = []
    for own, alone in zip(logs[1:], apart[1:], strict=True):
        best = max(range(len(scores)), key=scores.__getitem__)
        before = [best] * len(own)
        grown = [scores[best] + score for score in own]
        for tag in inner:
            before[tag] = tag if scores[tag] > scores[tag - 1] else tag - 1
            grown[tag] = -math.inf if alone else scores[before[tag]] + own[tag]
        scores = grown
        came.append(before)
    tags = [max(range(len(scores)), key=scores.__getitem__)]
    for before in reversed(came):
        tags.append(before[tags[-1]])
    return tags[::-1]


def _types(tags: Doubles) -> Doubles:
    """The probabilities of O and of each type."""
    return np.concatenate((tags[:, :1], tags[:, 1::2] + tags[:, 2::2]), axis=1)
