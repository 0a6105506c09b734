"""`stories`: the newest state of each story, keyed by story id; compacted, and kept as long as `enriched`."""

from typing import ClassVar, Literal

from pydantic import Field

from newswire.schemas.common import Part, Record, Timestamp


class StoryEntity(Part):
    """An entity of a story and how many of its articles name it."""

    text: str
    type: Literal["PER", "ORG", "LOC", "MISC"]
    articles: int


class Story(Record):
    """A story: articles about one event. `first` and `last` are event times; `members` the newest 100 ids.

    `merged_into` is the story in which this one goes on, in the last record of one that was found to be the same event;
    records that were emitted in it stay as they are.
    """

    NAME: ClassVar[str] = "newswire.story.v1"

    schema_: Literal["newswire.story.v1"] = Field(default="newswire.story.v1", alias="schema")
    id: str
    title: str
    size: int = Field(ge=1)
    feeds: tuple[str, ...]
    first: Timestamp
    last: Timestamp
    entities: tuple[StoryEntity, ...] = ()
    topics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    merged_into: str | None = None
