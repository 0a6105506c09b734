"""Which letters a user means: pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from newswire.schemas import DeadLetter


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a letter must fulfil, all of it; nothing given wants every letter.

    `ids`: letters or articles, one of which it must be (or be of). `stage`: where it failed. `error`: a part of its
    error in any case of letters, in which `*` stands for anything.
    """

    ids: tuple[str, ...] = ()
    stage: str | None = None
    error: str | None = None

    def choose(self, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        """Those of the letters that are wanted, in their order."""
        pattern = None if self.error is None else _pattern(self.error)
        return [letter for letter in letters if self._fits(letter, pattern)]

    def unknown(self, letters: Iterable[DeadLetter]) -> list[str]:
        """The ids that none of the letters has, each once."""
        known = {name for letter in letters for name in _names(letter)}
        return [id for id in dict.fromkeys(self.ids) if id not in known]

    def _fits(self, letter: DeadLetter, pattern: re.Pattern[str] | None) -> bool:
        if self.ids and not _names(letter).intersection(self.ids):
            return False
        if self.stage is not None and letter.stage != self.stage:
            return False
        return pattern is None or pattern.search(letter.error) is not None


def _names(letter: DeadLetter) -> set[str]:
    # the key of a raw record is its article's id, which prepare does not tell of what it could not prepare
    return {name for name in (letter.letter, letter.id, letter.key) if name}


def _pattern(error: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, error.split("*"))), re.IGNORECASE | re.DOTALL)
