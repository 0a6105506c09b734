"""The deduplicate stage: which prepared articles go on, with which sequence number, and which are copies."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from newswire.pipeline.duplicates.boilerplate import feed_digest
from newswire.pipeline.duplicates.decide import Found, Verdict, decide
from newswire.pipeline.duplicates.index import CopyIndex
from newswire.pipeline.duplicates.load import texts_of
from newswire.pipeline.duplicates.rows import (
    META,
    META_ROW,
    NEVER,
    OWN,
    OWN_ROW,
    TEXT,
    TextRow,
    decode_text,
    observed_of,
    own_key,
    text_key,
)
from newswire.pipeline.duplicates.signature import Signature, key_of, search_keys
from newswire.pipeline.duplicates.warm import compiling
from newswire.pipeline.ledger.counters import hour_of
from newswire.pipeline.settings import Settings
from newswire.pipeline.state import PASSING, Row, State, apply_rows
from newswire.pipeline.step import Emission, Result, Source, dead_letter, emission, outcome_emission, stray
from newswire.pipeline.text.dates import to_ms
from newswire.schemas import Outcome, PreparedArticle, UniqueArticle
from newswire.schemas.common import ContractError

STAGE = "deduplicate"
ATTEMPTS_MAX = 3
"""A record during whose work the process ended this often is not tried again."""
SWEEP = 4
CANDIDATES_MAX = 8
"""Texts that are compared with a new one at most."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one article; `kept` is the text row to keep under `sequence`, None for what is not emitted."""

    emissions: tuple[Emission, ...]
    counts: dict[str, int]
    watermark: int
    sequence: int
    rows: tuple[Row, ...] = ()
    kept: TextRow | None = None


class DeduplicateStep:
    """Deduplicates the records of `prepared` in log order.

    process() never raises for what a record holds. Its decisions are a function of the records before it alone:
    a step that is rebuilt from the state at any point decides the same.
    """

    def __init__(self, settings: Settings, state: State) -> None:
        """Builds the search index from the rows of `state`. `settings.deduplicate` gives window and threshold."""
        self._set_up(settings)
        for _ in self._load(state):
            pass

    @classmethod
    def opening(cls, settings: Settings, state: State) -> Generator[None, None, Self]:
        """The same in pieces of about a tenth of a second, so that others get their turn; returns the step."""
        step = cls.__new__(cls)
        step._set_up(settings)
        yield from step._load(state)
        return step

    def _set_up(self, settings: Settings) -> None:
        self._rules = settings.deduplicate
        self._window_ms = settings.deduplicate.window_seconds * 1000
        # An id's revisions are told as long as prepare tells them.
        self._own_window_ms = max(self._window_ms, settings.prepare.window_seconds * 1000)
        self._index = CopyIndex()

    def _load(self, state: State) -> Iterator[None]:
        yield from compiling()
        yield from self._index.building(texts_of(state.scan(TEXT)))

    def process(self, source: Source, state: State) -> Result:
        """Decide one record and change the state accordingly; what is returned is to be emitted and counted."""
        try:
            article = PreparedArticle.decode(source.value)
        except ContractError as error:
            return stray(source, STAGE, str(error))
        row = state.get(META)
        watermark, sequence = META_ROW.unpack(row) if row else (NEVER, 0)
        try:
            if source.attempts >= ATTEMPTS_MAX:
                reason = f"was being worked on in {source.attempts} ends of the process"
                decision = _dead(article, source, reason, watermark, sequence)
            else:
                decision = self._decide(article, state, watermark, sequence)
        except PASSING:
            raise
        except Exception as error:
            decision = _dead(article, source, f"{type(error).__name__}: {error}", watermark, sequence)
        self._carry_out(decision, state)
        hour = hour_of(to_ms(article.observed_at))
        return Result(decision.emissions, article.feed.url, decision.counts, ((hour, decision.counts),))

    def _decide(self, article: PreparedArticle, state: State, watermark: int, sequence: int) -> Decision:
        observed = to_ms(article.observed_at)
        watermark = max(watermark, observed)
        view = _View(state, self._index, watermark - self._window_ms, watermark - self._own_window_ms)
        rules = self._rules.rules_for(article.feed.url)
        verdict = decide(article, view, rules)
        if verdict.kept is None and rules.duplicates == "outcome":
            return _copy(article, verdict, watermark, sequence)
        return _pass_on(article, verdict, state, watermark, sequence + 1)

    def _carry_out(self, decision: Decision, state: State) -> None:
        meta = META_ROW.pack(decision.watermark, decision.sequence)
        apply_rows(state, (*decision.rows, (META, meta)))
        if decision.kept is not None:
            # Last: the index must not know what the state does not.
            self._index.add(decision.sequence, decision.kept.observed_ms, decision.kept.keys())
        self._expire(state, decision.watermark)

    def _expire(self, state: State, watermark: int) -> None:
        for key, row in state.sweep(SWEEP):
            window = self._window_ms if key[:1] == TEXT else self._own_window_ms
            if key[:1] not in (TEXT, OWN) or observed_of(row) >= watermark - window or state.get(key) != row:
                continue
            if key[:1] == TEXT:
                self._index.remove(int.from_bytes(key[1:]), decode_text(row).keys())
            state.delete(key)


