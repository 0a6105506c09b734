"""The input position as a row of the state: what must agree with the group's committed offset, or nothing starts."""

import json
import uuid
from dataclasses import dataclass
from typing import Final

from newswire.pipeline.stage.errors import StateMismatch

POSITION_KEY: Final = b"\0position"


@dataclass(frozen=True, slots=True)
class InputPosition:
    """The next input offset, how many records were committed so far, and which life of the changelog this is.

    `life` is drawn once, when a partition starts for the first time: a local cache of another life (a namespace
    that was deleted and made again) is seen by it.
    """

    offset: int
    records: int
    life: str

    @classmethod
    def first(cls, offset: int) -> "InputPosition":
        """The position of a partition that starts for the first time."""
        return cls(offset, 0, uuid.uuid4().hex[:16])

    @classmethod
    def decode(cls, row: bytes) -> "InputPosition":
        """From the row; raises ValueError, KeyError on anything else."""
        fields = json.loads(row)
        return cls(int(fields["offset"]), int(fields["records"]), str(fields["life"]))

    def encode(self) -> bytes:
        """The row's value."""
        return json.dumps({"offset": self.offset, "records": self.records, "life": self.life}).encode()

    def advanced(self, offset: int, records: int) -> "InputPosition":
        """The position after `records` more records."""
        return InputPosition(offset, self.records + records, self.life)


def check_position(
    row: bytes | None, committed: int | None, *, rows_present: bool, start: int, end: int, group: str, changelog: str
) -> InputPosition | None:
    """The position to go on from, or None for a first start.

    `row` is the state's position row, `committed` the group's offset, `rows_present` whether the state has any row,
    `start` and `end` the input log's offsets. Raises StateMismatch where they contradict each other.
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
    return position
