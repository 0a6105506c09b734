"""The checker of the break tests finds what it is there to find."""

import json
from dataclasses import fields

import pytest

from tests.stage.checker import Findings, Log, check
from tests.stage.model import PlainRows, decide

Records = dict[int, list[tuple[bytes, bytes | None]]]


def run() -> tuple[Records, Records, Records, dict[int, dict[bytes, bytes]]]:
    """Two partitions, worked on without a fault."""
    raw: Records = {0: [], 1: []}
    out: Records = {0: [], 1: []}
    new: Records = {0: []}
    states = {0: PlainRows(), 1: PlainRows()}
    for number in range(60):
        partition, key, value = number % 2, b"k%d" % (number % 14), json.dumps({"n": number}).encode()
        raw[partition].append((key, value))
        decision = decide(states[partition], key, value)
        out[partition].append((key, decision.value))
        if decision.is_new:
            new[0].append((key, value))
    return raw, out, new, {partition: dict(state) for partition, state in states.items()}


def faults(raw: Log, out: Log, new: Log, rows: dict[int, dict[bytes, bytes]]) -> dict[str, int]:
    findings = check(raw, out, new, rows)
    return {field.name: getattr(findings, field.name) for field in fields(Findings) if getattr(findings, field.name)}


def test_no_fault() -> None:
    assert faults(*run()) == {}
    assert check(*run()).faults == 0


def test_a_cut_record() -> None:
    raw, out, new, rows = run()
    del out[1][-1]
    assert faults(raw, out, new, rows) == {"lost": 1}


def test_a_repeated_record() -> None:
    raw, out, new, rows = run()
    out[0].insert(3, out[0][2])
    assert faults(raw, out, new, rows) == {"repeated": 1}


@pytest.mark.parametrize(("name", "kind"), [("first", "wrong_first"), ("seq", "bad_sequence")])
def test_a_changed_record(name: str, kind: str) -> None:
    raw, out, new, rows = run()
    key, value = out[0][9]
    out[0][9] = key, json.dumps({**json.loads(value or b""), name: 999}).encode()
    assert faults(raw, out, new, rows) == {kind: 1}


def test_a_record_that_nobody_sent() -> None:
    raw, out, new, rows = run()
    out[0].append((b"k", b'{"n": 999, "first": 1, "seq": 1}'))
    assert faults(raw, out, new, rows) == {"foreign": 1}


def test_swapped_records() -> None:
    raw, out, new, rows = run()
    out[0][4], out[0][5] = out[0][5], out[0][4]
    assert faults(raw, out, new, rows) == {"out_of_order": 2}


def test_first_seen_records_cut_and_repeated() -> None:
    raw, out, new, rows = run()
    assert faults(raw, out, {0: new[0][1:]}, rows) == {"new_lost": 1}
    assert faults(raw, out, {0: [*new[0], new[0][0]]}, rows) == {"new_repeated": 1}


def test_a_state_row_changed_left_or_missing() -> None:
    raw, out, new, rows = run()
    rows[0][b"sequence"] = b"1"
    rows[1][b"key:left behind"] = b"1"
    del rows[1][b"sequence"]
    assert faults(raw, out, new, rows) == {"wrong_rows": 3}
