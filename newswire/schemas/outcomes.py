"""`outcomes`: each raw record's one end, keyed by article id."""

from typing import ClassVar, Literal

from pydantic import Field

from newswire.schemas.common import Duplicate, Position, Record, Timestamp

OutcomeKind = Literal["emitted", "updated", "duplicate", "seen", "rejected", "dead"]


class Outcome(Record):
    """How the raw record at `position` ended, at which stage and why.

    `duplicate.of` is always an emitted article's id. `supersedes` is the position of the raw record whose
    earlier outcome this one replaces (a retried dead letter). `id` is null for a record that could not be read.
    """

    NAME: ClassVar[str] = "newswire.outcome.v1"

    schema_: Literal["newswire.outcome.v1"] = Field(default="newswire.outcome.v1", alias="schema")
    id: str | None
    revision: int | None
    outcome: OutcomeKind
    duplicate: Duplicate | None = None
    reason: str | None = None
    stage: str
    position: Position
    supersedes: Position | None = None
    feed_url: str = ""
    observed_at: Timestamp | None = None
