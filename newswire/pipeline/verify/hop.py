"""One topic's records by their place in the wire: those that must stand there, and those that do."""

from collections.abc import Iterable
from dataclasses import dataclass

from newswire.pipeline.verify.report import Fault

_EXPECTED, _FOUND, _MATCHED, _FAULTY = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class _Waiting:
    digest: bytes
    id: str | None
    due: tuple[str, int]
    order: int = 0


class Hop:
    """Compares as the two sides come, in any order and in any portions; holds in memory what has no counterpart yet.

    A place is a number from 0 on without gaps: a raw position or a sequence number. With `ordered`, what is found must
    come in the order of the places. `lost_before` is the first place from which on nothing is gone by retention.
    """

    def __init__(self, topic: str, *, ordered: bool = False) -> None:
        self.topic = topic
        self.compared = 0
        self.faults: list[Fault] = []
        self.lost_before = 0
        self._ordered = ordered
        self._found = 0
        self._last = (-1, -1)
        self._states = bytearray()
        self._waiting: dict[int, _Waiting] = {}

    def expect(self, place: int, digest: bytes, id: str | None, due: tuple[str, int]) -> None:
        """A record that must stand there once a stage has gone past a point: `due` is the stage and its count."""
        waiting = _Waiting(digest, id, due)
        if self._state(place) == _FOUND:
            self._settle(place, waiting, self._waiting.pop(place))
        elif place >= self.lost_before:
            self._states[place] = _EXPECTED
            self._waiting[place] = waiting

    def find(self, place: int, digest: bytes, id: str | None) -> None:
        """A record that stands there."""
        self._found += 1
        found = _Waiting(digest, id, ("", 0), self._found)
        state = self._state(place)
        if state == _EXPECTED:
            self._settle(place, self._waiting.pop(place), found)
        elif state:
            self._fault(Fault("repeated", self.topic, str(place), id))
        else:
            self._states[place] = _FOUND
            self._waiting[place] = found

    def missing(self, done: dict[str, int]) -> Iterable[Fault]:
        """What is due by the stages' counts and is not there."""
        for place, waiting in sorted(self._waiting.items()):
            stage, number = waiting.due
            if stage and number < done.get(stage, 0):
                yield Fault("missing", self.topic, str(place), waiting.id)

    def foreign(self) -> Iterable[Fault]:
        """What is there and comes from no raw record; to be asked when the oracle has seen all of them."""
        for place, waiting in sorted(self._waiting.items()):
            if not waiting.due[0]:
                yield Fault("foreign", self.topic, str(place), waiting.id)

    def pending(self) -> int:
        """Records that are expected and not there yet."""
        return sum(bool(waiting.due[0]) for waiting in self._waiting.values())

    def _settle(self, place: int, expected: _Waiting, found: _Waiting) -> None:
        last_place, last_order = self._last
        if self._ordered and (place > last_place) != (found.order > last_order):
            self._fault(Fault("out of order", self.topic, str(place), found.id, f"against {last_place}"))
        self._last = max(self._last, (place, found.order))
        if expected.digest == found.digest:
            self._states[place] = _MATCHED
            self.compared += 1
        else:
            self._states[place] = _FAULTY
            whose = "" if expected.id == found.id else f"must be article {expected.id}"
            self._fault(Fault("different", self.topic, str(place), found.id, whose))

    def _fault(self, fault: Fault) -> None:
        self.faults.append(fault)

    def _state(self, place: int) -> int:
        if place >= len(self._states):
            self._states.extend(bytes(max(1024, place + 1 - len(self._states))))
        return self._states[place]


class Table:
    """A compacted topic: of each key's records, in their order, some may be gone, but never the newest."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.compared = 0
        self.faults: list[Fault] = []
        self._expected: dict[str, list[bytes]] = {}
        self._found: dict[str, list[bytes]] = {}

    def expect(self, key: str, digest: bytes) -> None:
        """The key's next record."""
        self._expected.setdefault(key, []).append(digest)

    def find(self, key: str, digest: bytes) -> None:
        """A record that stands there; told in the order of the log."""
        self._found.setdefault(key, []).append(digest)

    def compare(self, *, quiet: bool) -> Iterable[Fault]:
        """Match what has come. With `quiet`, nothing is under way: each key's newest record must be there."""
        for key, found in self._found.items():
            expected = self._expected.get(key, [])
            while found and found[0] in expected:
                del expected[: expected.index(found.pop(0)) + 1]
                self.compared += 1
            if found:
                yield Fault("foreign" if key not in self._expected else "different", self.topic, key)
        if quiet:
            for key, expected in self._expected.items():
                if expected and not self._found.get(key):
                    yield Fault("missing", self.topic, key)
