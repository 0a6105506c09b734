"""The counters that each stage keeps beside its state, a row a feed, so that the ledger reads no whole topic.

`in` counts records taken (retries too), `out` records passed on to the next stage, and each outcome those that
ended here. `retried_dead`, `retried_emitted` and `retried_updated` count records sent round again, by the outcome
that they supersede; `stray` counts records that are none of ours. For every stage in = out + its outcomes (+ what
it holds back, `held`), which the ledger checks.
"""

from collections.abc import Iterator, Mapping

import orjson

from newswire.pipeline.state import State

PREFIX = b"#count/"


def count(state: State, feed: str, counts: Mapping[str, int]) -> None:
    """Add counts to a feed's row."""
    if not counts:
        return
    key = PREFIX + feed.encode(errors="replace")
    kept = state.get(key)
    row: dict[str, int] = orjson.loads(kept) if kept else {}
    for name, number in counts.items():
        row[name] = row.get(name, 0) + number
    state.put(key, orjson.dumps(row))


def read_counts(rows: Iterator[tuple[bytes, bytes]]) -> dict[str, dict[str, int]]:
    """The counters by feed, from the rows of a stage's state or changelog (other rows are passed over)."""
    return {
        key[len(PREFIX) :].decode(errors="replace"): orjson.loads(value)
        for key, value in rows
        if key.startswith(PREFIX) and value is not None
    }
