"""When in its second each feed is polled: a feed's row names a whole one, and what comes at once waits for each other.

With 300 feeds polled every 5 s, 15.5 articles/s and 33 ms of work an article, 99 of 100 articles wait at most 168 ms in
a simulated queue, and 203 ms where each feed has a random moment (python -m bench.moments).
"""

from zlib import crc32

MOMENTS = 32
"""In a second; a power of two. With one for each feed the pollers would wake up for each poll."""


class Moments:
    """The moments that the feeds of a process are polled at, spread evenly over each second; not thread-safe.

    `name` tells the process from others, so that they do not all begin at the same moment.
    """

    def __init__(self, name: str) -> None:
        self._shift = crc32(name.encode()) / 2**32
        self._taken: dict[int, list[int]] = {}
        self._places: dict[str, tuple[int, int]] = {}

    def take(self, url: str, second: int) -> float:
        """The moment for a feed's poll in this second (Unix seconds), the emptiest; the same one while it stays due."""
        held = self._places.get(url)
        if held is None or held[0] != second:
            self.forget(url)
            taken = self._taken.setdefault(second, [0] * MOMENTS)
            place = min(range(MOMENTS), key=taken.__getitem__)
            taken[place] += 1
            held = self._places[url] = second, place
        return second + (_spread(held[1]) + self._shift) % 1.0

    def forget(self, url: str) -> None:
        """The feed is polled no more by this process; nothing happens when it was not."""
        if (held := self._places.pop(url, None)) is None:
            return
        second, place = held
        taken = self._taken[second]
        taken[place] -= 1
        if not any(taken):
            del self._taken[second]


def _spread(place: int) -> float:
    """The place's part of a second, from 0 to 1: the first so many places are always about evenly spread.

    The sequence of van der Corput (1935): the binary digits in reverse.
    """
    bits = MOMENTS.bit_length() - 1
    return sum(1 << bits - 1 - bit for bit in range(bits) if place >> bit & 1) / MOMENTS
