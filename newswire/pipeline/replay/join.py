"""Which raw records of a namespace match a condition on the enriched records that it made of them. Pure.

A raw record is known by its position, its outcome has position, id and revision, its enriched record id and revision.
"""

import orjson

from newswire.pipeline.replay.where import Where
from newswire.schemas import Outcome
from newswire.schemas.common import ContractError

_EMITTED = ("emitted", "updated")


class Join:
    """Give it all enriched records, then all outcomes, then `settle` it and ask.

    Of a record that was retried the newest enriched record counts. Memory: some 100 bytes for each enriched record
    that matches until it is settled, then one byte a position.
    """

    def __init__(self, where: Where, first: int) -> None:
        """`first`: the smallest position that will be asked for."""
        self._where = where
        self._first = first
        self._matching: set[bytes] = set()
        self._retried: dict[int, int] = {}
        self._marks = bytearray()

    def add_enriched(self, value: bytes | None) -> None:
        """A record of `enriched`; what is none is passed over."""
        try:
            record = orjson.loads(value or b"")
            key = _key(record["id"], record["revision"])
        except (ValueError, TypeError, KeyError, OverflowError):
            return
        if self._where.holds(record):
            self._matching.add(key)

    def add_outcome(self, value: bytes | None) -> None:
        """A record of `outcomes`; what is none is passed over."""
        try:
            outcome = Outcome.decode(value)
            position, superseded = outcome.position, outcome.supersedes
            if superseded is not None:
                # a retry's letter may be retried again: all of them stand for the first record
                first = self._retried.get(superseded, superseded)
                self._retried[position], position = first, first
            if outcome.outcome not in _EMITTED or outcome.id is None or outcome.revision is None:
                return
            matches = _key(outcome.id, outcome.revision) in self._matching
        except (ContractError, ValueError, OverflowError):
            return
        index = position - self._first
        if index >= 0:
            self._marks.extend(bytes(max(0, index + 1 - len(self._marks))))
            self._marks[index] = matches

    def settle(self) -> None:
        """Let go of what only the reading needed."""
        self._matching.clear()
        self._retried.clear()

    def holds(self, position: int) -> bool:
        """Whether the raw record at this position has an enriched record that matches."""
        index = position - self._first
        return 0 <= index < len(self._marks) and self._marks[index] == 1


def _key(id: str, revision: int) -> bytes:
    return bytes.fromhex(id) + revision.to_bytes(4)
