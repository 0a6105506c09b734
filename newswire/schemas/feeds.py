"""`feeds`: what to poll, keyed by the feed's URL; compacted, a null value removes the feed."""

from typing import ClassVar, Literal

from pydantic import Field

from newswire.schemas.common import Record, Timestamp


class FeedSettings(Record):
    """One feed of the list. `interval_seconds` overrides the adaptive polling interval."""

    NAME: ClassVar[str] = "newswire.feed.v1"

    schema_: Literal["newswire.feed.v1"] = Field(default="newswire.feed.v1", alias="schema")
    url: str
    title: str | None = None
    category: str | None = None
    paused: bool = False
    interval_seconds: int | None = Field(default=None, ge=1)
    added_at: Timestamp
