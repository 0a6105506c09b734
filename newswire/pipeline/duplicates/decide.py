"""What an article is to the emitted ones: a copy, an update or new. Pure: asks a view, changes nothing.

The rules, in order; `of` is always an emitted article, the earliest in the wire among equals:

1. An id that was emitted before: its next revision (update of itself), whatever the text.
2. The same words (short texts: of title and text, signs included): exact.
3. It has nearly all of an emitted text and adds much (WHOLE of the old one, less of the new): update, after 5.
4. It is a part of an emitted text (WHOLE of the new one, less of the old), or `containment_min` of it stands there:
   syndicated, a cut copy. Jaccard similarity of the shingles at `similarity_min`: near. Neither with facts replaced.
5. The canonical URL of an emitted article: update, since the text is another one.
6. What 3 says, or `containment_min` of an emitted text stands in this one: update.
7. Otherwise it is new.

The thresholds were measured by `python -m bench.copies` on copies of which up to 30 % is edited: with a similarity of
0.5 and a containment of 0.6 98 % are found, with 0.8 and 0.8 69 %; of look-alikes next to none are merged either way.

Of the shingles those are left out that are boilerplate (boilerplate.py). Two texts of one feed are no copies in 4 when
they were seen COLUMN_MS or more apart and differ by more than a few words (a column of another day), or when the new
one begins with HEAD_ALONE of it in words of its own (what follows is the feed's footer, which its second item cannot
tell yet).

Facts are words with digits and names. Where a text has many shingles of another but facts stand in place of its facts
(REPLACED_*), it is the same template with other news, or a correction, and no copy.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from newswire.pipeline.duplicates.boilerplate import feed_digest
from newswire.pipeline.duplicates.normalise import Words, long_digest, short_digest, split_words
from newswire.pipeline.duplicates.rows import (
    NO_URL,
    TextRow,
    decode_text,
    is_signed,
    origin_of,
)
from newswire.pipeline.duplicates.shared import shared_with
from newswire.pipeline.duplicates.signature import (
    Overlap,
    Signature,
    Sketch,
    head_alone,
    overlap,
    overlap_of,
    replaced_share,
    sign,
)
from newswire.pipeline.settings import CopyRules
from newswire.pipeline.text.dates import to_ms
from newswire.schemas import Duplicate, PreparedArticle

WORDS_MIN = 30
"""A text of fewer words is short: too little to be told from other short ones by anything but equality."""
WHOLE = 0.8
"""The share from which a text stands in another one as good as wholly, edits aside."""
SAMPLE_MIN = 16
"""Fewer compared shingles prove nothing (a cut from a very long text)."""
COLUMN_MS = 18 * 3_600_000
"""A daily column comes so long after the last one, or longer; a feed that repeats an article does so within hours."""
COLUMN_WHOLE = 0.95
"""The share that two texts of different days must have of one another, or one of the other, to be copies all the same:
a frame is less of a column than this, or the column says nothing."""
HEAD_ALONE = 0.15
"""So much of a text is not a first sentence rewritten: what comes after it alone makes no copy within a feed."""
WHOLLY = Overlap(1.0, 1.0, 1.0, 0)
REPLACED_NUMBERS = 0.1
REPLACED_NAMES = 0.25


@dataclass(frozen=True)
class Print:
    """What an article is compared by: digests, and the words of its text when it is not short."""

    digest: bytes
    url_digest: bytes
    words: Words | None

    @cached_property
    def signature(self) -> Signature | None:
        """The signature, None for a short text. Made when first asked for: an exact copy needs none."""
        return None if self.words is None else sign(self.words)


@dataclass(eq=False)
class Found:
    """An emitted text that may have to do with the article: its place in the wire, and the bytes of its row."""

    sequence: int
    encoded: bytes

    @cached_property
    def row(self) -> TextRow:
        """The row. Decoded when first asked for: of most that are looked at, the shingles are all that is needed."""
        return decode_text(self.encoded)

    @property
    def root(self) -> int:
        """The sequence number of the article that it is a revision or an update of, else its own."""
        return origin_of(self.encoded)[1] or self.sequence


class View(Protocol):
    """What a decision may ask; every answer passes over what the watermark has expired."""

    def own(self, id: str) -> bool:
        """Whether this id was emitted before."""

    def own_text(self, id: str) -> TextRow | None:
        """The newest emitted text of this id."""

    def same_text(self, digest: bytes) -> list[Found]:
        """Emitted texts with this digest, in the order of the wire."""

    def same_url(self, url_digest: bytes) -> list[Found]:
        """Emitted texts with this URL, in the order of the wire."""

    def similar(self, signature: Signature) -> list[Found]:
        """Emitted texts that may be similar, the likeliest first; a bounded number."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision: what the article repeats or updates, and the print to keep (None for a copy).

    `root`: of a revision or an update, the sequence number of the article that it began with; 0 is its own.
    """

    duplicate: Duplicate
    kept: Print | None
    root: int = 0


def fingerprint(article: PreparedArticle) -> Print:
    """What an article is compared by: over its text, for a short one over title and text."""
    words = split_words(article.text)
    url = _url_digest(article.url)
    if len(words) < WORDS_MIN:
        return Print(short_digest(article.title, article.text), url, None)
    return Print(long_digest(words), url, words)


def decide(article: PreparedArticle, view: View, rules: CopyRules) -> Verdict:
    """Apply the rules above; `rules` has their thresholds."""
    print_ = fingerprint(article)
    if article.retry or view.own(article.id):
        before = view.own_text(article.id)
        root = before.root if before is not None else 0
        return Verdict(_duplicate("update", article.id, _compared(print_, before)), print_, root)
    for found in view.same_text(print_.digest):
        return Verdict(_duplicate("exact", found.row.id, WHOLLY), None)
    extended: tuple[Duplicate, Found] | None = None
    if print_.words is not None and print_.signature is not None:
        origin = _Origin(print_.words, feed_digest(article.feed.url), to_ms(article.observed_at))
        copy, extended = _compare(print_.signature, origin, view.similar(print_.signature), rules)
        if copy is not None:
            return Verdict(copy, None)
    if print_.url_digest != NO_URL:
        for found in view.same_url(print_.url_digest):
            return Verdict(_duplicate("update", found.row.id, _compared(print_, found.row)), print_, found.root)
    if extended is not None:
        return Verdict(extended[0], print_, extended[1].root)
    return Verdict(Duplicate(), print_)


class _Origin(NamedTuple):
    """Of a new text: its words, its feed, and when it was seen there."""

    words: Words
    feed: bytes
    observed_ms: int


def _compare(
    new: Signature, origin: _Origin, candidates: list[Found], rules: CopyRules
) -> tuple[Duplicate | None, tuple[Duplicate, Found] | None]:
    """The best copy among the candidates and, for want of one, the text that the new one extends most surely."""
    copies: list[tuple[int, float, int, Duplicate]] = []
    extended: list[tuple[float, int, tuple[Duplicate, Found]]] = []
    signed = [found for found in candidates if is_signed(found.encoded)]
    if not signed:
        return None, None
    shares = shared_with(new.shingles, [found.encoded for found in signed], [found.sequence for found in signed])
    least = min(rules.containment_min, rules.similarity_min)
    for found, (common, own, other) in zip(signed, shares, strict=True):
        # Most candidates share a phrase and no more: neither share is larger than that of the smaller text.
        if min(own, other) < SAMPLE_MIN or common / min(own, other) < least:
            continue
        shared, old = overlap_of(common, own, other), found.row.signature
        contained = max(shared.of_new, shared.of_old) >= rules.containment_min
        alike = contained or shared.jaccard >= rules.similarity_min
        # The facts last: comparing them costs the most.
        if not alike or old is None or (shared.jaccard < 1 and facts_replaced(new, old)):
            continue
        duplicate = _duplicate(_kind(shared, rules), found.row.id, shared)
        if duplicate.kind == "update":
            extended.append((-shared.of_old, found.sequence, (duplicate, found)))
        elif origin.feed == found.row.feed and (
            _is_column(shared, origin, found.row) or _is_footer(origin, old.shingles)
        ):
            continue
        elif duplicate.kind == "near":
            copies.append((0, -shared.jaccard, found.sequence, duplicate))
        else:
            copies.append((1, -shared.of_new, found.sequence, duplicate))
    best = min(copies, key=lambda copy: copy[:3])[3] if copies else None
    return best, min(extended, key=lambda one: one[:2])[2] if extended else None


def _is_column(shared: Overlap, origin: _Origin, old: TextRow) -> bool:
    """Whether two texts of a feed that are alike are rather the same column of two days."""
    apart = abs(origin.observed_ms - old.observed_ms) >= COLUMN_MS
    return apart and max(shared.of_new, shared.of_old) < COLUMN_WHOLE


def _is_footer(origin: _Origin, old: Sketch) -> bool:
    """Whether two texts of a feed share what comes after the new one's own beginning."""
    return head_alone(origin.words, old) >= HEAD_ALONE


