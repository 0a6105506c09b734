"""The prepare stage: a raw article to a clean one with its place in the wire, its identity and its revision.

State rows: `b"m"` -> watermark and next position; `b"a"` + article id (16 bytes) -> when it was last observed,
revision, content hash. A row that the watermark has left behind by the window counts as absent, whether or not it
is deleted yet.
"""

import struct
from dataclasses import dataclass
from datetime import datetime

from newswire.pipeline.feeds.canonical import canonical_url
from newswire.pipeline.feeds.identity import raw_article_id
from newswire.pipeline.ledger.counters import hour_of
from newswire.pipeline.settings import Settings
from newswire.pipeline.state import PASSING, Row, State, apply_rows
from newswire.pipeline.step import Emission, Result, Source, dead_letter, emission, outcome_emission
from newswire.pipeline.text.clean import CleanTexts, clean_article
from newswire.pipeline.text.dates import EPOCH, from_ms, plausible_published, to_ms
from newswire.pipeline.text.language import detect_language
from newswire.pipeline.text.lists import clean_lists
from newswire.pipeline.text.normalise import content_hash
from newswire.schemas import Feed, Outcome, OutcomeKind, PreparedArticle, RawArticle, RawDiscard, RawRetry, decode_raw
from newswire.schemas.common import ContractError, parse_object

STAGE = "prepare"
ATTEMPTS_MAX = 3
"""A record during whose work the process ended this often is not tried again."""
SWEEP = 4

_META = b"m"
_ARTICLE = b"a"
_META_ROW = struct.Struct(">qQ")
_ARTICLE_ROW = struct.Struct(">qI16s")
_NEVER = -(2**63)

