"""How many processes ended on a record: a small mapped file that outlives a kill, though not a power cut."""

import mmap
import os
import struct
from pathlib import Path
from typing import Final, Protocol

_MAGIC: Final = b"NWATTS1\n"
_SLOTS: Final = 64
_NUMBER: Final = struct.Struct("<q")
_PAIR: Final = struct.Struct("<qq")
_MARK_AT: Final = len(_MAGIC)
_COUNTS_AT: Final = _MARK_AT + _NUMBER.size
_SIZE: Final = _COUNTS_AT + _SLOTS * _PAIR.size
_NONE: Final = -1


class Attempts(Protocol):
    """The mark of the record being worked on, and the ends counted for each record."""

    def open(self, position: int) -> dict[int, int]:
        """Count the mark that a former process left, drop what is before `position`, return the ends by offset."""

    def count(self, offset: int) -> int:
        """The processes that ended on this record."""

    def mark(self, offset: int) -> None:
        """This record is being worked on."""

    def clear(self) -> None:
        """No record is being worked on."""

    def committed(self, position: int) -> None:
        """Forget the counts of records before `position`."""

    def close(self) -> None:
        """Let go of the file."""


class NoAttempts:
    """Counts nothing: for a stage without a state folder."""

    def open(self, position: int) -> dict[int, int]:
        """Nothing was counted."""
        return {}

    def count(self, offset: int) -> int:
        """Always 0."""
        return 0

    def mark(self, offset: int) -> None:
        """Not noted."""

    def clear(self) -> None:
        """Nothing to clear."""

    def committed(self, position: int) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to let go of."""


class AttemptsFile:
    """Attempts kept in the file `path`, made anew if it is not one of ours. The caller sees to one owner at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._counts: dict[int, int] = {}
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            known = os.pread(descriptor, len(_MAGIC), 0) == _MAGIC and os.fstat(descriptor).st_size == _SIZE
            if not known:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _MAGIC + _NUMBER.pack(_NONE) + _PAIR.pack(_NONE, 0) * _SLOTS, 0)
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)

    def open(self, position: int) -> dict[int, int]:
        """Count the mark that a former process left, drop what is before `position`, return the ends by offset."""
        for slot in range(_SLOTS):
            offset, count = _PAIR.unpack_from(self._map, _COUNTS_AT + slot * _PAIR.size)
            if offset >= position:
                self._counts[offset] = count
        (marked,) = _NUMBER.unpack_from(self._map, _MARK_AT)
        if marked >= position:
            self._counts[marked] = self._counts.get(marked, 0) + 1
        self._write_counts()
        self.clear()  # after the counts: a kill in between counts one end twice rather than never
        return dict(self._counts)

    def count(self, offset: int) -> int:
        """The processes that ended on this record."""
        return self._counts.get(offset, 0)

    def mark(self, offset: int) -> None:
        """This record is being worked on."""
        _NUMBER.pack_into(self._map, _MARK_AT, offset)

    def clear(self) -> None:
        """No record is being worked on."""
        _NUMBER.pack_into(self._map, _MARK_AT, _NONE)

    def committed(self, position: int) -> None:
        """Forget the counts of records before `position`."""
        if any(offset < position for offset in self._counts):
            self._counts = {offset: count for offset, count in self._counts.items() if offset >= position}
            self._write_counts()

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()

    def _write_counts(self) -> None:
        # the file has room for the latest ones; a partition works on one record at a time, so more never come up
        pairs = sorted(self._counts.items())[-_SLOTS:]
        pairs += [(_NONE, 0)] * (_SLOTS - len(pairs))
        for slot, pair in enumerate(pairs):
            _PAIR.pack_into(self._map, _COUNTS_AT + slot * _PAIR.size, *pair)
