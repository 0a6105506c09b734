"""The oracle of a verification: `enrich`'s own steps over the raw records, and the places of what they lead to."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from newswire.pipeline.enrich import Enricher, open_steps
from newswire.pipeline.settings import Settings
from newswire.pipeline.step import Result, Source

_SOFTWARE = re.compile(rb'"provenance":\{"software":"[^"]*"')


def digest_of(value: bytes) -> bytes:
    """What two records are compared by: all their bytes but the name of the version that wrote them."""
    return hashlib.blake2b(_SOFTWARE.sub(b'"provenance":{', value), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Expected:
    """A record that must stand on a topic: at a place, or for a key (`stories`), or as a letter (`dead`)."""

    topic: str
    place: int
    key: str
    digest: bytes
    id: str | None
    due: tuple[str, int]


class Oracle:
    """Goes through the raw records in the order of their log, from the first one ever."""

    def __init__(
        self,
        settings: Settings,
        analyze: Callable[[Source], Awaitable[Result]],
        attempts: Mapping[tuple[str, int], int],
    ) -> None:
        """`analyze` gives the analyzed record of a unique one; `attempts` as the Enricher takes them."""
        self._enricher = Enricher(settings, open_steps(settings, analyze), received_ms=0, attempts=attempts)
        self.records = 0
        self._prepared = 0

    async def follow(self, value: bytes | None, received_ms: int) -> Iterator[Expected]:
        """The next raw record: what it must lead to. Raises EnrichError."""
        sent = await self._enricher.follow(value, received_ms)
        records = [(one.topic, one.value, orjson.loads(one.value)) for one in sent]
        position, number = self.records, self._prepared
        self.records += 1
        self._prepared += any(topic == "prepared" for topic, _, _ in records)
        place = next((record["sequence"] - 1 for topic, _, record in records if topic == "unique"), 0)
        # A stage's records are due when it has gone past their number: raw, prepared and unique articles in order.
        due = {"prepare": position, "deduplicate": number, "cluster": place}
        return iter([_expected(topic, value, record, position, due) for topic, value, record in records])


_WRITERS = {"prepared": "prepare", "unique": "deduplicate", "analyzed": "cluster", "enriched": "cluster"}
"""By whose progress a record is due. `analyzed` goes by cluster, which can have released only what stood there."""


def _expected(topic: str, value: bytes, record: dict[str, Any], position: int, due: Mapping[str, int]) -> Expected:
    id, digest = record.get("id"), digest_of(value)
    if topic == "dead":
        return Expected(topic, position, letter_key(record), digest, id, ("", 0))
    if topic == "stories":
        return Expected(topic, position, record["id"], digest, None, ("", 0))
    writer = record["stage"] if topic == "outcomes" else _WRITERS[topic]
    place = position if topic in ("outcomes", "prepared") else due["cluster"]
    return Expected(topic, place, "", digest, id, (writer, due[writer]))


def letter_key(letter: dict[str, Any]) -> str:
    """What a dead letter says, without what only the place of its record in a log can tell."""
    return orjson.dumps([letter["stage"], letter["position"], letter["id"], letter["error"]]).decode()
