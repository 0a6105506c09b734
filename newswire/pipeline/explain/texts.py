"""Two texts as the deduplicate stage compares them, and what they share word by word. Pure."""

from dataclasses import dataclass

from newswire.pipeline.duplicates.boilerplate import feed_digest
from newswire.pipeline.duplicates.decide import Found, Print, decide, fingerprint
from newswire.pipeline.duplicates.normalise import word_spans
from newswire.pipeline.duplicates.rows import TextRow
from newswire.pipeline.duplicates.signature import SHINGLE_WORDS, Overlap, Signature, overlap, replaced_share
from newswire.pipeline.settings import CopyRules
from newswire.pipeline.text.dates import to_ms
from newswire.schemas import Duplicate, PreparedArticle


@dataclass(frozen=True, slots=True)
class TextComparison:
    """What a text is to an earlier one, if nothing else had been in the wire.

    `overlap` of their shingles, and the shares of `numbers` and `names` of one that stand in place of the other's;
    null where one of them is too short to be compared but as a whole.
    """

    verdict: Duplicate
    overlap: Overlap | None
    numbers: float | None
    names: float | None


def compare_texts(new: PreparedArticle, old: PreparedArticle, rules: CopyRules) -> TextComparison:
    """Decide an article by the rules of the stage, with `old` as the one that was emitted before it."""
    own, other = fingerprint(new), fingerprint(old)
    verdict = decide(new, _Only(old, other), rules).duplicate
    if own.signature is None or other.signature is None:
        return TextComparison(verdict, None, None, None)
    numbers, names = replaced_share(own.signature, other.signature)
    return TextComparison(verdict, overlap(own.signature.shingles, other.signature.shingles), numbers, names)


def shared_spans(text: str, other: str) -> list[tuple[int, int]]:
    """The parts of a text, (start, end) in code points, whose runs of SHINGLE_WORDS words and more stand in the other.

    A text of fewer words is one run.
    """
    words, others = word_spans(text), [word for word, _, _ in word_spans(other)]
    size = max(1, min(SHINGLE_WORDS, len(words), len(others)))
    held = {tuple(others[at : at + size]) for at in range(len(others) - size + 1)}
    spans: list[tuple[int, int]] = []
    for at in range(len(words) - size + 1):
        run = words[at : at + size]
        if tuple(word for word, _, _ in run) not in held:
            continue
        start, end = run[0][1], run[-1][2]
        if (spans and start <= spans[-1][1]) or (spans and at and words[at - 1][2] == spans[-1][1]):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


class _Only:
    """A wire in which one article was emitted."""

    def __init__(self, article: PreparedArticle, print_: Print) -> None:
        self._id = article.id
        observed, feed = to_ms(article.observed_at), feed_digest(article.feed.url)
        self._row = TextRow(observed, article.id, print_.digest, print_.url_digest, print_.signature, feed, 1)

    def own(self, id: str) -> bool:
        return id == self._id

    def own_text(self, id: str) -> TextRow | None:
        return self._row if id == self._id else None

    def same_text(self, digest: bytes) -> list[Found]:
        return [Found(1, self._row.encode())] if digest == self._row.digest else []

    def same_url(self, url_digest: bytes) -> list[Found]:
        return [Found(1, self._row.encode())] if url_digest == self._row.url_digest else []

    def similar(self, signature: Signature) -> list[Found]:
        return [Found(1, self._row.encode())]