def _kind(shared: Overlap, rules: CopyRules) -> Literal["update", "near", "syndicated"]:
    """What a text is that shares so much with an older one, their facts being the same."""
    if shared.of_old >= WHOLE > shared.of_new:
        return "update"
    contained = shared.of_new >= rules.containment_min
    if contained and shared.of_new >= WHOLE > shared.of_old:
        return "syndicated"
    if shared.jaccard >= rules.similarity_min:
        return "near"
    return "syndicated" if contained else "update"


def facts_replaced(new: Signature, old: Signature) -> bool:
    """Whether numbers or names of one text stand where the other has different ones."""
    numbers, names = replaced_share(new, old)
    return numbers >= REPLACED_NUMBERS or names >= REPLACED_NAMES


def _compared(new: Print, old: TextRow | None) -> Overlap | None:
    """How far a text is that of a row, None where that cannot be told (short texts, a row that is gone)."""
    if old is None:
        return None
    if new.digest == old.digest:
        return WHOLLY
    if new.signature is None or old.signature is None:
        return None
    return overlap(new.signature.shingles, old.signature.shingles)


def _duplicate(kind: Literal["update", "exact", "near", "syndicated"], of: str, shared: Overlap | None) -> Duplicate:
    if shared is None:
        return Duplicate(kind=kind, of=of)
    return Duplicate(
        kind=kind,
        of=of,
        similarity=round(shared.jaccard, 4),
        containment=round(max(shared.of_new, shared.of_old), 4),
        shared=round(shared.of_new, 4),
    )


def _url_digest(url: str | None) -> bytes:
    """16 bytes of a URL that names one page; a site's front page, to which some feeds link all items, names none."""
    if not url:
        return NO_URL
    parts = urlsplit(url)
    if parts.path in ("", "/") and not parts.query:
        return NO_URL
    return hashlib.blake2b(url.encode(errors="replace"), digest_size=16, person=b"url").digest()
