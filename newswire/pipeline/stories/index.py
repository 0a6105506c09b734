"""The open stories in memory, found by their words, named things and embedding; it can be built from the rows.

It keeps what an article is compared with, some 3 kB a story with its entries under the keys; the story is in its row.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.stories.background import Background
from newswire.pipeline.stories.story import Features, Indexed, OpenStory
from newswire.pipeline.stories.terms import COUNT_MAX, Counted, Terms
from newswire.pipeline.stories.vectors import Vector, bands, cosine, square

POSTINGS_MAX = 500
"""Entries that one look-up reads, rarest keys first: what a key of everyday words lists is not worth reading."""

CANDIDATES_MAX = 8
PIECE = 256
"""Stories that are put in at once when the index is built: a few hundredths of a second."""

BAND_BITS = 12
BANDS = 16


class Head(NamedTuple):
    """What the index says of an open story: see OpenStory."""

    id: str
    opened: int
    first: int
    last: int
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Likeness:
    """An open story and its cosines with an article, by words, named things and embedding; None where one has none."""

    story: Head
    words: float | None
    entities: float | None
    vector: float | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A story as the index holds it.

    `terms` are the numbers of all its keys, of words, then (from `words` on) of named things, then (from `both` on) of
    its embedding; `counts` are those of words and named things, `square` the squared length of `vector`.
    """

    story: Head
    terms: NDArray[np.int32]
    counts: NDArray[np.uint16]
    words: int
    both: int
    vector: NDArray[np.int8] | NDArray[np.int16] | None
    square: int

    @property
    def word_counts(self) -> Counted:
        return Counted(self.terms[: self.words], self.counts[: self.words])

    @property
    def entity_counts(self) -> Counted:
        return Counted(self.terms[self.words : self.both], self.counts[self.words :])


class StoryIndex:
    """The open stories. What it answers depends only on which stories are in it, never on how they came there.

    Words weigh by the open stories and by `background` together, named things by the stories alone.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._stories: dict[str, _Entry] = {}
        self._by_number: dict[int, _Entry] = {}
        self._terms = Terms(background)
        self._ends: list[tuple[int, str]] = []
        self._band_names: dict[int, str] = {}
        self._banded: tuple[Vector | None, list[str]] = (None, [])

    def building(self, stories: Iterable[OpenStory | Indexed]) -> Iterator[None]:
        """Fill an empty index, in any order; stops after each piece of the work, so that others get their turn."""
        for count, story in enumerate(stories, start=1):
            self._enter(story, np.array(self._terms.announce(self._keys(story)), dtype=np.int32))
            self._ends.append((story.last, story.id))
            if count % PIECE == 0:
                yield
        entries = self._by_number.values()
        self._terms.fill(list(self._by_number), [entry.terms for entry in entries])
        heapq.heapify(self._ends)

    def __len__(self) -> int:
        return len(self._stories)

    def __contains__(self, story: str) -> bool:
        """Whether the story with this id is open."""
        return story in self._stories

    def put(self, story: OpenStory) -> None:
        """Add a story, or replace it by its newer state."""
        before = self._stories.get(story.id)
        held = before.terms.tolist() if before is not None else ()
        self._enter(story, self._terms.replace(story.opened, held, self._keys(story)).astype(np.int32))
        if before is None:
            heapq.heappush(self._ends, (story.last, story.id))

    def _enter(self, story: OpenStory | Indexed, terms: NDArray[np.int32]) -> None:
        entry = _Entry(
            Head(story.id, story.opened, story.first, story.last, tuple(story.languages)),
            terms,
            _counts((*story.words.values(), *story.entities.values())),
            len(story.words),
            len(story.words) + len(story.entities),
            _packed(story.vector),
            square(story.vector) if story.vector is not None else 0,
        )
        self._stories[story.id] = self._by_number[story.opened] = entry

    def _keys(self, story: OpenStory | Indexed) -> tuple[str, ...]:
        return (*story.words, *story.entities, *self._band_keys(story.vector))

    def expire(self, before: int) -> list[Head]:
        """Take out the stories whose last article was seen before this moment (Unix milliseconds) and return them."""
        expired = []
        while self._ends and self._ends[0][0] < before:
            entry = self._stories.get(heapq.heappop(self._ends)[1])
            if entry is None:
                continue  # it was taken out
            story = entry.story
            if story.last >= before:
                # it has grown since: the heap has one entry a story, which is brought up to date when it comes up
                heapq.heappush(self._ends, (story.last, story.id))
                continue
            self.remove(story.id)
            expired.append(story)
        return expired

    def remove(self, story: str) -> None:
        """Take an open story out."""
        entry = self._stories.pop(story)
        self._terms.drop(entry.story.opened, entry.terms.tolist())
        del self._by_number[entry.story.opened]

    def candidates(self, features: Features) -> list[Likeness]:
        """The CANDIDATES_MAX open stories that share most weight of keys with an article, best first."""
        return self._likenesses(features, self._nearest(features))

    def compare(self, features: Features, story: str) -> Likeness:
        """An open story and its cosines with an article."""
        (likeness,) = self._likenesses(features, [self._stories[story]])
        return likeness

    def _likenesses(self, features: Features, nearest: list[_Entry]) -> list[Likeness]:
        stories = len(self._stories)
        words = self._cosines(
            features.words, [entry.word_counts for entry in nearest], stories + self._background.articles
        )
        entities = self._cosines(features.entities, [entry.entity_counts for entry in nearest], stories)
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
        numbers = np.concatenate(lists)
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
            names, size = self._band_names, len(vector)
            keys = []
            for band, number in enumerate(bands(vector, BAND_BITS, BANDS)):
                place = (size * BANDS + band) << BAND_BITS | number
                # A string that was looked up before knows its hash: half of the stories' time when they are loaded.
                if (name := names.get(place)) is None:
                    name = names[place] = f"#{size}/{band}/{number}"
                keys.append(name)
            self._banded = (vector, keys)
        return self._banded[1]

    def _cosines(self, own: dict[str, int], others: list[Counted], among: int) -> list[float | None]:
        if not own or not others:
            return [None] * len(others)
        found = self._terms.cosines(self._terms.counted(own), others, among)
        return [cosine if len(other.numbers) else None for cosine, other in zip(found, others, strict=True)]


def _vector_cosine(vector: Vector | None, own: int, entry: _Entry) -> float | None:
    other = entry.vector
    if vector is None or other is None or vector.shape != other.shape:
        return None
    return cosine(vector, other.astype(np.int64), own, entry.square)


def _counts(counts: tuple[int, ...]) -> NDArray[np.uint16]:
    return np.minimum(np.array(counts, dtype=np.int64), COUNT_MAX).astype(np.uint16)


def _packed(vector: Vector | None) -> NDArray[np.int8] | NDArray[np.int16] | None:
    """A sum of embeddings in as few bytes as hold it: one embedding is int8, and a sum stays within 16 bits."""
    if vector is None:
        return None
    small = vector.astype(np.int8)
    return small if np.array_equal(small, vector) else vector.astype(np.int16)
