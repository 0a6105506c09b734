"""The open stories in memory, found by their words, named things and embedding; all of it can be built from the rows.

An inverted index (as in Petrovic et al. 2010 and every search engine): a key lists the stories that have it. Its
length is the key's story frequency, so that the weights follow from the open stories alone and need no row.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from newswire.pipeline.stories.story import Features, OpenStory
from newswire.pipeline.stories.vectors import Vector, bands

POSTINGS_MAX = 1_000
"""Entries that one look-up reads, rarest keys first: what a key of everyday words lists is not worth reading."""

CANDIDATES_MAX = 8
BAND_BITS = 12
BANDS = 16
ONE = 256
"""The integer that a weight of 1 is: sums of integers do not depend on their order."""


class StoryIndex:
    """The open stories. What it answers depends only on which stories are in it, never on how they came there."""

    def __init__(self, stories: Iterable[OpenStory] = ()) -> None:
        self._stories: dict[str, OpenStory] = {}
        self._by_number: dict[int, OpenStory] = {}
        self._postings: defaultdict[str, set[int]] = defaultdict(set)
        self._ends: list[tuple[int, str]] = []
        self._logarithms = [0]
        for story in stories:
            self.put(story)

    def __len__(self) -> int:
        return len(self._stories)

    def get(self, story: str) -> OpenStory | None:
        """An open story by its id."""
        return self._stories.get(story)

    def put(self, story: OpenStory) -> None:
        """Add a story, or replace it by its newer state."""
        before = self._stories.get(story.id)
        old, new = set(_keys_of(before)) if before is not None else set(), set(_keys_of(story))
        for key in old - new:
            self._drop(key, story.opened)
        for key in new - old:
            self._postings[key].add(story.opened)
        self._stories[story.id] = self._by_number[story.opened] = story
        if before is None:
            heapq.heappush(self._ends, (story.last, story.id))

    def expire(self, before: int) -> list[OpenStory]:
        """Take out the stories whose last article was seen before this moment (Unix milliseconds) and return them."""
        expired = []
        while self._ends and self._ends[0][0] < before:
            story = self._stories[heapq.heappop(self._ends)[1]]
            if story.last >= before:
                # it has grown since: the heap has one entry a story, which is brought up to date when it comes up
                heapq.heappush(self._ends, (story.last, story.id))
                continue
            for key in _keys_of(story):
                self._drop(key, story.opened)
            del self._stories[story.id], self._by_number[story.opened]
            expired.append(story)
        return expired

    def squares(self, counts: Mapping[str, int]) -> int:
        """The squared length of a vector of counts, each count times its key's weight.

        The weight is the logarithm of the inverse share of the open stories that have the key, in 1/256.
        """
        # written out, as it is most of the time that an article takes
        total, logarithms, postings = 0, self._logarithms, self._postings
        full = self._logarithm(len(self._stories) + 1)
        for key, count in counts.items():
            stories = postings.get(key)
            total += (count * (full - logarithms[len(stories)] if stories else full)) ** 2
        return total

    def product(self, one: Mapping[str, int], other: Mapping[str, int]) -> int:
        """The inner product of two such vectors."""
        total, logarithms, postings = 0, self._logarithms, self._postings
        full = self._logarithm(len(self._stories) + 1)
        for key, count in one.items():
            if (matching := other.get(key)) is not None:
                stories = postings.get(key)
                total += count * matching * (full - logarithms[len(stories)] if stories else full) ** 2
        return total

    def candidates(self, features: Features) -> list[OpenStory]:
        """The CANDIDATES_MAX open stories that share most weight of keys with an article, best first."""
        found = sorted(
            (len(numbers), key)
            for key in _keys(features.words, features.entities, features.vector)
            if (numbers := self._postings.get(key))
        )
        sums: defaultdict[int, int] = defaultdict(int)
        full = self._logarithm(len(self._stories) + 1)
        room = POSTINGS_MAX
        for frequency, key in found:
            room -= frequency
            if room < 0:
                break
            weight = full - self._logarithms[frequency]
            for number in self._postings[key]:
                sums[number] += weight
        best = heapq.nsmallest(CANDIDATES_MAX, sums, key=lambda number: (-sums[number], number))
        return [self._by_number[number] for number in best]

    def _logarithm(self, number: int) -> int:
        logarithms = self._logarithms
        while len(logarithms) <= number:
            logarithms.append(round(ONE * math.log2(len(logarithms))))
        return logarithms[number]

    def _drop(self, key: str, number: int) -> None:
        numbers = self._postings[key]
        numbers.discard(number)
        if not numbers:
            del self._postings[key]


def _keys_of(story: OpenStory) -> Iterable[str]:
    return _keys(story.words, story.entities, story.vector)


def _keys(words: Iterable[str], entities: Iterable[str], vector: Vector | None) -> Iterable[str]:
    yield from words
    yield from entities
    if vector is not None:
        # the vector's length is part of the key: embeddings of different models have nothing in common
        for band, number in enumerate(bands(vector, BAND_BITS, BANDS)):
            yield f"#{len(vector)}/{band}/{number}"
