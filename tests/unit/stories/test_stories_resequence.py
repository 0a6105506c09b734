"""The resequencer: any order in, the sequence out, nothing lost, nothing twice."""

from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.state import apply_rows
from newswire.pipeline.stories.resequence import (
    HELD,
    NEXT,
    RELEASED_MAX,
    WAITING,
    Sequenced,
    is_due,
    next_sequence,
    release,
    resequence,
    waiting,
)


def take(state: MemoryState, sequence: int) -> Sequenced:
    found = resequence(state, sequence, b"item %d" % sequence)
    apply_rows(state, found.rows)
    return found


@given(st.integers(1, 40).flatmap(lambda size: st.permutations(range(1, size + 1))))
def test_any_order_comes_out_in_sequence(order: list[int]) -> None:
    state = MemoryState()
    due: list[bytes] = []
    for taken, sequence in enumerate(order, start=1):
        found = take(state, sequence)
        assert found.held == (not found.due)
        due += found.due
        assert waiting(state) == len(list(state.scan(HELD)))
        assert len(due) + waiting(state) == taken
    assert due == [b"item %d" % number for number in range(1, len(order) + 1)]
    assert {**dict(state.scan(b"")), WAITING: b"0"} == {NEXT: b"%d" % (len(order) + 1), WAITING: b"0"}


def test_what_waited_before_it_was_counted_is_counted() -> None:
    state = MemoryState()
    for sequence in (3, 4, 6):
        take(state, sequence)
    state.delete(WAITING)
    take(state, 7)
    assert waiting(state) == 4
    state.delete(WAITING)
    take(state, 2)
    take(state, 1)
    assert waiting(state) == 2


def test_the_first_number_is_1() -> None:
    assert take(MemoryState(), 2).held
    assert take(MemoryState(), 1).due == (b"item 1",)


def test_a_number_that_was_taken_or_waits_is_refused_and_changes_nothing() -> None:
    state = MemoryState()
    for sequence in (1, 2, 4):
        take(state, sequence)
    before = dict(state.scan(b""))
    for sequence in (1, 2, 4):
        found = take(state, sequence)
        assert found.refused is not None
        assert str(sequence) in found.refused
        assert (found.rows, found.due, found.held) == ((), (), False)
    assert dict(state.scan(b"")) == before
    assert next_sequence(state) == 3


def test_any_number_that_waited_for_one_comes_out_bit_by_bit() -> None:
    state, size = MemoryState(), 3 * RELEASED_MAX
    for sequence in range(2, size + 1):
        take(state, sequence)
    due = list(take(state, 1).due)
    assert len(due) == RELEASED_MAX
    assert is_due(state)
    # What comes meanwhile waits behind them, and what waits is not taken twice.
    assert take(state, size + 1).held
    assert take(state, RELEASED_MAX + 1).refused is not None
    while is_due(state):
        found = release(state)
        assert 0 < len(found.due) <= RELEASED_MAX
        apply_rows(state, found.rows)
        due += found.due
    assert due == [b"item %d" % number for number in range(1, size + 2)]
    assert dict(state.scan(b"")) == {NEXT: b"%d" % (size + 2), WAITING: b"0"}
    assert release(state) == Sequenced()
