"""When the feeds get how many new entries. Time and randomness are passed in."""

import random
from typing import Protocol

BACKLOG = 300
"""Articles under way at full speed: enough for the encoder never to wait, few enough for a slow one's retention."""
BEHIND_SECONDS = 10.0
BEHIND_MIN = 100


class Load(Protocol):
    """Says how many articles are due."""

    def due(self, now: float, under_way: int) -> int:
        """How many to release at `now` (seconds), when `under_way` are released and have no outcome yet."""


class ClosedLoop:
    """A new article for each that has ended, so that as many as BACKLOG are under way."""

    def due(self, now: float, under_way: int) -> int:
        """What is missing from the backlog."""
        return max(0, BACKLOG - under_way)


class OpenLoop:
    """Articles at a mean rate at random moments (a Poisson process), whether or not the service keeps up.

    One that falls BEHIND_SECONDS behind gets no more: it would lose articles to the retention.
    """

    def __init__(self, rate: float, chance: random.Random) -> None:
        """`rate`: articles a second."""
        self._rate = rate
        self._chance = chance
        self._next: float | None = None
        self._limit = max(BEHIND_MIN, int(rate * BEHIND_SECONDS))
        self.held_back = 0

    def due(self, now: float, under_way: int) -> int:
        """The arrivals up to `now`."""
        if self._next is None:
            self._next = now + self._chance.expovariate(self._rate)
        count = 0
        while self._next <= now:
            self._next += self._chance.expovariate(self._rate)
            if under_way + count < self._limit:
                count += 1
            else:
                self.held_back += 1
        return count
