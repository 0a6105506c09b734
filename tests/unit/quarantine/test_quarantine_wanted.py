"""Which letters the options of a command choose."""

import pytest

from newswire.pipeline.quarantine.wanted import Wanted
from tests.unit.quarantine.test_quarantine_letters import letter

LETTERS = [
    letter(1, error="ContractError: no url [type=missing]", key="a" * 32),
    letter(2, error="RuntimeError: the encoder\nfailed"),
    letter(3, stage="analyze", error="RuntimeError: the encoder failed", id="b" * 32),
    letter(4, stage="cluster", error="RuntimeError: other", id="b" * 32),
]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (Wanted(), [1, 2, 3, 4]),
        (Wanted(stage="prepare"), [1, 2]),
        (Wanted(error="runtimeerror"), [2, 3, 4]),
        (Wanted(error="encoder*failed"), [2, 3]),
        (Wanted(error="[type=missing]"), [1]),
        (Wanted(error="*"), [1, 2, 3, 4]),
        (Wanted(error="failed*encoder"), []),
        (Wanted(ids=("prepare-0-1",)), [1]),
        (Wanted(ids=("a" * 32, "b" * 32)), [1, 3, 4]),
        (Wanted(ids=("b" * 32,), stage="cluster"), [4]),
        (Wanted(ids=("b" * 32,), stage="cluster", error="encoder"), []),
        (Wanted(ids=("nothing",)), []),
    ],
)
def test_all_that_is_asked_for_is_fulfilled(wanted: Wanted, chosen: list[int]) -> None:
    assert [one.offset for one in wanted.choose(LETTERS)] == chosen


def test_ids_that_nothing_has_are_told_once() -> None:
    assert Wanted(("x", "prepare-0-1", "x", "y")).unknown(LETTERS) == ["x", "y"]
    assert Wanted(stage="collect").unknown(LETTERS) == []
