"""Enriched articles and outcomes for the tests of what the demo shows."""

from datetime import UTC, datetime
from typing import Any

from newswire.schemas import (
    Duplicate,
    EnrichedArticle,
    Entity,
    Feed,
    Language,
    Outcome,
    Provenance,
    StoryRef,
    Topic,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def entity(text: str, kind: Any = "LOC", start: int = 0) -> Entity:
    return Entity(text=text, type=kind, field="text", start=start, end=start + len(text), score=0.9)


def article(id: str, **changes: Any) -> EnrichedArticle:
    values: dict[str, Any] = {
        "id": id,
        "revision": 1,
        "sequence": 1,
        "feed": Feed(url="http://127.0.0.1:1/a.xml", title="Feed A"),
        "url": None,
        "title": f"Title of {id}",
        "text": "A first sentence. A second sentence.",
        "summary": None,
        "authors": (),
        "images": (),
        "language": Language(code="en", confidence=0.99),
        "published_at": NOON,
        "observed_at": NOON,
        "topics": (Topic(id="medtop:16000000", name="conflict, war and peace", score=0.87),),
        "entities": (),
        "duplicate": Duplicate(),
        "story": StoryRef(id=f"story-of-{id}", new=True),
        "degraded": None,
        "provenance": Provenance(software="newswire", model="test", taxonomy="test"),
    }
    return EnrichedArticle(**(values | changes))


def outcome(position: int, kind: Any = "emitted", of: str | None = None, copy: Any = "exact") -> Outcome:
    return Outcome(
        id=f"id-{position}",
        revision=1,
        outcome=kind,
        duplicate=Duplicate(kind=copy, of=of, similarity=1.0) if of is not None else None,
        stage="cluster",
        position=position,
        feed_url="http://127.0.0.1:1/b.xml",
    )
