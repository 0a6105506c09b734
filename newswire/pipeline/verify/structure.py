"""What can be said of a wire whose raw records are not all kept: one outcome each, and one record for each emitted."""

from collections import Counter
from collections.abc import Iterator

from newswire.pipeline.verify.report import Fault
from newswire.schemas import EnrichedArticle, Outcome


class Structure:
    """Takes outcomes and enriched records in any order, and tells what does not belong together.

    Where retention has taken the older ones, the check begins with the oldest that is kept.
    """

    def __init__(self) -> None:
        self.outcomes = 0
        self.enriched = 0
        self._positions: Counter[int] = Counter()
        self._sequences: Counter[int] = Counter()
        self._emitted: Counter[tuple[str | None, int | None]] = Counter()
        self._records: Counter[tuple[str | None, int | None]] = Counter()

    def take_outcome(self, outcome: Outcome) -> None:
        """An outcome that stands there."""
        self.outcomes += 1
        self._positions[outcome.position] += 1
        if outcome.outcome in ("emitted", "updated"):
            self._emitted[outcome.id, outcome.revision] += 1

    def take_enriched(self, article: EnrichedArticle) -> None:
        """An enriched record that stands there."""
        self.enriched += 1
        self._sequences[article.sequence] += 1
        self._records[article.id, article.revision] += 1

    def faults(self, released: int, under_way: int) -> Iterator[Fault]:
        """What is wrong. `released`: numbers that cluster says it let go; `under_way`: articles without outcome yet."""
        yield from _of_numbers("outcomes", self._positions, allowed=under_way)
        yield from _of_numbers("enriched", self._sequences, allowed=0)
        if self._sequences and max(self._sequences) > released:
            yield Fault("foreign", "enriched", str(max(self._sequences)), detail=f"cluster let {released} go")
        if self._sequences and max(self._sequences) < released:
            yield Fault("missing", "enriched", str(released), detail="the newest one that cluster let go")
        # Both are kept equally long, and a transaction has both.
        for (id, revision), number in (self._emitted - self._records).items():
            yield Fault("missing", "enriched", f"revision {revision}", id, f"{number} outcomes more than records")
        for (id, revision), number in (self._records - self._emitted).items():
            yield Fault("missing", "outcomes", f"revision {revision}", id, f"{number} records more than outcomes")


def _of_numbers(topic: str, seen: Counter[int], allowed: int) -> Iterator[Fault]:
    """Numbers from the oldest to the newest: each once. Up to `allowed` of them may be missing."""
    if not seen:
        return
    missing = [number for number in range(min(seen), max(seen)) if number not in seen]
    if len(missing) > allowed:
        for number in missing:
            yield Fault("missing", topic, str(number))
    for number, times in seen.items():
        if times > 1:
            yield Fault("repeated", topic, str(number), detail=f"{times} times")
