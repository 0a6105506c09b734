"""Where the model errs: `python -m training.errors --data FOLDER [--model FOLDER] [--most N]`.

For each entity set how many mistakes are of which kind, and the N that the model was surest of; for topics the pairs
that are confused most, the N wrong topics of the highest score, and N drawn by chance of outlets that were never
trained on; of ECB+ the N pairs of documents of different events whose embeddings are nearest, and the N of one event
whose are farthest. What is printed quotes the data: it is to be read, not to be kept in the repository.
"""

import random
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.results import Entity
from training import thresholds
from training import topic_data as topics
from training.archives import unpack
from training.arguments import of_model
from training.embedding_figures import REPORTS, Report, cosines_of, read_reports
from training.entity_figures import Documents, entity_sets
from training.evaluate import open_analyzer
from training.tagging_data import TaggedDocument
from training.topic_figures import Scored, score

_AROUND = 40
_TITLE, _DRAWN = 90, 160


@dataclass(frozen=True)
class Mistake:
    """A span that was found or expected wrongly: `kind` is boundary, type, spurious or missed; `score` 0 if missed."""

    kind: str
    found: str
    expected: str
    text: str
    context: str
    score: float


def mistakes(document: TaggedDocument, entities: Sequence[Entity]) -> Iterator[Mistake]:
    """The mistakes in a document: each expected span that is not found, and each found one that overlaps none."""
    right = {(one.start, one.end, str(one.type)) for one in entities} & set(document.spans)
    wrong = [one for one in entities if (one.start, one.end, str(one.type)) not in right]
    met: set[Entity] = set()
    for start, end, kind in document.spans:
        if (start, end, kind) in right:
            continue
        others = [one for one in wrong if one.start < end and start < one.end]
        met.update(others)
        context = _context(document.text, start, end)
        text = document.text[start:end]
        if not others:
            yield Mistake("missed", "O", kind, text, context, 0.0)
            continue
        best = max(others, key=lambda one: one.score)
        name = "type" if (best.start, best.end) == (start, end) else "boundary"
        yield Mistake(name, str(best.type), kind, f"{best.text} / {text}", context, best.score)
    for one in wrong:
        if one not in met:
            yield Mistake(
                "spurious", str(one.type), "O", one.text, _context(document.text, one.start, one.end), one.score
            )


def _context(text: str, start: int, end: int) -> str:
    around = f"{text[max(0, start - _AROUND) : start]}[{text[start:end]}]{text[end : end + _AROUND]}"
    return " ".join(around.split())


def print_entity_errors(analyzer: Analyzer, name: str, documents: Documents, most: int) -> None:
    found = [one for document in documents for one in mistakes(document, analyzer.analyze("", document.text).entities)]
    kinds = Counter((one.kind, one.expected, one.found) for one in found)
    print(f"{name}: {len(found)} mistakes (kind, expected, found)")
    for (kind, expected, other), number in kinds.most_common(12):
        print(f"  {number} {kind} {expected} {other}")
    for text, number in Counter(f"{one.kind}: {one.text}" for one in found).most_common(most):
        if number > 1:
            print(f"  {number} times {text}")
    for one in sorted(found, key=lambda one: -one.score)[:most]:
        print(f"  {one.score:.2f} {one.kind} {one.expected} for {one.found}: {one.text} | {one.context}")


def print_topic_errors(found: Sequence[Scored], most: int) -> None:
    wrong = [one for one in found if not one.right]
    print(f"topics: best one not listed for {len(wrong)} of {len(found)} texts (listed, best)")
    pairs = Counter((listed, one.best) for one in wrong for listed in thresholds.listed(one.text)[0])
    for (listed, best), number in pairs.most_common(most):
        print(f"  {number} {listed} {best}")
    for one in sorted(wrong, key=lambda one: -one.scores[one.best])[:most]:
        names = ", ".join(sorted(thresholds.listed(one.text)[0]))
        print(f"  {one.scores[one.best]:.2f} {one.best} for {names} ({one.group}): {one.text.text[:_TITLE]!r}")
    for group in sorted({one.group for one in wrong if one.text.id.startswith("outlet-")}):
        missed = [one for one in wrong if one.group == group]
        print(f"  drawn by chance from the {len(missed)} of {group}")
        for one in random.Random(len(missed)).sample(missed, min(most, len(missed))):
            names = ", ".join(sorted(thresholds.listed(one.text)[0]))
            print(f"    {one.best} for {names}: {one.text.text[:_DRAWN]!r}")


def print_embedding_errors(reports: Sequence[Report], most: int) -> None:
    cosines = cosines_of(reports)
    pairs = [(float(cosines[a, b]), a, b) for a in range(len(reports)) for b in range(a)]
    alike = [pair for pair in pairs if reports[pair[1]].event == reports[pair[2]].event]
    apart = [pair for pair in pairs if reports[pair[1]].event != reports[pair[2]].event]
    middle = statistics.median(cosine for cosine, _, _ in alike)
    nearer = sum(cosine > middle for cosine, _, _ in apart)
    print(f"embedding: {len(alike)} pairs of one event, half nearer than {middle:.3f}; so are {nearer} of others")
    for name, chosen in (("nearest of other events", sorted(apart)[::-1]), ("farthest of one event", sorted(alike))):
        print(f"  {name}")
        for cosine, a, b in chosen[:most]:
            titles = " | ".join(f"{one.name} {one.title[:_TITLE]!r}" for one in (reports[a], reports[b]))
            print(f"    {cosine:.3f} {titles}")


def main() -> None:
    parser = of_model(__doc__)
    parser.add_argument("--most", type=int, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = unpack(arguments.data, Path(work))
        analyzer = Analyzer.load(arguments.model)
        print_embedding_errors(read_reports(analyzer, folder / REPORTS), arguments.most)
        for name, documents in entity_sets(folder).items():
            print_entity_errors(analyzer, name, documents, arguments.most)
        _, sample = thresholds.parts(topics.split(topics.read_all(folder))[1])
        print_topic_errors(score(open_analyzer(arguments.model), sample), arguments.most)


if __name__ == "__main__":
    main()
