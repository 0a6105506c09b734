"""Follows a wire while the demo runs: what was collected, how it ended, and what was emitted."""

from collections import Counter
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from newswire.pipeline.closing import close
from newswire.pipeline.connection import Connection
from newswire.pipeline.settings import Settings
from newswire.schemas import EnrichedArticle, Outcome

_TOPICS = ("raw", "outcomes", "enriched")


class Watch:
    """Reads raw, outcomes and enriched of one wire from where they end when its `async with` block begins.

    Reads only what is committed, as any subscriber does. Raises KafkaError when Kafka cannot be read.
    """

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.collected = 0
        self.outcomes: dict[int, Outcome] = {}
        """The outcome of each raw record, by its position; a later one supersedes."""
        self.articles: list[EnrichedArticle] = []
        self._topics = {settings.topic(name): name for name in _TOPICS}
        self._consumer = AIOKafkaConsumer(
            **connection.options,
            bootstrap_servers=connection.bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            group_id=None,
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        partitions = [TopicPartition(topic, 0) for topic in self._topics]
        self._consumer.assign(partitions)
        await self._consumer.seek_to_end(*partitions)
        # The seek is only done when somebody asks where it led: records sent from now on must count.
        for partition in partitions:
            await self._consumer.position(partition)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await close(self._consumer)

    async def read(self, seconds: float) -> None:
        """Take in what has come; waits at most `seconds` for something. Raises ContractError for a foreign record."""
        for partition, records in (await self._consumer.getmany(timeout_ms=int(seconds * 1000))).items():
            self.take(self._topics[partition.topic], [record.value for record in records])

    def take(self, topic: str, values: list[bytes]) -> None:
        """Count records of a topic (named without its namespace)."""
        if topic == "raw":
            self.collected += len(values)
        elif topic == "outcomes":
            for outcome in map(Outcome.decode, values):
                self.outcomes[outcome.position] = outcome
        else:
            self.articles.extend(map(EnrichedArticle.decode, values))

    @property
    def ended(self) -> Counter[str]:
        """How many raw records ended in which way."""
        return Counter(outcome.outcome for outcome in self.outcomes.values())
