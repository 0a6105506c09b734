"""The stories of a namespace, and how the articles of one came to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from newswire.pipeline.ledger.log import LogReader
from newswire.pipeline.subscribe.kept import decoded, open_topic, values_with
from newswire.schemas import EnrichedArticle, Outcome, Story


@dataclass(frozen=True, slots=True)
class Members:
    """The articles of a story in the order of the wire, each revision once, and the outcomes of their copies.

    Those of stories that it has taken up are among them. `merged_into` is the story in which it goes on itself.
    """

    articles: tuple[EnrichedArticle, ...]
    copies: tuple[Outcome, ...]
    merged_into: str | None = None


async def read_stories(bootstrap_servers: str, options: Mapping[str, Any], namespace: str) -> list[Story]:
    """The newest state of each story, the one with the newest article first; without those that went on in another.

    `options`: further arguments of every Kafka client. A record that is no story is logged and left out. Raises
    BrokerError, NoSuchWire without such a topic, and NewerVersion for what a later newswire wrote.
    """
    async with open_topic(bootstrap_servers, options, f"{namespace}.stories") as reader:
        found = [story for story in await _newest(reader, namespace) if story.merged_into is None]
    return sorted(found, key=lambda story: (story.last, story.first, story.id), reverse=True)


async def _newest(reader: LogReader, namespace: str) -> list[Story]:
    tables = [await reader.table(one, lambda _: True) for one in reader.partitions(f"{namespace}.stories")]
    stories = (decoded(Story, value) for table in tables for value in table.values())
    return [story for story in stories if story is not None]


async def read_members(bootstrap_servers: str, options: Mapping[str, Any], namespace: str, story: str) -> Members:
    """What `enriched` and `outcomes` still hold of a story's articles. Raises what read_stories raises."""
    articles: list[EnrichedArticle] = []
    copies: list[Outcome] = []
    async with open_topic(bootstrap_servers, options, f"{namespace}.enriched") as reader:
        went = {one.id: one.merged_into for one in await _newest(reader, namespace) if one.merged_into is not None}
        family = {story, *(id for id in went if _end_of(id, went, story) == story)}
        async for value in values_with(reader, f"{namespace}.enriched", *(id.encode() for id in family)):
            article = decoded(EnrichedArticle, value)
            if article is not None and article.story.id in family:
                articles.append(article)
        ids = {article.id for article in articles}
        async for value in values_with(reader, f"{namespace}.outcomes", b'"duplicate"'):
            outcome = decoded(Outcome, value)
            if outcome is not None and outcome.outcome == "duplicate" and outcome.duplicate is not None:
                copies += [outcome] if outcome.duplicate.of in ids else []
    articles.sort(key=lambda article: article.sequence)
    copies.sort(key=lambda outcome: outcome.position)
    return Members(tuple(articles), tuple(copies), went.get(story))


def _end_of(id: str, went: Mapping[str, str], wanted: str) -> str:
    """Where a story went on at last, or the wanted one when it comes by there."""
    # A story ends in an older one; what else the records say is followed no further than there are stories.
    for _ in went:
        if id == wanted or id not in went:
            break
        id = went[id]
    return id
