"""An enriched article to change."""

from datetime import UTC, datetime
from typing import Any

from newswire.schemas import Duplicate, EnrichedArticle, Entity, Feed, Language, Provenance, StoryRef, Topic

OBSERVED = datetime(2026, 1, 31, 12, tzinfo=UTC)


def article(**changes: Any) -> EnrichedArticle:
    """One article with everything in it."""
    base = EnrichedArticle(
        id="0" * 31 + "1",
        revision=1,
        sequence=1,
        feed=Feed(url="https://example.org/feed", title="Example"),
        url="https://example.org/1",
        title="Ada Lovelace opens the Straße",
        text="Ada Lovelace opened the Straße in London. The Analytical Engine and Ada Lovelace were there.",
        summary="She opened it.",
        authors=("A. Writer", "B. Writer"),
        images=("https://example.org/1.jpg",),
        language=Language(code="en", confidence=0.99),
        published_at=datetime(2026, 1, 31, 11, 30, tzinfo=UTC),
        observed_at=OBSERVED,
        topics=(Topic(id="medtop:11000000", name="politics and government", score=0.876),),
        entities=(
            Entity(text="Ada Lovelace", type="PER", field="title", start=0, end=12, score=0.9),
            Entity(text="Straße", type="LOC", field="title", start=23, end=29, score=0.9),
            Entity(text="Ada Lovelace", type="PER", field="text", start=0, end=12, score=0.9),
            Entity(text="Analytical Engine", type="MISC", field="text", start=46, end=63, score=0.9),
        ),
        duplicate=Duplicate(),
        story=StoryRef(id="s1", new=True),
        degraded=None,
        provenance=Provenance(software="newswire 0.1.0", model="m int8", taxonomy="t"),
    )
    return base.model_copy(update=changes)
