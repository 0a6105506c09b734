"""Comparing a topic's records by place, whichever side comes first."""

import random

import pytest

from newswire.pipeline.verify.hop import Hop, Table

DUE = ("cluster", 0)


def filled(order: list[tuple[str, int]], *, ordered: bool = False) -> Hop:
    """A hop that was told what is expected ("e") and found ("f") at places, in this order."""
    hop = Hop("enriched", ordered=ordered)
    for side, place in order:
        if side == "e":
            hop.expect(place, b"%d" % place, f"id{place}", ("cluster", place))
        else:
            hop.find(place, b"%d" % place, f"id{place}")
    return hop


@pytest.mark.parametrize("seed", range(20))
def test_equal_sides_match_in_any_order(seed: int) -> None:
    chance = random.Random(seed)
    order = [(side, place) for side in "ef" for place in range(50)]
    chance.shuffle(order)
    hop = filled(order)
    assert hop.compared == 50
    assert not hop.faults
    assert not list(hop.missing({"cluster": 50}))
    assert not list(hop.foreign())
    assert hop.pending() == 0


@pytest.mark.parametrize("order", ["ef", "fe"])
def test_another_digest_is_different(order: str) -> None:
    hop = Hop("enriched")
    for side in order:
        if side == "e":
            hop.expect(3, b"right", "id3", DUE)
        else:
            hop.find(3, b"wrong", "id4")
    (fault,) = hop.faults
    assert (fault.kind, fault.place, fault.id) == ("different", "3", "id4")
    assert "id3" in fault.detail
    assert hop.compared == 0


def test_a_second_record_at_a_place_is_repeated_before_and_after_it_is_matched() -> None:
    hop = filled([("f", 1), ("f", 1), ("e", 1), ("f", 1)])
    assert [fault.kind for fault in hop.faults] == ["repeated", "repeated"]
    assert hop.compared == 1


def test_what_is_not_due_is_not_missing() -> None:
    hop = filled([("e", 0), ("e", 1), ("e", 2), ("f", 0)])
    assert [fault.place for fault in hop.missing({"cluster": 2})] == ["1"]
    assert [fault.place for fault in hop.missing({})] == []
    assert hop.pending() == 2


def test_what_nobody_expects_is_foreign() -> None:
    hop = filled([("e", 0), ("f", 0), ("f", 9)])
    assert [(fault.kind, fault.place) for fault in hop.foreign()] == [("foreign", "9")]


@pytest.mark.parametrize("first", ["expected", "found"])
def test_records_that_stand_in_another_order(first: str) -> None:
    expected = [("e", place) for place in range(4)]
    found = [("f", place) for place in (0, 2, 1, 3)]
    order = expected + found if first == "expected" else found + expected
    hop = filled(order, ordered=True)
    assert {fault.kind for fault in hop.faults} == {"out of order"}
    assert not filled(order).faults


def test_a_table_may_have_lost_all_but_the_newest_of_a_key() -> None:
    table = Table("stories")
    for digest in (b"1", b"2", b"3"):
        table.expect("s", digest)
    table.find("s", b"3")
    assert not list(table.compare(quiet=True))
    assert table.compared == 1


@pytest.mark.parametrize(
    ("found", "kind"),
    [([b"1", b"2"], "missing"), ([b"1", b"3", b"2"], "different"), ([b"3", b"3"], "different"), ([b"x"], "different")],
)
def test_a_table_whose_newest_is_gone_or_whose_order_is_another(found: list[bytes], kind: str) -> None:
    table = Table("stories")
    for digest in (b"1", b"2", b"3"):
        table.expect("s", digest)
    for digest in found:
        table.find("s", digest)
    assert {fault.kind for fault in table.compare(quiet=True)} == {kind}


def test_a_key_of_nobody_is_foreign() -> None:
    table = Table("stories")
    table.find("s", b"1")
    assert [fault.kind for fault in table.compare(quiet=False)] == ["foreign"]
