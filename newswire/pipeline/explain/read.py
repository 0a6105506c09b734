"""What the topics still hold of some articles."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from newswire.pipeline.subscribe.kept import decoded, open_topic, values_with
from newswire.schemas import AnalyzedArticle, EnrichedArticle, Outcome, PreparedArticle
from newswire.schemas.common import Record

TOPICS: Mapping[str, type[Record]] = {
    "prepared": PreparedArticle,
    "analyzed": AnalyzedArticle,
    "enriched": EnrichedArticle,
    "outcomes": Outcome,
}


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest revision of an article: its text, and what came of it as far as that is kept.

    Copies have no analysis and no enriched record.
    """

    prepared: PreparedArticle
    analyzed: AnalyzedArticle | None
    enriched: EnrichedArticle | None
    outcome: Outcome | None


async def read_articles(
    bootstrap_servers: str, options: Mapping[str, Any], namespace: str, ids: Iterable[str]
) -> dict[str, Kept]:
    """By id what is kept of these articles; one whose text is on no topic any more is left out.

    `options`: further arguments of every Kafka client. Raises BrokerError, NoSuchWire and NewerVersion.
    """
    wanted = {id: id.encode() for id in ids}
    newest: dict[tuple[str, str], Record] = {}
    async with open_topic(bootstrap_servers, options, f"{namespace}.enriched") as reader:
        for topic, kind in TOPICS.items():
            async for value in values_with(reader, f"{namespace}.{topic}", *wanted.values()):
                record = decoded(kind, value)
                id = getattr(record, "id", None)
                if record is not None and id in wanted:
                    newest[topic, id] = record
    kept = {}
    for id in wanted:
        prepared, analyzed, enriched, outcome = (newest.get((topic, id)) for topic in TOPICS)
        assert analyzed is None or isinstance(analyzed, AnalyzedArticle)
        assert enriched is None or isinstance(enriched, EnrichedArticle)
        assert outcome is None or isinstance(outcome, Outcome)
        text = prepared or analyzed or (_as_prepared(enriched, outcome) if enriched is not None else None)
        if isinstance(text, PreparedArticle):
            kept[id] = Kept(text, analyzed, enriched, outcome)
    return kept


def _as_prepared(article: EnrichedArticle, outcome: Outcome | None) -> PreparedArticle:
    """What was prepared, as far as the enriched record has it."""
    shared = {name: getattr(article, name) for name in PreparedArticle.model_fields if hasattr(article, name)}
    shared.pop("schema_")
    return PreparedArticle.model_construct(
        **shared, position=outcome.position if outcome is not None else article.sequence, content_hash=""
    )
