"""`analyzed`: unique articles with what the encoder found, keyed by article id; exactly one for each unique one."""

from typing import ClassVar, Literal

from pydantic import Field

from newswire.schemas.common import Entity, Topic
from newswire.schemas.unique import UniqueArticle


class AnalyzedArticle(UniqueArticle):
    """A unique article after analysis.

    `embedding` is base64 of int8 values (a unit vector times 127, rounded); null when `degraded` says why the
    analysis failed. `model` names the encoder and the instruction set that it ran on, `taxonomy` the release that its
    topics come from.
    """

    NAME: ClassVar[str] = "newswire.analyzed.v1"

    schema_: Literal["newswire.analyzed.v1"] = Field(default="newswire.analyzed.v1", alias="schema")  # type: ignore[assignment]
    topics: tuple[Topic, ...] = ()
    entities: tuple[Entity, ...] = ()
    embedding: str | None = None
    degraded: str | None = None
    model: str
    taxonomy: str
