"""`unique`: articles that are no copies, each with its sequence number, keyed by article id."""

from typing import ClassVar, Literal

from pydantic import Field

from newswire.schemas.common import Duplicate
from newswire.schemas.prepared import PreparedArticle


class UniqueArticle(PreparedArticle):
    """A prepared article that will be emitted. `sequence` counts from 1 without gaps in the order of the wire."""

    NAME: ClassVar[str] = "newswire.unique.v1"

    schema_: Literal["newswire.unique.v1"] = Field(default="newswire.unique.v1", alias="schema")  # type: ignore[assignment]
    sequence: int = Field(ge=1)
    duplicate: Duplicate = Duplicate()
