"""How well embeddings tell events apart, by themselves.

The documents of ECB+ are clustered by the cosines of their embeddings alone, average linkage, into as many clusters as
there are events; B-cubed F1 (Bagga and Baldwin 1998) against these. It is the mean over parts of the documents, because
one clustering swings with a few of them. `training/teacher_figures.py` prints the teacher's.
"""

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.stories import b_cubed
from newswire.pipeline.analysis.analyze import Analyzer
from training.topic_data import read_sib

_LANGUAGES = ("deu_Latn", "eng_Latn", "fra_Latn", "pol_Latn", "rus_Cyrl", "spa_Latn", "ukr_Cyrl")
_SENTENCES = 120
_PARTS = 200
_SHARE = 0.85
REPORTS = Path("stories") / "ecbplus-odd-topics.jsonl"

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Report:
    """A document of a known event with its unit embedding (384,)."""

    name: str
    event: str
    title: str
    text: str
    embedding: Doubles


@dataclass(frozen=True)
class Sampled:
    """The mean and standard deviation of a figure over parts of the reports that are drawn by chance, both 0 to 1."""

    mean: float
    deviation: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} (one part to another: {self.deviation:.3f})"


def read_reports(analyzer: Analyzer, path: Path) -> list[Report]:
    """The documents of a file of events, read by the model: the first sentence that is no address is the title."""
    reports = []
    with path.open(encoding="utf-8") as lines:
        for one in map(json.loads, lines):
            title, *rest = [text for text in one["sentences"] if not text.startswith("http")]
            text = "\n\n".join(rest)
            whole = np.frombuffer(analyzer.analyze(title, text).embedding, dtype=np.int8).astype(float)
            reports.append(Report(one["doc"], one["event"], title, text, whole / np.linalg.norm(whole)))
    return reports


def cosines_of(reports: Sequence[Report]) -> Doubles:
    """The cosine of each two reports, (reports, reports), less what all of them share."""
    rows = np.stack([one.embedding for one in reports])
    rows = rows - rows.mean(0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows @ rows.T)


def average_linkage(cosines: Doubles, clusters: int) -> list[int]:
    """The cluster of each row: the two of the highest mean cosine become one, until `clusters` are left."""
    near, sizes = cosines.copy(), np.ones(len(cosines))
    np.fill_diagonal(near, -np.inf)
    owners = list(range(len(cosines)))
    for _ in range(len(cosines) - clusters):
        into, gone = sorted(np.unravel_index(int(near.argmax()), near.shape))
        merged = (near[into] * sizes[into] + near[gone] * sizes[gone]) / (sizes[into] + sizes[gone])
        near[into], near[:, into] = merged, merged
        near[into, into] = -np.inf
        near[gone], near[:, gone] = -np.inf, -np.inf
        sizes[into] += sizes[gone]
        owners = [int(into) if owner == gone else owner for owner in owners]
    return owners


def event_f1(reports: Sequence[Report]) -> Sampled:
    """`clustered_f1` over parts of the reports that are drawn by chance, the same ones each time."""
    draw = random.Random(len(reports))
    found = [clustered_f1(draw.sample(reports, round(_SHARE * len(reports)))) for _ in range(_PARTS)]
    return Sampled(float(np.mean(found)), float(np.std(found)))


def clustered_f1(reports: Sequence[Report]) -> float:
    """B-cubed F1 of the reports clustered by their embeddings, 0 to 1."""
    true = {one.name: one.event for one in reports}
    owners = average_linkage(cosines_of(reports), len(set(true.values())))
    return b_cubed({one.name: str(owner) for one, owner in zip(reports, owners, strict=True)}, true)[2]


def agreement(reports: Sequence[Report], others: Sequence[Report]) -> float:
    """The Pearson correlation of the cosines of all pairs by two sets of embeddings of the same reports."""
    pairs = np.triu_indices(len(reports), 1)
    return float(np.corrcoef(cosines_of(reports)[pairs], cosines_of(others)[pairs])[0, 1])


def print_embedding(analyzer: Analyzer, path: Path) -> None:
    """The model's figure."""
    reports = read_reports(analyzer, path)
    print(f"embedding alone, {_SHARE:.0%} of {len(reports)} reports of ECB+ clustered: B-cubed F1 {event_f1(reports)}")


def translation_cosines(embeddings: Mapping[tuple[str, str], Doubles]) -> tuple[list[float], list[float]]:
    """Cosines of sentences in two languages, by (sentence, language): of each two translations, and of all others."""
    alike: list[float] = []
    apart: list[float] = []
    for one, other in combinations(embeddings, 2):
        if one[1] != other[1]:
            (alike if one[0] == other[0] else apart).append(float(embeddings[one] @ embeddings[other]))
    return alike, apart


def print_translations(analyzer: Analyzer, folder: Path) -> None:
    """How near sentences of SIB-200 are to their translations, and to others on one topic; `folder` has topics/."""
    by_topic: defaultdict[tuple[float, ...], dict[tuple[str, str], Doubles]] = defaultdict(dict)
    texts = [text for text in read_sib(folder / "topics" / "sib200") if text.language in _LANGUAGES]
    chosen = set(sorted({text.id for text in texts})[:_SENTENCES])
    for text in texts:
        if text.id in chosen:
            whole = np.frombuffer(analyzer.analyze("", text.text).embedding, dtype=np.int8).astype(float)
            by_topic[text.targets][text.id, text.language] = whole / np.linalg.norm(whole)
    found = [translation_cosines(embeddings) for embeddings in by_topic.values()]
    alike, apart = ([cosine for one in found for cosine in one[side]] for side in (0, 1))
    half, most, other = np.median(alike), np.percentile(alike, 5), np.percentile(apart, 99)
    print(f"embedding, {len(chosen)} sentences of SIB-200 in {len(_LANGUAGES)} languages, cosines across languages")
    print(f"  translations: half above {half:.2f}, 95 of 100 above {most:.2f}")
    print(f"  others on the same topic: one of 100 above {other:.2f}")
