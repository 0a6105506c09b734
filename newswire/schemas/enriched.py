"""`enriched`: the wire that others subscribe to, keyed by article id."""

from typing import ClassVar, Literal

from pydantic import Field

from newswire.schemas.common import Duplicate, Entity, Feed, Language, Part, Record, Timestamp, Topic


class StoryRef(Part):
    """The story that an article belongs to; `new` when this article opened it."""

    id: str
    new: bool


class Provenance(Part):
    """What made the record: newswire's version, the model with its instruction set, the taxonomy's release."""

    software: str
    model: str
    taxonomy: str


class EnrichedArticle(Record):
    """An article of the wire, once for each revision. Offsets of entities count code points in title or text."""

    NAME: ClassVar[str] = "newswire.enriched.v1"

    schema_: Literal["newswire.enriched.v1"] = Field(default="newswire.enriched.v1", alias="schema")
    id: str
    revision: int = Field(ge=1)
    sequence: int = Field(ge=1)
    feed: Feed
    url: str | None
    title: str
    text: str
    summary: str | None
    authors: tuple[str, ...]
    images: tuple[str, ...]
    language: Language
    published_at: Timestamp | None
    observed_at: Timestamp
    topics: tuple[Topic, ...]
    entities: tuple[Entity, ...]
    duplicate: Duplicate
    story: StoryRef
    degraded: str | None
    cut: tuple[str, ...] = ()
    provenance: Provenance
