"""What a verification found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["missing", "different", "repeated", "foreign", "out of order", "open transaction"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One record that breaks the guarantee: on which topic (without namespace), where, whose, and how."""

    kind: FaultKind
    topic: str
    place: str
    id: str | None = None
    detail: str = ""

    def __str__(self) -> str:
        parts = (f"{self.topic}: {self.kind} at {self.place}", f"article {self.id}" if self.id else "", self.detail)
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared, and the faults.

    `records`: raw records that the oracle has gone through, `rebuilt` of them made again from the archive, since
    retention had taken them. `compared`: records by topic that are as they must be.
    `in_flight`: raw records whose outcome is not due yet. `recorded`: analyses that were taken from `analyzed` and not
    made again. `excused`: records that ended the process again and again, which no oracle can foresee. `strays`:
    records of others that the stages refused. `faults` holds the first ones of `found`. `partial` says why not all
    could be compared, None when it was.
    """

    records: int
    compared: Mapping[str, int]
    in_flight: int
    recorded: int
    excused: int
    strays: int
    found: int
    faults: tuple[Fault, ...]
    partial: str | None = None
    rebuilt: int = 0

    @property
    def holds(self) -> bool:
        """Whether the guarantee holds."""
        return not self.found
