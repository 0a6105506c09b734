"""What several contracts share: the record base, times, and the small parts of an article."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, WithJsonSchema

from newswire.schemas.versions import is_newer, refusal, upcast


class ContractError(ValueError):
    """A record does not fulfil its topic's contract; the message says where, in a line."""


class NewerVersion(ContractError):  # noqa: N818 - says what is the case
    """A newer version of newswire wrote the record: what is wrong is this program's age."""


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
        """Read a record back, also one of an older version.

        Raises ContractError for what is not JSON, an unknown schema or a broken field, NewerVersion for its own schema
        in a later version.
        """
        if value is None:
            raise ContractError("the record has no value")
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            return cls._decode_other(value, error)

    @classmethod
    def _decode_other(cls, value: bytes, error: ValidationError) -> Self:
        """A record that is none of the current version: one of an older version, or `error` stands."""
        try:
            fields = parse_object(value)
            current = upcast(fields)
        except Exception:  # not JSON, or not what it says it is: an upcaster may raise anything on such fields
            raise ContractError(explain(error, cls.NAME)) from None
        schema = current.get("schema", cls.NAME)
        if schema != cls.NAME:
            refuse = NewerVersion if is_newer(schema, cls.NAME) else ContractError
            raise refuse(refusal(schema, cls.NAME)) from None
        if current == fields:
            raise ContractError(explain(error, cls.NAME)) from None
        try:
            return cls.model_validate_json(orjson.dumps(current))
        except ValidationError as fault:
            raise ContractError(explain(fault, cls.NAME)) from None


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
    """One IPTC Media Topic with the model's score, 0 to 1, and the `threshold` of its topic that the score reaches.

    `threshold` is null in records of before it was told.
    """

    id: str
    name: str
    score: float
    threshold: float | None = None


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
    """What an article repeats or updates, and the evidence: `of` is an emitted article's id, the rest 0 to 1.

    Compared are the five-word shingles of both texts, without those that a feed repeats in its items. `similarity` is
    what they share of all that either has (Jaccard), `shared` the part of this article's that the other one has too,
    and `containment` the larger of `shared` and of the part of the other one's that this article has. Null where the
    texts are too short to be compared so.
    """

    kind: DuplicateKind = "none"
    of: str | None = None
    similarity: float | None = None
    containment: float | None = None
    shared: float | None = None


Position = Annotated[int, Field(ge=0)]
"""A raw record's place in the log: how many records stand before it."""
