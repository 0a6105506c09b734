"""Which letters are open, and how they are told: pure."""

from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass

from newswire.schemas import DeadLetter

ERROR_MAX = 100


@dataclass(frozen=True, slots=True)
class Group:
    """Open letters of one stage with one error."""

    stage: str
    error: str
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
    """By stage and the beginning of the error, the largest group first."""
    groups: dict[tuple[str, str], list[DeadLetter]] = {}
    for letter in letters:
        groups.setdefault((letter.stage, shorten(letter.error)), []).append(letter)
    found = [Group(stage, error, tuple(members)) for (stage, error), members in groups.items()]
    return sorted(found, key=lambda group: (-len(group.letters), group.stage, group.error))


def shorten(error: str) -> str:
    """The beginning of an error in a line."""
    line = " ".join(error.split())
    return line if len(line) <= ERROR_MAX else line[: ERROR_MAX - 1] + "…"


def value_of(letter: DeadLetter) -> bytes | None:
    """The record's bytes as far as the letter keeps them (see its `cut`)."""
    if letter.value is None:
        return None
    return b64decode(letter.value) if letter.encoding == "base64" else letter.value.encode()


def closing_mark(letter: DeadLetter) -> DeadLetter:
    """The mark that closes a letter because it was retried. It keeps no record."""
    return letter.model_copy(update={"state": "retried", "key": None, "value": None, "encoding": "text"})
