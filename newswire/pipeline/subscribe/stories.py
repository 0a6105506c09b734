"""The stories of a namespace, and how the articles of one came to it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.subscribe.reader import NoSuchWire
from newswire.schemas import EnrichedArticle, Outcome, Story
from newswire.schemas.common import ContractError, NewerVersion

_log = structlog.get_logger(__name__)

R = TypeVar("R", Story, EnrichedArticle, Outcome)


@dataclass(frozen=True, slots=True)
class Members:
    """The articles of a story in the order of the wire, each revision once, and the outcomes of their copies."""

    articles: tuple[EnrichedArticle, ...]
    copies: tuple[Outcome, ...]


async def read_stories(bootstrap_servers: str, options: Mapping[str, Any], namespace: str) -> list[Story]:
    """The newest state of each story, the one with the newest article first.

    `options`: further arguments of every Kafka client. A record that is no story is logged and left out. Raises
    BrokerError, NoSuchWire without such a topic, and NewerVersion for what a later newswire wrote.
    """
    found: list[Story] = []
    async with _open(bootstrap_servers, options, f"{namespace}.stories") as reader:
        for partition in reader.partitions(f"{namespace}.stories"):
            for value in (await reader.table(partition, lambda _: True)).values():
                story = _decode(Story, value)
                if story is not None:
                    found.append(story)
    return sorted(found, key=lambda story: (story.last, story.first, story.id), reverse=True)


async def read_members(bootstrap_servers: str, options: Mapping[str, Any], namespace: str, story: str) -> Members:
    """What `enriched` and `outcomes` still hold of a story's articles. Raises what read_stories raises."""
    articles: list[EnrichedArticle] = []
    copies: list[Outcome] = []
    async with _open(bootstrap_servers, options, f"{namespace}.enriched") as reader:
        async for value in _values(reader, f"{namespace}.enriched", story.encode()):
            article = _decode(EnrichedArticle, value)
            if article is not None and article.story.id == story:
                articles.append(article)
        ids = {article.id for article in articles}
        async for value in _values(reader, f"{namespace}.outcomes", b'"duplicate"'):
            outcome = _decode(Outcome, value)
            if outcome is not None and outcome.outcome == "duplicate" and outcome.duplicate is not None:
                copies += [outcome] if outcome.duplicate.of in ids else []
    articles.sort(key=lambda article: article.sequence)
    copies.sort(key=lambda outcome: outcome.position)
    return Members(tuple(articles), tuple(copies))


@asynccontextmanager
async def _open(bootstrap_servers: str, options: Mapping[str, Any], topic: str) -> AsyncIterator[LogReader]:
    async with open_reader(bootstrap_servers, options) as reader:
        if not reader.partitions(topic):
            raise NoSuchWire(f"there is no topic {topic} on this Kafka: newswire run makes it")
        yield reader


async def _values(reader: LogReader, topic: str, part: bytes) -> AsyncIterator[bytes]:
    # Most records are of other stories: looking for the bytes spares decoding them.
    for partition in reader.partitions(topic):
        async for record in reader.records(partition):
            if record.value is not None and part in record.value:
                yield record.value


def _decode(kind: type[R], value: bytes) -> R | None:
    try:
        return kind.decode(value)
    except NewerVersion:
        raise  # what a newer service wrote must not look like nothing
    except ContractError as error:
        _log.warning("skips a record that cannot be read", kind=kind.NAME, error=str(error))
        return None
