"""`prepared`: cleaned articles in the order of the wire, keyed by article id."""

from typing import ClassVar, Literal

from pydantic import Field

from newswire.schemas.common import Feed, Language, Position, Record, Timestamp


class PreparedArticle(Record):
    """An article with its identity, its revision, plain text (paragraphs parted by an empty line) and language.

    `position` numbers the raw record it comes from; `supersedes` is the position whose outcome this one
    replaces (a retried dead letter). `retry` marks a retried analysis: a new revision of unchanged content.
    """

    NAME: ClassVar[str] = "newswire.prepared.v1"

    schema_: Literal["newswire.prepared.v1"] = Field(default="newswire.prepared.v1", alias="schema")
    position: Position
    supersedes: Position | None = None
    retry: bool = False
    id: str
    revision: int = Field(ge=1)
    feed: Feed
    entry_id: str | None = None
    url: str | None = None
    title: str
    text: str
    summary: str | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    language: Language
    published_at: Timestamp | None = None
    observed_at: Timestamp
    content_hash: str
    cut: tuple[str, ...] = ()
