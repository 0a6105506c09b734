"""What a dead letter is sent round again as, or given up as: pure.

| stage | the letter's record | goes to `raw` as |
|---|---|---|
| prepare | a raw article | `article`: it is taken as any raw article, since prepare remembers nothing of it |
| prepare | a retry that failed again | what that retry held |
| deduplicate | a prepared article | `prepared`: prepare knows its content by now and would call an `article` seen |
| analyze, cluster | a unique or analyzed article, which was emitted degraded | `prepared`: it becomes a new revision |

In each case the id is the same, and the retry supersedes the outcome of the record at the letter's position, so that
the ledger counts one article. A record that cannot be read stays dead: newswire would fail on it again, and there is
nothing to send. A stray (a record that is none of ours, without a position) has no outcome to supersede.

A letter that is given up goes to `raw` too where its article is dead: prepare makes of it the outcome `rejected`, which
supersedes the dead one. An article that was emitted degraded stays emitted, and a stray has no outcome: their letters
are closed, and that is all.
"""

from newswire.pipeline.feeds.identity import raw_article_id
from newswire.schemas import (
    AnalyzedArticle,
    DeadLetter,
    PreparedArticle,
    RawArticle,
    RawDiscard,
    RawRetry,
    UniqueArticle,
    decode_raw,
)
from newswire.schemas.common import ContractError

_RECORDS: dict[str, type[PreparedArticle]] = {
    "deduplicate": PreparedArticle,
    "analyze": UniqueArticle,
    "cluster": AnalyzedArticle,
}


class RetryError(ValueError):
    """A letter that cannot be retried; the message says why."""


def check_letter(letter: DeadLetter) -> None:
    """Raise RetryError for a letter that cannot be retried whatever its record is."""
    if letter.position is None:
        raise RetryError("a stray: it stands on a topic that only newswire writes, and belongs to no article")
    if letter.stage != "prepare" and letter.stage not in _RECORDS:
        raise RetryError(f"stage {letter.stage!r} has no retry")


def retry_of(letter: DeadLetter, value: bytes | None) -> RawRetry:
    """The record for `raw`. `value` is the letter's whole record. Raises RetryError."""
    check_letter(letter)
    assert letter.position is not None
    try:
        article, prepared = _content(letter.stage, value)
    except ContractError as error:
        raise RetryError(f"its record cannot be read, so that it would fail again ({error})") from None
    return RawRetry(
        letter=letter.letter,
        position=letter.position,
        supersedes=letter.supersedes or "dead",
        observed_at=letter.observed_at,
        article=article,
        prepared=prepared,
    )


def discard_of(letter: DeadLetter, reason: str | None) -> RawDiscard | None:
    """The record for `raw` that gives a letter's article up, or None where no outcome is to be superseded."""
    if letter.position is None or letter.supersedes in ("emitted", "updated"):
        return None
    return RawDiscard(
        letter=letter.letter,
        position=letter.position,
        observed_at=letter.observed_at,
        id=letter.id,
        feed_url=letter.feed_url,
        reason=reason,
    )


def key_of(record: RawRetry | RawDiscard) -> str:
    """The key of its record on `raw`: the article's id, or the letter's where that is not known."""
    if isinstance(record, RawDiscard):
        return record.id or record.letter
    if record.prepared is not None:
        return record.prepared.id
    assert record.article is not None
    return raw_article_id(record.article)


def _content(stage: str, value: bytes | None) -> tuple[RawArticle | None, PreparedArticle | None]:
    if stage == "prepare":
        record = decode_raw(value)
        if isinstance(record, RawDiscard):
            raise RetryError("it gave up a dead letter by hand: discard it again")
        return (record.article, record.prepared) if isinstance(record, RawRetry) else (record, None)
    found = _RECORDS[stage].decode(value)
    return None, PreparedArticle(**{name: getattr(found, name) for name in _FIELDS})


_FIELDS = tuple(name for name in PreparedArticle.model_fields if name != "schema_")