RawRecord = RawArticle | RawRetry | RawDiscard
Hours = tuple[tuple[int, dict[str, int]], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the state remembers of an article id: last observation (Unix ms), newest revision, content hash."""

    observed_ms: int
    revision: int
    content_hash: str


class View:
    """What a decision may ask of the state; it cannot write. `watermark` (Unix ms) is None before the first record."""

    def __init__(self, state: State, window_ms: int) -> None:
        row = state.get(_META)
        watermark, self.position = _META_ROW.unpack(row) if row else (_NEVER, 0)
        self.watermark: int | None = None if watermark == _NEVER else watermark
        self._state = state
        self._window_ms = window_ms

    @property
    def reached(self) -> datetime:
        """The time that the wire has reached: what has none of its own is counted there."""
        return EPOCH if self.watermark is None else from_ms(self.watermark)

    def known(self, id: str, watermark: int) -> Known | None:
        """The row of an article id, unless it is older than the window before `watermark`."""
        row = self._state.get(_article_key(id))
        if row is None:
            return None
        observed, revision, digest = _ARTICLE_ROW.unpack(row)
        return None if observed < watermark - self._window_ms else Known(observed, revision, digest.hex())


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one record: what to emit, what to count (in all, by hours), the rows and the new watermark."""

    emissions: tuple[Emission, ...]
    feed: str
    counts: dict[str, int]
    hours: Hours
    rows: tuple[Row, ...] = ()
    watermark: int | None = None


class PrepareStep:
    """Prepares the records of `raw` in log order.

    process() never raises for what a record holds: a record that is not an article, or whose work fails, becomes
    a dead letter and an outcome, and leaves nothing in the state but its position.
    """

    def __init__(self, settings: Settings) -> None:
        """`settings.prepare` gives the window and the tolerance for the future, `settings.text` the caps."""
        self._settings = settings
        self._window_ms = settings.prepare.window_seconds * 1000

    def process(self, source: Source, state: State) -> Result:
        """Decide one record and change the state accordingly; what is returned is to be emitted and counted."""
        view = View(state, self._window_ms)
        decision = self._decide_safely(source, view)
        watermark = _NEVER if decision.watermark is None else decision.watermark
        apply_rows(state, (*decision.rows, (_META, _META_ROW.pack(watermark, view.position + 1))))
        self._expire(state, watermark)
        return Result(decision.emissions, decision.feed, decision.counts, decision.hours)

    def _decide_safely(self, source: Source, view: View) -> Decision:
        record: RawRecord | None = None
        try:
            if source.attempts < ATTEMPTS_MAX:
                record = decode_raw(source.value)
                return decide(record, source, view, self._settings)
            reason = f"was being worked on in {source.attempts} ends of the process"
            # The reading itself may be what ends the process: it gets one more try, for the ledger's sake.
            record = decode_raw(source.value) if source.attempts == ATTEMPTS_MAX else None
        except PASSING:
            raise
        except ContractError as error:
            reason = str(error)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        return _dead(record, source, view, reason)

    def _expire(self, state: State, watermark: int) -> None:
        for key, row in state.sweep(SWEEP):
            if key[:1] == _ARTICLE and len(row) == _ARTICLE_ROW.size:
                observed, _, _ = _ARTICLE_ROW.unpack(row)
                current = state.get(key)
                # The sweep sees committed rows; the batch may have refreshed this one since.
                if observed < watermark - self._window_ms and current == row:
                    state.delete(key)


def decide(record: RawRecord, source: Source, view: View, settings: Settings) -> Decision:
    """What becomes of a record of `raw`. Pure: reads the view, changes nothing, reads no clock.

    Raises whatever the record's own content provokes; the caller makes a dead letter of it.
    """
    if isinstance(record, RawDiscard):
        return _decide_discard(record, view)
    if isinstance(record, RawRetry):
        if record.prepared is not None:
            return _decide_prepared(record, record.prepared, view)
        if record.article is not None:
            return _decide_article(record.article, record, source, view, settings)
        raise ContractError("a retry needs an article")
    return _decide_article(record, None, source, view, settings)


def _decide_article(
    article: RawArticle, retry: RawRetry | None, source: Source, view: View, settings: Settings
) -> Decision:
    id = raw_article_id(article)
    end = _End(id, article.feed_url, retry, view)
    latest = source.received_ms + settings.prepare.future_seconds * 1000
    observed = _observed_ms(article, view, latest)
    if observed > latest:
        return end.with_outcome("rejected", None, None, "observed_at lies in the future", view.watermark)
    watermark = observed if view.watermark is None else max(view.watermark, observed)
    texts = clean_article(article, settings.text)
    if not (texts.title.strip() or texts.text.strip()):
        return end.with_outcome("rejected", None, observed, "no text", watermark)
    digest = content_hash(texts.title, texts.text)
    known = view.known(id, watermark)
    if known is not None and known.content_hash == digest:
        row = _article_row(id, max(known.observed_ms, observed), known.revision, digest)
        return end.with_outcome("seen", known.revision, observed, None, watermark, (row,))
    revision = known.revision + 1 if known is not None else 1
    prepared = _prepared(article, texts, id, revision, digest, observed, view.position, end.supersedes)
    kept = observed if known is None else max(known.observed_ms, observed)
    return end.passed_on(prepared, watermark, _article_row(id, kept, revision, digest))


def _decide_prepared(retry: RawRetry, prepared: PreparedArticle, view: View) -> Decision:
    """A prepared article's new try, unless the article has moved on meanwhile.

    One that was emitted degraded becomes the next revision, of unchanged content; one that died before it was emitted
    is the same revision still, and may yet turn out to be a copy.
    """
    id = prepared.id
    end = _End(id, prepared.feed.url, retry, view)
    observed = to_ms(prepared.observed_at)
    watermark = _NEVER if view.watermark is None else view.watermark
    known = view.known(id, watermark)
    if known is not None and (known.content_hash != prepared.content_hash or known.revision > prepared.revision):
        return end.with_outcome("seen", known.revision, observed, "a later revision exists", view.watermark)
    emitted = retry.supersedes != "dead"
    revision = prepared.revision + 1 if emitted else prepared.revision
    again = prepared.model_copy(
        update={"position": view.position, "supersedes": retry.position, "retry": emitted, "revision": revision}
    )
    kept = observed if known is None else max(known.observed_ms, observed)
    return end.passed_on(again, view.watermark, _article_row(id, kept, revision, prepared.content_hash))


def _decide_discard(discard: RawDiscard, view: View) -> Decision:
    end = _End(discard.id, discard.feed_url, discard, view)
    observed = None if discard.observed_at is None else to_ms(discard.observed_at)
    return end.with_outcome("rejected", None, observed, discard.explain(), view.watermark)


def _observed_ms(article: RawArticle, view: View, latest: int) -> int:
    if article.observed_at is not None:
        return to_ms(article.observed_at)
    # No clock: the publisher's date where it can be true, else the time the wire has reached.
    published = plausible_published(article.published_at, from_ms(latest))
    if published is not None and to_ms(published) <= latest:
        return to_ms(published)
    return to_ms(view.reached)


def _prepared(
    article: RawArticle,
    texts: CleanTexts,
    id: str,
    revision: int,
    digest: str,
    observed_ms: int,
    position: int,
    supersedes: int | None,
) -> PreparedArticle:
    observed = from_ms(observed_ms)
    lists = clean_lists(article)
    return PreparedArticle(
        position=position,
        supersedes=supersedes,
        id=id,
        revision=revision,
        feed=Feed(url=article.feed_url, title=article.feed_title),
        entry_id=article.entry_id,
        url=canonical_url(article.url) if article.url else None,
        title=texts.title,
        text=texts.text,
        summary=texts.summary,
        authors=lists.authors,
        categories=lists.categories,
        images=lists.images,
        language=detect_language(texts.title, texts.text, article.language),
        published_at=plausible_published(article.published_at, observed),
        observed_at=observed,
        content_hash=digest,
        cut=tuple(sorted(lists.cut.union(texts.cut))),
    )


@dataclass(frozen=True, slots=True)
class _End:
    """How a record whose article is known ends: what all its decisions share. `again`: what supersedes another."""

    id: str | None
    feed: str
    again: RawRetry | RawDiscard | None
    view: View

    @property
    def supersedes(self) -> int | None:
        return None if self.again is None else self.again.position

    def passed_on(self, prepared: PreparedArticle, watermark: int | None, row: Row) -> Decision:
        sent = emission("prepared", prepared.id, prepared)
        counts, hours = _counts(self.again, "out", prepared.observed_at)
        return Decision((sent,), self.feed, counts, hours, (row,), watermark)

    def with_outcome(
        self,
        outcome: OutcomeKind,
        revision: int | None,
        observed_ms: int | None,
        reason: str | None,
        watermark: int | None,
        rows: tuple[Row, ...] = (),
    ) -> Decision:
        ended = Outcome(
            id=self.id,
            revision=revision,
            outcome=outcome,
            reason=reason,
            stage=STAGE,
            position=self.view.position,
            supersedes=self.supersedes,
            feed_url=self.feed,
            observed_at=None if observed_ms is None else from_ms(observed_ms),
        )
        counts, hours = _counts(self.again, outcome, self.view.reached if observed_ms is None else from_ms(observed_ms))
        return Decision((outcome_emission(ended),), self.feed, counts, hours, rows, watermark)


def _counts(again: RawRetry | RawDiscard | None, how: str, at: datetime) -> tuple[dict[str, int], Hours]:
    """What to count for a record that ends at a moment; what it supersedes is taken out where it was counted."""
    counts = {"in": 1, how: 1}
    hour = hour_of(to_ms(at))
    if again is None:
        return counts, ((hour, counts),)
    retried = {f"retried_{again.supersedes}": 1}
    before = hour if again.observed_at is None else hour_of(to_ms(again.observed_at))
    return counts | retried, ((hour, counts), (before, retried))


def _dead(record: RawRecord | None, source: Source, view: View, reason: str) -> Decision:
    again = record if isinstance(record, RawRetry | RawDiscard) else None
    feed = _feed_of(record, source)
    counts, hours = _counts(again, "dead", view.reached)
    ended = Outcome(
        id=None,
        revision=None,
        outcome="dead",
        reason=reason[:2000],
        stage=STAGE,
        position=view.position,
        supersedes=None if again is None else again.position,
        feed_url=feed,
    )
    letter = dead_letter(
        source,
        STAGE,
        reason,
        feed_url=feed,
        position=view.position,
        supersedes="dead",
        observed_at=view.reached,
    )
    return Decision((outcome_emission(ended), letter), feed, counts, hours, (), view.watermark)


def _feed_of(record: RawRecord | None, source: Source) -> str:
    """The feed of a record, also of one that breaks its contract elsewhere: the ledger balances per feed."""
    article = record.article if isinstance(record, RawRetry) else record
    if article is not None:
        return article.feed_url
    if isinstance(record, RawRetry) and record.prepared is not None:
        return record.prepared.feed.url
    if source.attempts > ATTEMPTS_MAX:
        return ""
    try:
        feed = parse_object(source.value).get("feed_url")
    except ContractError:
        return ""
    return feed if isinstance(feed, str) else ""


def _article_key(id: str) -> bytes:
    return _ARTICLE + bytes.fromhex(id)


def _article_row(id: str, observed_ms: int, revision: int, digest: str) -> Row:
    return _article_key(id), _ARTICLE_ROW.pack(observed_ms, revision, bytes.fromhex(digest))
