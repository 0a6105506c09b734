"""The input position as a row of the state: what must agree with the group's committed offset, or nothing starts."""

import json
import uuid
from dataclasses import asdict, dataclass, replace
from typing import Final

from newswire.pipeline.stage.errors import StateMismatch
from newswire.version import __version__

POSITION_KEY: Final = b"\0position"


OTHER_VERSION: Final = (
    "run the newswire that wrote it, or replay its raw records into a new namespace (newswire replay"
    " namespace:NAME --namespace NEW), or delete the namespace"
)
"""What to do about a state of another version."""


@dataclass(frozen=True, slots=True)
class InputPosition:
    """The next input offset, how many records were committed so far, and which life of the changelog this is.

    `life` is drawn once, when a partition starts for the first time: a local cache of another life (a namespace
    that was deleted and made again) is seen by it. `version` is that of the format of the state's rows (a row without
    one is of version 1), `software` the release of newswire that wrote the position ("" where it does not say).
    """

    offset: int
    records: int
    life: str
    version: int = 1
    software: str = __version__

    @classmethod
    def first(cls, offset: int, version: int = 1) -> "InputPosition":
        """The position of a partition that starts for the first time."""
        return cls(offset, 0, uuid.uuid4().hex[:16], version)

    @classmethod
    def decode(cls, row: bytes) -> "InputPosition":
        """From the row; raises ValueError, KeyError, TypeError on anything else."""
        fields = json.loads(row)
        return cls(
            int(fields["offset"]),
            int(fields["records"]),
            str(fields["life"]),
            int(fields.get("version", 1)),
            str(fields.get("software", "")),
        )

    def encode(self) -> bytes:
        """The row's value."""
        return json.dumps(asdict(self)).encode()

    def advanced(self, offset: int, records: int) -> "InputPosition":
        """The position after `records` more records, which this software took."""
        return InputPosition(offset, self.records + records, self.life, self.version)

    def explain_version(self, versions: range) -> str:
        """What to say of a state of another version than those that this code reads."""
        by = f"newswire {self.software}" if self.software else "an early newswire"
        reads = f"format {versions[-1]}" if len(versions) == 1 else f"formats {versions[0]} to {versions[-1]}"
        return f"was written by {by} in format {self.version}, and newswire {__version__} reads {reads}"


def check_position(
    row: bytes | None,
    committed: int | None,
    *,
    rows_present: bool,
    start: int,
    end: int,
    group: str,
    changelog: str,
    versions: range = range(1, 2),
) -> InputPosition | None:
    """The position to go on from, or None for a first start.

    `row` is the state's position row, `committed` the group's offset, `rows_present` whether the state has any row,
    `start` and `end` the input log's offsets, `versions` the formats of rows that this code reads; it writes the last,
    and so will the position. Raises StateMismatch where they contradict each other.
    """
    if row is None:
        if committed is None and not rows_present:
            return None
        what = f"the group has offset {committed}" if committed is not None else "the state has rows"
        raise StateMismatch(
            f"{what} but the state of {group} has no input position: the changelog {changelog} was emptied or is"
            f" not the one this group worked with. Bring it back; or, to begin again with nothing, delete group"
            f" {group}, {changelog} and the state folder together"
        )
    position = InputPosition.decode(row)
    if position.version not in versions:
        raise StateMismatch(f"the state of {group} {position.explain_version(versions)}: {OTHER_VERSION}")
    if committed != position.offset:
        raise StateMismatch(
            f"the state of {group} stands at input offset {position.offset}, the group at {committed}: one of them was"
            f" changed from outside. Set the group's offset to {position.offset} (kafka-consumer-groups"
            f" --reset-offsets --to-offset {position.offset}); or, to begin again with nothing, delete group {group},"
            f" {changelog} and the state folder together"
        )
    if not start <= position.offset <= end:
        raise StateMismatch(
            f"{group} stands at input offset {position.offset}, the log has {start} to {end}: its records were deleted"
            " before they were read (raise the topic's retention), or the topic was made anew (delete the group, the"
            " changelog and the state folder with it)"
        )
    return replace(position, version=versions[-1])
