"""Which letters are open, and how they are told: pure."""

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from newswire.schemas import DeadLetter

ERROR_MAX = 100

# A quote within a word is an apostrophe ("the feed's URL"); a digit within one is part of a name ("raw.v1").
_QUOTED = re.compile(r"""(?<!\w)(['"`])(?:\\.|(?!\1).)*\1(?!\w)""", re.S)
_NUMBER = re.compile(r"\b(?:[0-9a-f]{16,}|\d[\d,._]*)(?!\w)")
_COLON = re.compile(r":(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Group:
    """Open letters of one stage with one kind of error."""

    stage: str
    kind: str
    letters: tuple[DeadLetter, ...]


def open_letters(records: Iterable[DeadLetter]) -> list[DeadLetter]:
    """The letters that no mark closes, in the order of the log. `records` are all of the topic `dead`, in order."""
    found: dict[str, DeadLetter] = {}
    for record in records:
        if record.state == "open":
            found[record.letter] = record
        else:
            found.pop(record.letter, None)
    return list(found.values())


def group_letters(letters: Iterable[DeadLetter]) -> list[Group]:
    """By stage and kind of error, the largest group first; a group's letters stay in the order given."""
    groups: dict[tuple[str, str], list[DeadLetter]] = {}
    for letter in letters:
        groups.setdefault((letter.stage, kind_of(letter.error)), []).append(letter)
    found = [Group(stage, kind, tuple(members)) for (stage, kind), members in groups.items()]
    return sorted(found, key=lambda group: (-len(group.letters), group.stage, group.kind))


def kind_of(error: str) -> str:
    """What errors of one kind have in common, in a line: up to the first colon, numbers and quoted parts left out.

    What stands behind the colon, and a number or a quotation before it, says which record it was.
    """
    head = _COLON.split(_QUOTED.sub("'…'", error), maxsplit=1)[0]
    return shorten(_NUMBER.sub("…", head)) or shorten(error)


def shorten(error: str) -> str:
    """The beginning of an error in a line."""
    line = " ".join(error.split())
    return line if len(line) <= ERROR_MAX else line[: ERROR_MAX - 1] + "…"


def value_of(letter: DeadLetter) -> bytes | None:
    """The record's bytes as far as the letter keeps them (see its `cut`)."""
    if letter.value is None:
        return None
    return b64decode(letter.value) if letter.encoding == "base64" else letter.value.encode()


def closing_mark(letter: DeadLetter, state: Literal["retried", "discarded"]) -> DeadLetter:
    """The mark that closes a letter, and why. It keeps no record."""
    return letter.model_copy(update={"state": state, "key": None, "value": None, "encoding": "text"})
