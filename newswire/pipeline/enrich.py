"""The whole way of an article in one process, without Kafka: the oracle of the service and of every replay."""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Protocol, get_args

from newswire.pipeline.duplicates.step import DeduplicateStep
from newswire.pipeline.ledger.counters import PREFIX, read_counts
from newswire.pipeline.replay.lines import fit_line
from newswire.pipeline.settings import Settings
from newswire.pipeline.state import State
from newswire.pipeline.step import Emission, Result, Source, count_result
from newswire.pipeline.stories.step import ClusterStep
from newswire.pipeline.text.prepare import PrepareStep
from newswire.schemas.outcomes import OutcomeKind

STAGES = ("raw", "prepared", "unique", "analyzed")
"""The topics that a step reads, in the order of an article's way."""

OUTCOMES: tuple[str, ...] = get_args(OutcomeKind)


class EnrichError(RuntimeError):
    """A record did not end in exactly one outcome: a fault of newswire, never of the record."""


class Step(Protocol):
    """A step with state: `prepare` and `deduplicate`."""

    def process(self, source: Source, state: State) -> Result:
        """Decide one record."""


class Clusterer(Protocol):
    """The last step, which may release several records at once."""

    def process(self, source: Source, state: State) -> tuple[Result, ...]:
        """Decide one record."""


@dataclass(frozen=True)
class Steps:
    """The four steps of an article's way, each with the state that it was opened on."""

    prepare: tuple[Step, State]
    deduplicate: tuple[Step, State]
    analyze: tuple[Callable[[Source], Awaitable[Result]], State]
    cluster: tuple[Clusterer, State]


def open_steps(settings: Settings, analyze: Callable[[Source], Awaitable[Result]]) -> Steps:
    """The service's own steps over empty states in memory."""
    copies, stories = MemoryState(), MemoryState()
    return Steps(
        prepare=(PrepareStep(settings), MemoryState()),
        deduplicate=(DeduplicateStep(settings, copies), copies),
        analyze=(analyze, MemoryState()),
        cluster=(ClusterStep(settings, stories), stories),
    )


class Enricher:
    """Runs the steps over one raw record after another, in the order of the wire; one caller at a time.

    Its states are bounded as the service's: the steps let go of what event time has expired.
    """

    def __init__(
        self,
        settings: Settings,
        steps: Steps,
        *,
        received_ms: int,
        attempts: Mapping[tuple[str, int], int] = MappingProxyType({}),
    ) -> None:
        """`received_ms`: the moment (Unix milliseconds) at which a line counts as received, unless it is told.

        `attempts`: the ends of the process while it worked on the record of a topic, by (topic, raw position).
        """
        self._settings = settings
        self._steps = steps
        self._received_ms = received_ms
        self._attempts = attempts
        self._offsets: Counter[str] = Counter()

    async def enrich_line(self, line: bytes) -> bytes:
        """One raw record's bytes in, one record's bytes out: the enriched record, or the outcome of one not emitted.

        A line that is no raw article (blank, not JSON, not UTF-8) gives its outcome `dead`. Raises EnrichError.
        """
        sent = await self.follow(fit_line(line, self._settings.text), self._received_ms)
        enriched = [one.value for one in sent if one.topic == "enriched"]
        return enriched[0] if enriched else next(one.value for one in sent if one.topic == "outcomes")

    async def follow(self, value: bytes | None, received_ms: int) -> tuple[Emission, ...]:
        """All that one raw record leads to, on every topic; its log took it at `received_ms`. Raises EnrichError."""
        position = self._offsets["raw"]
        emitted: list[Emission] = []
        waiting = deque([self._source("raw", None, value, position, received_ms)])
        while waiting:
            for result in await self._process(waiting.popleft()):
                emitted += result.emissions
                waiting.extend(
                    self._source(sent.topic, sent.key, sent.value, position, received_ms)
                    for sent in result.emissions
                    if sent.topic in STAGES
                )
        kinds = Counter(sent.topic for sent in emitted)
        if kinds["outcomes"] != 1 or kinds["enriched"] > 1:
            raise EnrichError(f"record {position}: {kinds['outcomes']} outcomes, {kinds['enriched']} enriched")
        return tuple(emitted)

    def ledger(self) -> dict[str, int]:
        """What was collected and how it ended, as the ledger says it: `collected` and each outcome."""
        states = (self._steps.prepare, self._steps.deduplicate, self._steps.analyze, self._steps.cluster)
        sums: Counter[str] = Counter()
        for _, state in states:
            for row in read_counts(state.scan(PREFIX)).values():
                sums.update({name: number for name, number in row.items() if name in OUTCOMES})
        return {"collected": self._offsets["raw"], **{name: sums[name] for name in OUTCOMES}}

    async def _process(self, source: Source) -> tuple[Result, ...]:
        results: tuple[Result, ...]
        steps = self._steps
        match source.topic:
            case "raw":
                step, state = steps.prepare
                results = (step.process(source, state),)
            case "prepared":
                step, state = steps.deduplicate
                results = (step.process(source, state),)
            case "unique":
                analyze, state = steps.analyze
                results = (await analyze(source),)
            case _:
                cluster, state = steps.cluster
                results = cluster.process(source, state)
        for result in results:
            count_result(state, result)
        return results

    def _source(self, topic: str, key: bytes | None, value: bytes | None, position: int, received_ms: int) -> Source:
        offset = self._offsets[topic]
        self._offsets[topic] += 1
        return Source(topic, 0, offset, key, value, received_ms, self._attempts.get((topic, position), 0))


class MemoryState:
    """A State in memory, every write at once visible; for one process that keeps nothing."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._hand: Iterator[bytes] = iter(())

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return self._rows.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self._rows[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key; removing one that is not there is no error."""
        self._rows.pop(key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All rows whose key begins with the prefix, as of this call."""
        return iter([row for row in self._rows.items() if row[0].startswith(prefix)])

    def sweep(self, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows from where the last call stopped, going round for ever."""
        keys = list(islice(self._hand, limit))
        if not keys:
            # a round goes over the keys of its start: a dict may not change while it is iterated
            self._hand = iter(list(self._rows))
            keys = list(islice(self._hand, limit))
        return [(key, self._rows[key]) for key in keys if key in self._rows]
