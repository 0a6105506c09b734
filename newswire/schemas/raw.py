"""`raw`: articles as their feeds gave them, in the order of the wire, keyed by article id."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from newswire.schemas.common import ContractError, Position, Record, Timestamp, parse_object
from newswire.schemas.prepared import PreparedArticle
from newswire.schemas.versions import is_family


def _or(default: Any) -> BeforeValidator:
    """Read null as the default: many writers give every field, the absent ones as null."""
    return BeforeValidator(lambda value: default if value is None else value)


Texts = Annotated[tuple[str, ...], _or(())]


class RawArticle(Record):
    """A raw article. Only one of title, summary and content is required; absent fields are null or [], and a
    null is read as an absent field.

    `observed_at` is when the article was seen in its feed. `cut` names the fields that were over the cap of
    collection and were cut there. `content_type` text/plain is kept as it is, so that offsets hold.
    """

    NAME: ClassVar[str] = "newswire.raw.v1"

    schema_: Literal["newswire.raw.v1"] = Field(default="newswire.raw.v1", alias="schema")
    feed_url: Annotated[str, _or("")] = ""
    feed_title: str | None = None
    entry_id: str | None = None
    url: str | None = None
    title: str | None = None
    summary: str | None = None
    content: str | None = None
    content_type: Annotated[str, _or("text/html")] = "text/html"
    authors: Texts = ()
    categories: Texts = ()
    images: Texts = ()
    language: str | None = None
    published_at: Timestamp | None = None
    observed_at: Timestamp | None = None
    cut: Texts = ()

    @model_validator(mode="after")
    def _has_some_text(self) -> Self:
        if not (self.title or self.summary or self.content):
            raise ValueError("one of title, summary and content is required")
        return self


class RawRetry(Record):
    """A dead letter sent round again: its outcome supersedes the one of the record at `position`.

    Either `article` (what a stage before analysis could not do) or `prepared` (an article that was emitted
    degraded: it becomes a new revision). `observed_at` is the event time that the ledger counts that outcome under.
    """

    NAME: ClassVar[str] = "newswire.raw.retry.v1"

    schema_: Literal["newswire.raw.retry.v1"] = Field(default="newswire.raw.retry.v1", alias="schema")
    letter: str
    position: Position
    supersedes: Literal["dead", "emitted", "updated"]
    observed_at: Timestamp | None = None
    article: RawArticle | None = None
    prepared: PreparedArticle | None = None

    @model_validator(mode="after")
    def _has_one_record(self) -> Self:
        if (self.article is None) == (self.prepared is None):
            raise ValueError("either article or prepared is required")
        return self


class RawDiscard(Record):
    """A dead letter given up by hand: its outcome, `rejected`, supersedes the one of the record at `position`.

    `id`, `feed_url` and `observed_at` are those that the dead record was counted with; `reason` is the user's.
    """

    NAME: ClassVar[str] = "newswire.raw.discard.v1"

    schema_: Literal["newswire.raw.discard.v1"] = Field(default="newswire.raw.discard.v1", alias="schema")
    letter: str
    position: Position
    supersedes: Literal["dead"] = "dead"
    observed_at: Timestamp | None = None
    id: str | None = None
    feed_url: str = ""
    reason: str | None = Field(default=None, max_length=500)

    def explain(self) -> str:
        """Why the record is rejected, in a line."""
        return f"discarded by hand{f': {self.reason}' if self.reason else ''}"


class RawOversize(Record):
    """Stands for a raw record that no topic takes, so that it has its place and its outcome as any other.

    `size` and `limit` are bytes, `size` as far as the record was read: `whole` says whether that is all of it.
    `head` is its beginning, for a reader; what was no UTF-8 in it is replaced.
    """

    NAME: ClassVar[str] = "newswire.raw.oversize.v1"

    schema_: Literal["newswire.raw.oversize.v1"] = Field(default="newswire.raw.oversize.v1", alias="schema")
    feed_url: str = ""
    size: int = Field(ge=0)
    whole: bool = True
    limit: int = Field(ge=0)
    head: str = ""

    def explain(self) -> str:
        """What is wrong with the record, in a line."""
        more = "" if self.whole else "at least "
        return f"the record is too large: {more}{self.size} bytes, and at most {self.limit} are taken"


def decode_raw(value: bytes | None) -> RawArticle | RawRetry | RawDiscard:
    """Read a record of `raw`. Raises ContractError when it is not one, or stands for one that was too large."""
    schema = parse_object(value).get("schema", RawArticle.NAME)
    if is_family(schema, RawRetry.NAME):
        return RawRetry.decode(value)
    if is_family(schema, RawDiscard.NAME):
        return RawDiscard.decode(value)
    if is_family(schema, RawOversize.NAME):
        raise ContractError(RawOversize.decode(value).explain())
    return RawArticle.decode(value)
