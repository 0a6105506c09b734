"""The resequencer: any order in, the sequence out, nothing lost, nothing twice."""

from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.state import apply_rows
from newswire.pipeline.stories.resequence import HELD, NEXT, Sequenced, next_sequence, resequence


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
        assert len(due) + len(list(state.scan(HELD))) == taken
    assert due == [b"item %d" % number for number in range(1, len(order) + 1)]
    assert dict(state.scan(b"")) == {NEXT: b"%d" % (len(order) + 1)}


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
