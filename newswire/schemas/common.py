"""What several contracts share: the record base, times, and the small parts of an article."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, WithJsonSchema


class ContractError(ValueError):
    """A record does not fulfil its topic's contract; the message says where, in a line."""


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC: whole seconds, or milliseconds where there are any (finer fractions are cut)."""
    utc = moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond >= 1000 else "seconds").replace("+00:00", "Z")


Timestamp = Annotated[
    AwareDatetime,
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment with a time zone; on the wire RFC 3339 in UTC."""


class Part(BaseModel):
    """A part of a record: frozen; fields that a later version added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Record(Part):
    """A record of one topic. `NAME` is what its `schema` field must say."""

    NAME: ClassVar[str]

    def encode(self) -> bytes:
        """The record's bytes on its topic: JSON in UTF-8, fields in the order of the contract."""
        return self.model_dump_json(by_alias=True).encode()

    @classmethod
    def decode(cls, value: bytes | None) -> Self:
        """Read a record back. Raises ContractError for what is not JSON, an unknown schema or a broken field."""
        if value is None:
            raise ContractError("the record has no value")
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise ContractError(explain(error, cls.NAME)) from None


def explain(error: ValidationError, name: str) -> str:
    """The first three faults of a validation error in a line; never the record's own text."""
    faults = [f"{'.'.join(map(str, fault['loc'])) or 'record'}: {fault['msg']}" for fault in error.errors()[:3]]
    return f"not a {name} record: " + "; ".join(faults)


def parse_object(value: bytes | None) -> dict[str, Any]:
    """A JSON object from bytes. Raises ContractError for anything else."""
    if value is None:
        raise ContractError("the record has no value")
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ContractError(f"not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise ContractError(f"a JSON object is needed, not {type(parsed).__name__}")
    return parsed


class Feed(Part):
    """The feed that an article was seen in."""

    url: str
    title: str | None = None


class Language(Part):
    """ISO 639-1 code (`und` when it cannot be told) and the detector's confidence, 0 to 1."""

    code: str
    confidence: float


class Topic(Part):
    """One IPTC Media Topic with the encoder's score, 0 to 1."""

    id: str
    name: str
    score: float


class Entity(Part):
    """A named entity: `start` and `end` count code points in the article's `field`."""

    text: str
    type: Literal["PER", "ORG", "LOC", "MISC"]
    field: Literal["title", "text"]
    start: int
    end: int
    score: float


DuplicateKind = Literal["none", "update", "exact", "near", "syndicated"]


class Duplicate(Part):
    """What an article repeats or updates: `of` is an emitted article's id, `similarity` 0 to 1."""

    kind: DuplicateKind = "none"
    of: str | None = None
    similarity: float | None = None


Position = Annotated[int, Field(ge=0)]
"""A raw record's place in the log: how many records stand before it."""
