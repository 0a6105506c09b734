"""The stories of a namespace, and how the articles of one came to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from newswire.pipeline.subscribe.kept import decoded, open_topic, values_with
from newswire.schemas import EnrichedArticle, Outcome, Story


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
    async with open_topic(bootstrap_servers, options, f"{namespace}.stories") as reader:
        for partition in reader.partitions(f"{namespace}.stories"):
            for value in (await reader.table(partition, lambda _: True)).values():
                story = decoded(Story, value)
                if story is not None:
                    found.append(story)
    return sorted(found, key=lambda story: (story.last, story.first, story.id), reverse=True)


async def read_members(bootstrap_servers: str, options: Mapping[str, Any], namespace: str, story: str) -> Members:
    """What `enriched` and `outcomes` still hold of a story's articles. Raises what read_stories raises."""
    articles: list[EnrichedArticle] = []
    copies: list[Outcome] = []
    async with open_topic(bootstrap_servers, options, f"{namespace}.enriched") as reader:
        async for value in values_with(reader, f"{namespace}.enriched", story.encode()):
            article = decoded(EnrichedArticle, value)
            if article is not None and article.story.id == story:
                articles.append(article)
        ids = {article.id for article in articles}
        async for value in values_with(reader, f"{namespace}.outcomes", b'"duplicate"'):
            outcome = decoded(Outcome, value)
            if outcome is not None and outcome.outcome == "duplicate" and outcome.duplicate is not None:
                copies += [outcome] if outcome.duplicate.of in ids else []
    articles.sort(key=lambda article: article.sequence)
    copies.sort(key=lambda outcome: outcome.position)
    return Members(tuple(articles), tuple(copies))
