"""The keys of the open stories as small numbers, so that arrays can count and weigh them.

An inverted index (as in Petrovic et al. 2010 and every search engine): a key lists the stories that have it. Its
length is the key's story frequency, so that the weights follow from the open stories, and a background that never
changes, and need no row.
"""

import math
from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.stories.background import Background

ONE = 256
"""The integer that a weight of 1 is: sums of integers do not depend on their order."""

COUNT_MAX = 30_000
"""A larger count weighs as this one: squares of weighed counts, summed up, stay within 64 bits."""

I64 = NDArray[np.int64]
Numbers = NDArray[np.integer]
_ZERO: I64 = np.zeros(1, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Counted:
    """Keys of a story by their numbers, each with its count."""

    numbers: Numbers
    counts: Numbers


@dataclass(frozen=True, slots=True)
class Sought:
    """Keys with their counts: those that some story has, and the others, which weigh by the background alone.

    `absent` are the counts of the others, and `priors` in how many of the background's articles each stands.
    """

    known: Counted
    absent: I64
    priors: I64


class Terms:
    """Which open stories (by a number of the caller's) have which keys. Numbers of keys without a story are reused."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._numbers: dict[str, int] = {}
        self._keys: list[str] = []
        # In order, 8 bytes each: a set takes five times as much, and half of a process with 100,000 stories was sets.
        self._stories: list[array[int]] = []
        self._free: list[int] = []
        self._frequencies: I64 = np.zeros(1024, dtype=np.int64)
        self._priors: I64 = np.zeros(1024, dtype=np.int64)
        self._own: I64 = np.zeros(1024, dtype=np.int64)
        self._logarithms: I64 = np.zeros(1, dtype=np.int64)

    def __len__(self) -> int:
        """Keys that some story has."""
        return len(self._numbers)

    def announce(self, keys: Iterable[str]) -> list[int]:
        """The numbers of keys, in order, for a story that `fill` then puts under them."""
        return self._numbered(keys)

    def fill(self, stories: Sequence[int], numbers: Sequence[Numbers]) -> None:
        """Put all stories at once under the keys with these numbers, each once; nothing stands under any key before."""
        if not stories:
            return
        ordered, ranks = np.unique(np.array(stories, dtype=np.int64), return_inverse=True)
        # A pair is a key's number and a story's rank; there are millions, so each step is done in place.
        pairs = np.concatenate(numbers, dtype=np.uint64, casting="unsafe")
        pairs <<= np.uint64(32)
        pairs |= np.repeat(ranks.astype(np.uint32), [len(own) for own in numbers])
        pairs.sort()
        ends = np.searchsorted(pairs, np.arange(1, len(self._stories) + 1, dtype=np.uint64) << np.uint64(32))
        self._frequencies[: len(ends)] = np.diff(ends, prepend=0)
        pairs &= np.uint64(0xFFFF_FFFF)
        start = 0
        for place, end in enumerate(ends.tolist()):
            self._stories[place].frombytes(ordered[pairs[start:end].astype(np.int64)].tobytes())
            start = end

    def replace(self, story: int, before: Iterable[int], keys: Iterable[str]) -> I64:
        """Put a story under `keys`, each once, instead of those with the numbers `before`; their numbers in order."""
        numbers = self._numbered(keys)
        old, new = set(before), set(numbers)
        added = list(new - old)
        for number in added:
            stories = self._stories[number]
            if not stories or stories[-1] < story:
                stories.append(story)
            else:
                insort(stories, story)
        self._frequencies[added] += 1
        self.drop(story, old - new)
        return np.array(numbers, dtype=np.int64)

    def drop(self, story: int, numbers: Iterable[int]) -> None:
        """Take a story from under the keys with these numbers, each once."""
        for number in numbers:
            stories = self._stories[number]
            del stories[bisect_left(stories, story)]
            self._frequencies[number] -= 1
            if not stories:
                del self._numbers[self._keys[number]]
                self._free.append(number)

    def rarest(self, keys: Iterable[str], limit: int) -> list[I64]:
        """The stories of each key that has some, the rarest keys first, as long as they are `limit` in all."""
        known = ((key, number) for key in keys if (number := self._numbers.get(key)) is not None)
        found = sorted((len(self._stories[number]), key, number) for key, number in known)
        lists, room = [], limit
        for frequency, _, number in found:
            room -= frequency
            if room < 0:
                break
            lists.append(np.array(self._stories[number], dtype=np.int64))
        return lists

    def counted(self, counts: Mapping[str, int]) -> Sought:
        """Counts by key as arrays, each COUNT_MAX at most."""
        numbers, known, absent, priors = [], [], [], []
        for key, count in counts.items():
            number, count = self._numbers.get(key), min(count, COUNT_MAX)
            if number is None:
                absent.append(count)
                priors.append(self._background.having.get(key, 0))
            else:
                numbers.append(number)
                known.append(count)
        return Sought(Counted(_array(numbers), _array(known)), _array(absent), _array(priors))

    def cosines(self, one: Sought, others: list[Counted], stories: int) -> list[float]:
        """The cosine of one vector of counts with each of the others, 0 where nothing is shared.

        A count times its key's weight is a part of the vector; the weight is the logarithm of the inverse share of
        `stories`, the open ones and where the background has such keys its articles, that have the key, in 1/256.
        All is integers up to the last division.
        """
        full = self.logarithm(stories + 1)
        own = one.known
        known = own.counts * self._weights(own.numbers, full)
        absent = one.absent * (full - self._logarithms[one.priors])
        square = int(np.square(known).sum() + np.square(absent).sum())
        sizes = [len(other.numbers) for other in others]
        # reduceat has no empty parts: each vector is closed by a count of nothing
        numbers = np.concatenate([part for other in others for part in (other.numbers, _ZERO)])
        counts = np.concatenate([part for other in others for part in (other.counts, _ZERO)])
        starts = np.cumsum([0, *(size + 1 for size in sizes[:-1])])
        weights = self._weights(numbers, full)
        weighed = counts * weights
        squares = np.add.reduceat(np.square(weighed), starts).tolist()
        self._own[own.numbers] = own.counts
        products = np.add.reduceat(self._own[numbers] * weights * weighed, starts).tolist()
        self._own[own.numbers] = 0
        return [
            product / math.sqrt(square * other) if product else 0.0
            for product, other in zip(products, squares, strict=True)
        ]

    def logarithm(self, number: int) -> int:
        """The base-2 logarithm in 1/256, rounded; 0 for 0."""
        known = len(self._logarithms)
        if number >= known:
            more = [round(ONE * math.log2(n)) for n in range(known, max(number + 1, 2 * known))]
            self._logarithms = np.concatenate((self._logarithms, np.array(more, dtype=np.int64)))
        return int(self._logarithms[number])

    def _weights(self, numbers: Numbers, full: int) -> I64:
        weights: I64 = full - self._logarithms[self._frequencies[numbers] + self._priors[numbers]]
        return weights

    def _numbered(self, keys: Iterable[str]) -> list[int]:
        keys = tuple(keys)
        known = list(map(self._numbers.get, keys))
        return [self._new_number(key) if number is None else number for key, number in zip(keys, known, strict=True)]

    def _new_number(self, key: str) -> int:
        if self._free:
            number = self._free.pop()
            self._keys[number] = key
        else:
            number = len(self._keys)
            self._keys.append(key)
            self._stories.append(array("q"))
            if number == len(self._frequencies):
                self._frequencies = np.concatenate((self._frequencies, np.zeros_like(self._frequencies)))
                self._priors = np.concatenate((self._priors, np.zeros_like(self._priors)))
                self._own = np.zeros_like(self._frequencies)
        self._numbers[key] = number
        self._priors[number] = self._background.having.get(key, 0)
        return number


def _array(numbers: list[int]) -> I64:
    return np.array(numbers, dtype=np.int64)
