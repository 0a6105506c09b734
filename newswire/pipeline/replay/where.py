"""The condition of `--where`: an expression of the Common Expression Language (CEL) over a record.

An article that the expression cannot be evaluated for does not fulfil it: a field is missing, an index is out of
range, or a value is null where a text or a number is needed. `field == null` and `has(outer.field)` ask for that.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from newswire.schemas import EnrichedArticle, RawArticle
from newswire.schemas.common import Duplicate, Entity, Feed, Language, Topic
from newswire.schemas.enriched import Provenance, StoryRef

Subject = Literal["raw", "enriched"]

MESSAGE_MAX = 200

_PARSER_S = re.compile(r"Failed to parse expression .*?: ERROR: <input>:\d+:(?P<column>\d+): ", re.S)
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|map|filter)\s*\(\s*(\w+)\s*,")
_MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)

# Every field is filled, so that an expression that fails on these fails for what it says.
_SAMPLES: Mapping[Subject, RawArticle | EnrichedArticle] = {
    "raw": RawArticle(
        feed_url="https://example.org/rss",
        feed_title="Example",
        entry_id="1",
        url="https://example.org/1",
        title="Title",
        summary="Summary",
        content="Content",
        authors=("Author",),
        categories=("Category",),
        images=("https://example.org/1.jpg",),
        language="en",
        published_at=_MOMENT,
        observed_at=_MOMENT,
        cut=("content",),
    ),
    "enriched": EnrichedArticle(
        id="0" * 32,
        revision=1,
        sequence=1,
        feed=Feed(url="https://example.org/rss", title="Example"),
        url="https://example.org/1",
        title="Title",
        text="Text",
        summary="Summary",
        authors=("Author",),
        images=("https://example.org/1.jpg",),
        language=Language(code="en", confidence=0.5),
        published_at=_MOMENT,
        observed_at=_MOMENT,
        topics=(Topic(id="medtop:11000000", name="politics and government", score=0.5, threshold=0.25),),
        entities=(Entity(text="Title", type="ORG", field="title", start=0, end=5, score=0.5),),
        duplicate=Duplicate(kind="update", of="1" * 32, similarity=0.5, containment=0.5, shared=0.5),
        story=StoryRef(id="s-0", new=True),
        degraded="reason",
        cut=("content",),
        provenance=Provenance(software="newswire", model="model", taxonomy="2025-10-09"),
    ),
}


class WhereError(ValueError):
    """The expression can fit no article: it is no CEL, names no field, or is no condition. The message is a line."""


class Where:
    """A condition on the records of one kind.

    `undecided` counts the records that the expression could not be evaluated for; `fault` says why for the first.
    """

    def __init__(self, expression: str, subject: Subject) -> None:
        """`subject`: the kind of record that the expression is over. Raises WhereError."""
        import cel  # its command line comes with it, 0.14 s that only --where is worth

        self.expression = expression
        self.subject = subject
        self.undecided = 0
        self.fault: str | None = None
        try:
            self._program = cel.compile(expression)
        except ValueError as error:
            raise WhereError(_parser_s(error)) from None
        sample = _SAMPLES[subject].model_dump(mode="json", by_alias=True)
        self._names = frozenset(self._program.variables())
        if unknown := sorted(self._names - sample.keys() - set(_BOUND.findall(expression))):
            raise WhereError(f"there is no field {unknown[0]!r}; there are: {', '.join(sorted(sample))}")
        self._try_out(sample)

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether a record, as the JSON object that it is on its topic, fulfils the expression."""
        try:
            return self._evaluate(record) is True
        except Exception as error:  # what CEL raises for a record is that record's: it does not fulfil the expression
            self.undecided += 1
            self.fault = self.fault or _explain(error)
            return False

    def holds_raw(self, article: RawArticle) -> bool:
        """As `holds`, for a raw article: its absent fields are null or []."""
        return self.holds(article.model_dump(mode="json", by_alias=True))

    def _evaluate(self, record: Mapping[str, Any]) -> Any:
        # only what the expression names: texts that nobody asks for are not copied
        return self._program.execute({name: record[name] for name in self._names if name in record})

    def _try_out(self, sample: Mapping[str, Any]) -> None:
        try:
            answer = self._evaluate(sample)
        except (IndexError, ArithmeticError):
            return  # another record may be longer, or hold another number
        except Exception as error:  # CEL raises many kinds; on a record with every field each means the expression
            raise WhereError(_explain(error)) from None
        if not isinstance(answer, bool):
            raise WhereError("it is no condition: it gives neither true nor false")


def _parser_s(error: ValueError) -> str:
    text = str(error)
    found = _PARSER_S.match(text)
    first = (text[found.end() :] if found else text).partition("\n")[0]
    return _short(f"column {found['column']}: {first}" if found else first)


def _explain(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no field {error.args[0]!r}"
    if isinstance(error, IndexError):
        return str(error)
    # the first sentence says what is wrong, the others are advice for programs that embed CEL
    return _short(str(error).partition(". ")[0].partition("\n")[0])


def _short(text: str) -> str:
    return text if len(text) <= MESSAGE_MAX else text[: MESSAGE_MAX - 1] + "…"
