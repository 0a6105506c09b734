"""The open stories in memory, found by their words, named things and embedding; it can be built from the rows."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np

from newswire.pipeline.stories.story import Features, OpenStory
from newswire.pipeline.stories.terms import COUNT_MAX, I64, Counted, Terms
from newswire.pipeline.stories.vectors import Vector, bands, cosine, square

POSTINGS_MAX = 500
"""Entries that one look-up reads, rarest keys first: what a key of everyday words lists is not worth reading."""

CANDIDATES_MAX = 8
BAND_BITS = 12
BANDS = 16


@dataclass(frozen=True, slots=True)
class Likeness:
    """An open story and its cosines with an article, by words, named things and embedding; None where one has none."""

    story: OpenStory
    words: float | None
    entities: float | None
    vector: float | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A story as the index holds it: `terms` are the numbers of all its keys, `square` the length of its vector."""

    story: OpenStory
    words: Counted
    entities: Counted
    terms: I64
    square: int


class StoryIndex:
    """The open stories. What it answers depends only on which stories are in it, never on how they came there."""

    def __init__(self, stories: Iterable[OpenStory] = ()) -> None:
        self._stories: dict[str, _Entry] = {}
        self._by_number: dict[int, _Entry] = {}
        self._terms = Terms()
        self._ends: list[tuple[int, str]] = []
        self._banded: tuple[Vector | None, list[str]] = (None, [])
        for story in stories:
            self.put(story)

    def __len__(self) -> int:
        return len(self._stories)

    def get(self, story: str) -> OpenStory | None:
        """An open story by its id."""
        entry = self._stories.get(story)
        return None if entry is None else entry.story

    def put(self, story: OpenStory) -> None:
        """Add a story, or replace it by its newer state."""
        before = self._stories.get(story.id)
        keys = (*story.words, *story.entities, *self._band_keys(story.vector))
        terms = self._terms.replace(story.opened, before.terms.tolist() if before is not None else (), keys)
        words, both = len(story.words), len(story.words) + len(story.entities)
        entry = _Entry(
            story,
            Counted(terms[:words], _counts(story.words.values())),
            Counted(terms[words:both], _counts(story.entities.values())),
            terms,
            square(story.vector) if story.vector is not None else 0,
        )
        self._stories[story.id] = self._by_number[story.opened] = entry
        if before is None:
            heapq.heappush(self._ends, (story.last, story.id))

    def expire(self, before: int) -> list[OpenStory]:
        """Take out the stories whose last article was seen before this moment (Unix milliseconds) and return them."""
        expired = []
        while self._ends and self._ends[0][0] < before:
            entry = self._stories[heapq.heappop(self._ends)[1]]
            story = entry.story
            if story.last >= before:
                # it has grown since: the heap has one entry a story, which is brought up to date when it comes up
                heapq.heappush(self._ends, (story.last, story.id))
                continue
            self._terms.drop(story.opened, entry.terms.tolist())
            del self._stories[story.id], self._by_number[story.opened]
            expired.append(story)
        return expired

    def candidates(self, features: Features) -> list[Likeness]:
        """The CANDIDATES_MAX open stories that share most weight of keys with an article, best first."""
        nearest = self._nearest(features)
        words = self._cosines(features.words, [entry.words for entry in nearest])
        entities = self._cosines(features.entities, [entry.entities for entry in nearest])
        own = square(features.vector) if features.vector is not None else 0
        return [
            Likeness(entry.story, words[n], entities[n], _vector_cosine(features.vector, own, entry))
            for n, entry in enumerate(nearest)
        ]

    def _nearest(self, features: Features) -> list[_Entry]:
        keys = (*features.words, *features.entities, *self._band_keys(features.vector))
        lists = self._terms.rarest(keys, POSTINGS_MAX)
        if not lists:
            return []
        full = self._terms.logarithm(len(self._stories) + 1)
        sizes = [len(stories) for stories in lists]
        numbers = np.fromiter(chain.from_iterable(lists), dtype=np.int64, count=sum(sizes))
        weights = np.repeat([full - self._terms.logarithm(size) for size in sizes], sizes)
        order = numbers.argsort()
        numbers, weights = numbers[order], weights[order]
        starts = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
        # of equal sums the lower number first: the sort is stable, and the numbers are in order
        best = np.argsort(-np.add.reduceat(weights, starts), kind="stable")[:CANDIDATES_MAX]
        return [self._by_number[number] for number in numbers[starts[best]].tolist()]

    def _band_keys(self, vector: Vector | None) -> list[str]:
        if vector is None:
            return []
        # the vector that was looked for last is most often the one that a new story is put in with
        if vector is not self._banded[0]:
            # the vector's length is part of the key: embeddings of different models have nothing in common
            size = len(vector)
            keys = [f"#{size}/{band}/{number}" for band, number in enumerate(bands(vector, BAND_BITS, BANDS))]
            self._banded = (vector, keys)
        return self._banded[1]

    def _cosines(self, own: dict[str, int], others: list[Counted]) -> list[float | None]:
        if not own or not others:
            return [None] * len(others)
        found = self._terms.cosines(self._terms.counted(own), others, len(self._stories))
        return [cosine if len(other.numbers) else None for cosine, other in zip(found, others, strict=True)]


def _vector_cosine(vector: Vector | None, own: int, entry: _Entry) -> float | None:
    other = entry.story.vector
    if vector is None or other is None or vector.shape != other.shape:
        return None
    return cosine(vector, other, own, entry.square)


def _counts(counts: Iterable[int]) -> I64:
    return np.minimum(np.fromiter(counts, dtype=np.int64), COUNT_MAX)
