"""A resequencer (Hohpe and Woolf 2003, "Enterprise Integration Patterns"): records in any order in, in sequence out.

The sequence is dense from 1. What comes early waits as a row of the state, so that a restart forgets nothing. How many
wait is a row too, for the ledger.
"""

from dataclasses import dataclass

from newswire.pipeline.state import Row, State

NEXT = b"next"
HELD = b"held/"
WAITING = b"waiting"
RELEASED_MAX = 100
"""Items that one call gives out at most: thousands may wait for one, and a transaction has its time."""


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What a record leads to: the changes of the state, and the items that are due now, in order.

    `held`: the record itself waits. `refused`: why it has no place in the sequence (then nothing changes).
    """

    rows: tuple[Row, ...] = ()
    due: tuple[bytes, ...] = ()
    held: bool = False
    refused: str | None = None


def resequence(state: State, sequence: int, item: bytes) -> Sequenced:
    """Take the item with this number. Pure: the caller carries out `rows`.

    The first item of `due`, when there is one, is `item` itself; the rest waited for it. When more than RELEASED_MAX
    did, `release` gives them out.
    """
    expected = next_sequence(state)
    if sequence < expected:
        return Sequenced(refused=f"sequence {sequence} was taken before: {expected} is next")
    if state.get(_held(sequence)) is not None:
        return Sequenced(refused=f"sequence {sequence} waits already")
    if sequence > expected:
        return Sequenced(rows=((_held(sequence), item), (WAITING, b"%d" % (waiting(state) + 1))), held=True)
    return _due(state, expected + 1, [item])


def release(state: State) -> Sequenced:
    """Give out items whose turn has come and that still wait. Pure: the caller carries out `rows`."""
    return _due(state, next_sequence(state), []) if is_due(state) else Sequenced()


def is_due(state: State) -> bool:
    """Whether the item that is next waits already: `release` has something to give out."""
    return state.get(_held(next_sequence(state))) is not None


def _due(state: State, expected: int, due: list[bytes]) -> Sequenced:
    rows: list[Row] = []
    while len(due) < RELEASED_MAX and (held := state.get(_held(expected))) is not None:
        due.append(held)
        rows.append((_held(expected), None))
        expected += 1
    if rows:
        rows.append((WAITING, b"%d" % (waiting(state) - len(rows))))
    return Sequenced(rows=(*rows, (NEXT, b"%d" % expected)), due=tuple(due))


def next_sequence(state: State) -> int:
    """The number that is due next."""
    kept = state.get(NEXT)
    return int(kept) if kept is not None else 1


def waiting(state: State) -> int:
    """How many items wait."""
    kept = state.get(WAITING)
    return int(kept) if kept is not None else sum(1 for _ in state.scan(HELD))


def _held(sequence: int) -> bytes:
    return HELD + b"%d" % sequence