class _View:
    """The state and the index as one decision sees them: what is older than `earliest` is not there."""

    def __init__(self, state: State, index: CopyIndex, earliest: int, own_earliest: int) -> None:
        self._state = state
        self._index = index
        self._earliest = earliest
        self._own_earliest = own_earliest

    def own(self, id: str) -> bool:
        row = self._state.get(own_key(id))
        return row is not None and observed_of(row) >= self._own_earliest

    def own_text(self, id: str) -> TextRow | None:
        row = self._state.get(own_key(id))
        if row is None:
            return None
        found = self._all([OWN_ROW.unpack(row)[1]])
        return found[0].row if found and found[0].row.observed_ms >= self._earliest else None

    def same_text(self, digest: bytes) -> list[Found]:
        return [found for found in self._at(b"text", digest) if found.row.digest == digest]

    def same_url(self, url_digest: bytes) -> list[Found]:
        return [found for found in self._at(b"url", url_digest) if found.row.url_digest == url_digest]

    def similar(self, signature: Signature) -> list[Found]:
        return self._all(self._index.find(search_keys(signature), self._earliest, CANDIDATES_MAX))

    def _at(self, kind: bytes, digest: bytes) -> list[Found]:
        keys = np.array([key_of(kind, digest)], dtype=np.uint32)
        return self._all(self._index.find(keys, self._earliest, CANDIDATES_MAX))

    def _all(self, sequences: list[int]) -> list[Found]:
        rows = [(sequence, self._state.get(text_key(sequence))) for sequence in sequences]
        return [Found(sequence, row) for sequence, row in rows if row is not None]


def _pass_on(article: PreparedArticle, verdict: Verdict, state: State, watermark: int, sequence: int) -> Decision:
    """Let an article go on. Of a copy no text is kept: what is like it is like its original."""
    fields = {name: getattr(article, name) for name in PreparedArticle.model_fields if name != "schema_"}
    # Validated when it was read: not once more.
    unique = UniqueArticle.model_construct(**fields, sequence=sequence, duplicate=verdict.duplicate)
    observed, kept = to_ms(article.observed_at), verdict.kept
    key = own_key(article.id)
    before = state.get(key)
    rows: list[Row] = [
        (key, OWN_ROW.pack(observed if before is None else max(observed_of(before), observed), sequence))
    ]
    text = None
    if kept is not None:
        feed, root = feed_digest(article.feed.url), verdict.root or sequence
        text = TextRow(observed, article.id, kept.digest, kept.url_digest, kept.signature, feed, root)
        rows.append((text_key(sequence), text.encode()))
    return Decision(
        (emission("unique", article.id, unique),), {"in": 1, "out": 1}, watermark, sequence, tuple(rows), text
    )


def _copy(article: PreparedArticle, verdict: Verdict, watermark: int, sequence: int) -> Decision:
    outcome = Outcome(
        id=article.id,
        revision=article.revision,
        outcome="duplicate",
        duplicate=verdict.duplicate,
        stage=STAGE,
        position=article.position,
        supersedes=article.supersedes,
        feed_url=article.feed.url,
        observed_at=article.observed_at,
    )
    return Decision((outcome_emission(outcome),), {"in": 1, "duplicate": 1}, watermark, sequence)


def _dead(article: PreparedArticle, source: Source, reason: str, watermark: int, sequence: int) -> Decision:
    outcome = Outcome(
        id=article.id,
        revision=article.revision,
        outcome="dead",
        reason=reason[:2000],
        stage=STAGE,
        position=article.position,
        supersedes=article.supersedes,
        feed_url=article.feed.url,
        observed_at=article.observed_at,
    )
    letter = dead_letter(
        source,
        STAGE,
        reason,
        id=article.id,
        feed_url=article.feed.url,
        position=article.position,
        supersedes="dead",
        observed_at=article.observed_at,
    )
    return Decision((outcome_emission(outcome), letter), {"in": 1, "dead": 1}, watermark, sequence)
