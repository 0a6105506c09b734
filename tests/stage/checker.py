"""Compares what stands on the topics with what the model says must stand there."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from tests.stage.model import PlainRows, decide

Log = Mapping[int, Sequence[tuple[bytes, bytes | None]]]  # partition -> key and value in log order


@dataclass(frozen=True)
class Findings:
    """The number of records of each kind of fault; all zero when every record stands there exactly once, as it must."""

    lost: int
    repeated: int
    foreign: int
    wrong_first: int
    wrong_ballast: int
    bad_sequence: int
    out_of_order: int
    new_lost: int
    new_repeated: int
    wrong_rows: int

    @property
    def faults(self) -> int:
        """All of them."""
        return sum(getattr(self, field.name) for field in fields(self))


def check(raw: Log, out: Log, new: Log, rows: Mapping[int, Mapping[bytes, bytes]]) -> Findings:
    """Check the logs `out` and `new` and the final state `rows` (without the stage's own) against the log `raw`."""
    total: Counter[str] = Counter()
    expected_new: Counter[bytes] = Counter()
    for partition, records in raw.items():
        state = PlainRows()
        expected: dict[int, dict[str, int]] = {}
        for key, value in records:
            assert value is not None
            decision = decide(state, key, value)
            expected[json.loads(value)["n"]] = json.loads(decision.value)
            if decision.is_new:
                expected_new[value] += 1
        got = [json.loads(value or b"null") for _, value in out.get(partition, ())]
        seen = Counter(record["n"] for record in got)
        total["lost"] += len(expected.keys() - seen.keys())
        total["repeated"] += sum(count - 1 for count in seen.values())
        total["foreign"] += len(seen.keys() - expected.keys())
        known = [(record, expected[record["n"]]) for record in got if record["n"] in expected]
        total["wrong_first"] += sum(record["first"] != right["first"] for record, right in known)
        total["wrong_ballast"] += sum(record.get("ballast") != right.get("ballast") for record, right in known)
        total["bad_sequence"] += sum(record["seq"] != right["seq"] for record, right in known)
        order = list(expected)
        total["out_of_order"] += sum(
            record["n"] != number for record, number in zip(got, order, strict=False) if len(got) == len(order)
        )
        actual = rows.get(partition, {})
        total["wrong_rows"] += sum(actual.get(key) != state.get(key) for key in actual.keys() | state.keys())
    got_new = Counter(value or b"" for records in new.values() for _, value in records)
    total["new_lost"] = (expected_new - got_new).total()
    total["new_repeated"] = (got_new - expected_new).total()
    return Findings(**{field.name: total[field.name] for field in fields(Findings)})
