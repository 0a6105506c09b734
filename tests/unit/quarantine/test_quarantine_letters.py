"""Which letters are open and how they are grouped."""

from base64 import b64encode
from typing import Any

from newswire.pipeline.quarantine.letters import closing_mark, group_letters, open_letters, shorten, value_of
from newswire.schemas import DeadLetter


def letter(offset: int = 0, stage: str = "prepare", **changes: Any) -> DeadLetter:
    values: dict[str, Any] = {
        "letter": f"{stage}-0-{offset}",
        "stage": stage,
        "topic": "t.raw",
        "partition": 0,
        "offset": offset,
        "error": "ContractError: no",
        "software": "newswire",
        "position": offset,
    }
    return DeadLetter(**values | changes)


def test_a_mark_closes_its_letter_only() -> None:
    first, second = letter(1), letter(2)
    assert open_letters([first, second, closing_mark(first)]) == [second]
    assert open_letters([first.model_copy(update={"state": "discarded"}), second]) == [second]
    assert open_letters([]) == []


def test_a_mark_keeps_no_record_and_is_a_letter_of_the_contract() -> None:
    mark = closing_mark(letter(1, value="x" * 100, key="k"))
    assert (mark.value, mark.key, mark.state) == (None, None, "retried")
    assert DeadLetter.decode(mark.encode()) == mark


def test_groups_are_by_stage_and_error_the_largest_first() -> None:
    letters = [letter(1), letter(2, "analyze"), letter(3, error="other"), letter(4)]
    groups = group_letters(letters)
    assert [(group.stage, group.error, len(group.letters)) for group in groups] == [
        ("prepare", "ContractError: no", 2),
        ("analyze", "ContractError: no", 1),
        ("prepare", "other", 1),
    ]


def test_a_long_error_is_told_in_a_line() -> None:
    assert shorten("a\n b\tc") == "a b c"
    assert len(shorten("x" * 1_000)) == 100


def test_the_bytes_come_back() -> None:
    poison = b"\xff\x00poison"
    assert value_of(letter(value=b64encode(poison).decode(), encoding="base64")) == poison
    assert value_of(letter(value="Привіт")) == "Привіт".encode()
    assert value_of(letter()) is None
