"""`dead`: what a stage could not do, keyed by the letter's id, and the marks of letters that are closed."""

from typing import ClassVar, Literal

from pydantic import Field

from newswire.schemas.common import Position, Record, Timestamp


class DeadLetter(Record):
    """A record that failed at a stage, or (state not `open`) the mark that its letter was retried or discarded.

    `letter` is `{stage}-{partition}-{offset}` of the record in `topic`. `value` is the record (text when it is
    UTF-8, else base64, as `encoding` says), cut to the size limit when `cut`. `position` is null for a record
    that is not one of ours (it stands on a topic that others should not write). `supersedes` is the outcome
    that a retry replaces. `observed_at` is the event time that the ledger counts that outcome under.
    """

    NAME: ClassVar[str] = "newswire.dead.v1"

    schema_: Literal["newswire.dead.v1"] = Field(default="newswire.dead.v1", alias="schema")
    letter: str
    state: Literal["open", "retried", "discarded"] = "open"
    stage: str
    topic: str
    partition: int
    offset: int
    error: str
    software: str
    attempts: int = Field(default=1, ge=1)
    id: str | None = None
    feed_url: str = ""
    position: Position | None = None
    supersedes: Literal["dead", "emitted", "updated"] | None = None
    observed_at: Timestamp | None = None
    key: str | None = None
    value: str | None = None
    encoding: Literal["text", "base64"] = "text"
    cut: bool = False
