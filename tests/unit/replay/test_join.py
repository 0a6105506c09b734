"""Raw records and the enriched records that were made of them."""

import json
from typing import Any

from newswire.pipeline.replay.join import Join
from newswire.pipeline.replay.where import Where

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


def enriched(id: str, revision: int, model: str) -> bytes:
    return json.dumps({"id": id, "revision": revision, "provenance": {"model": model}}).encode()


def outcome(position: int, id: str | None, revision: int | None, kind: str = "emitted", **fields: Any) -> bytes:
    record = {"id": id, "revision": revision, "outcome": kind, "stage": "cluster", "position": position, **fields}
    return json.dumps(record).encode()


def joined(enriched: list[bytes], outcomes: list[bytes], first: int = 0) -> Join:
    join = Join(Where('provenance.model != "new"', "enriched"), first)
    for value in enriched:
        join.add_enriched(value)
    for value in outcomes:
        join.add_outcome(value)
    join.settle()
    return join


def test_each_revision_is_judged_by_its_own_record() -> None:
    join = joined(
        [enriched(A, 1, "old"), enriched(B, 1, "new"), enriched(A, 2, "new"), b"poison", b"[]", b"{}"],
        # not in the order of raw: prepare and deduplicate end theirs earlier
        [outcome(3, C, 1, "seen"), outcome(0, A, 1), b"poison", outcome(2, A, 2, "updated"), outcome(1, B, 1)],
    )
    assert [join.holds(position) for position in range(5)] == [True, False, False, False, False]


def test_what_was_not_emitted_does_not_match_by_another_record_s_revision() -> None:
    join = joined([enriched(A, 1, "old")], [outcome(0, A, 1), outcome(1, A, 1, "seen"), outcome(2, None, None, "dead")])
    assert [join.holds(position) for position in range(3)] == [True, False, False]


def test_of_a_retried_record_the_newest_enriched_record_counts() -> None:
    join = joined(
        [enriched(A, 1, "old"), enriched(B, 1, "old"), enriched(A, 2, "new"), enriched(C, 1, "old")],
        [
            outcome(0, A, 1),
            outcome(1, B, 1),
            outcome(2, C, None, "dead"),
            outcome(3, A, 2, "updated", supersedes=0),
            outcome(4, B, 2, "seen", supersedes=1),  # had moved on: the first record still stands
            outcome(5, C, None, "dead", supersedes=2),
            outcome(6, C, 1, supersedes=5),  # a retry's letter that was retried
        ],
    )
    assert [join.holds(position) for position in range(3)] == [False, True, True]


def test_a_raw_topic_that_has_lost_its_beginning() -> None:
    outcomes = [outcome(0, A, 1), outcome(1000, B, 1), outcome(1001, C, 1), outcome(1002, A, 2, supersedes=0)]
    join = joined([enriched(A, 1, "old"), enriched(A, 2, "old"), enriched(C, 1, "old")], outcomes, first=1000)
    assert [join.holds(position) for position in (0, 999, 1000, 1001, 1002, 9999)] == [False] * 3 + [True] + [False] * 2
