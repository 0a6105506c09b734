"""Which letters are open and how they are grouped."""

from base64 import b64encode
from typing import Any

from newswire.pipeline.quarantine.letters import closing_mark, group_letters, kind_of, open_letters, shorten, value_of
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
    assert open_letters([first, second, closing_mark(first, "retried")]) == [second]
    assert open_letters([first.model_copy(update={"state": "discarded"}), second]) == [second]
    assert open_letters([]) == []


def test_a_mark_keeps_no_record_and_is_a_letter_of_the_contract() -> None:
    mark = closing_mark(letter(1, value="x" * 100, key="k"), "retried")
    assert (mark.value, mark.key, mark.state) == (None, None, "retried")
    assert DeadLetter.decode(mark.encode()) == mark


def test_groups_are_by_stage_and_error_the_largest_first() -> None:
    letters = [letter(1), letter(2, "analyze"), letter(3, error="other"), letter(4)]
    groups = group_letters(letters)
    assert [(group.stage, group.kind, len(group.letters)) for group in groups] == [
        ("prepare", "ContractError", 2),
        ("analyze", "ContractError", 1),
        ("prepare", "other", 1),
    ]


def test_errors_that_differ_in_the_record_are_of_one_kind() -> None:
    errors = [f"not JSON: unexpected character: line 1 column {n} (char {n - 1})" for n in range(1, 100)]
    errors += [f"unknown schema 'x: {n}': this version reads newswire.raw.v1" for n in range(60)]
    errors += [f"was being worked on in {n} ends of the process" for n in range(3, 9)]
    errors += [f"not a newswire.raw.v1 record: {field}: Input should be a valid string" for field in ("url", "title")]
    errors += [f"the key is not the feed's URL {n:032x}" for n in range(4)]
    groups = group_letters([letter(n, error=error) for n, error in enumerate(errors)])
    assert [(group.kind, len(group.letters)) for group in groups] == [
        ("not JSON", 99),
        ("unknown schema '…'", 60),
        ("was being worked on in … ends of the process", 6),
        ("the key is not the feed's URL …", 4),
        ("not a newswire.raw.v1 record", 2),
    ]
    assert groups[0].letters[0].error == errors[0]


def test_an_error_without_words_is_its_own_kind() -> None:
    assert [kind_of(error) for error in ("", ": x", "7", "https://a.example/x y")] == [
        "",
        ": x",
        "…",
        "https://a.example/x y",
    ]


def test_a_long_error_is_told_in_a_line() -> None:
    assert shorten("a\n b\tc") == "a b c"
    assert len(shorten("x" * 1_000)) == 100


def test_the_bytes_come_back() -> None:
    poison = b"\xff\x00poison"
    assert value_of(letter(value=b64encode(poison).decode(), encoding="base64")) == poison
    assert value_of(letter(value="Привіт")) == "Привіт".encode()
    assert value_of(letter()) is None
