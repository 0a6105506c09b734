"""Topic figures of a model through the shipped path: the best topic, what the thresholds let through, confidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.results import EMPTY_EMBEDDING
from training.entity_figures import Counts
from training.marked_topics import marked, read_marks
from training.thresholds import listed
from training.topic_data import TOPICS, TopicText

_BINS = 15
_PRECISION = 0.95
_OUTLETS = {"en": "outlets never trained on, English", "de": "outlets never trained on, German"}
_MARKED = "{}, all topics marked by hand"


@dataclass(frozen=True)
class Scored:
    """A text with the model's score for every topic, and its embedding."""

    text: TopicText
    scores: Mapping[str, float]
    embedding: bytes = EMPTY_EMBEDDING

    @property
    def group(self) -> str:
        """What the text's figures are printed under."""
        kind = self.text.id.split("-")[0]
        return _OUTLETS[self.text.language] if kind == "outlet" else kind

    @property
    def best(self) -> str:
        """The topic of the highest score."""
        return max(self.scores, key=lambda topic: self.scores[topic])

    @property
    def right(self) -> bool:
        """Whether the best topic is among the listed ones."""
        return self.best in listed(self.text)[0]

    def given(self, limits: Mapping[str, float]) -> set[str]:
        """The topics that reach their thresholds."""
        return {topic for topic, score in self.scores.items() if score >= limits[topic]}


def score(analyzer: Analyzer, texts: Sequence[TopicText]) -> list[Scored]:
    """Every text with its scores; `analyzer` must have thresholds of zero."""
    found = []
    for text in texts:
        title, _, body = text.text.partition("\n")
        analysis = analyzer.analyze(title, body)
        found.append(Scored(text, {topic.id: topic.score for topic in analysis.topics}, analysis.embedding))
    return found


def macro(found: Sequence[Scored], limits: Mapping[str, float] | None = None) -> float:
    """The share of texts whose best topic is listed, per topic that is listed, averaged over the topics.

    With `limits` a best topic below its own counts as a miss. Topics that are never listed do not count.
    """
    shares = []
    for topic in TOPICS:
        texts = [one for one in found if topic in listed(one.text)[0]]
        if texts:
            hits = [one.right and (limits is None or one.scores[one.best] >= limits[one.best]) for one in texts]
            shares.append(sum(hits) / len(hits))
    return float(np.mean(shares))


def calibration_error(found: Sequence[Scored]) -> float:
    """Expected calibration error of the best topic's score, 15 bins of equal width (Guo et al. 2017)."""
    scores = np.array([one.scores[one.best] for one in found])
    right = np.array([one.right for one in found], dtype=float)
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    gaps = [abs(scores[bins == n].mean() - right[bins == n].mean()) * (bins == n).sum() for n in set(bins.tolist())]
    return float(sum(gaps) / len(found))


def coverage(found: Sequence[Scored], precision: float = _PRECISION) -> float:
    """The largest share of texts, surest first, of whose best topics at least `precision` are listed."""
    order = sorted(found, key=lambda one: -one.scores[one.best])
    share = np.cumsum([one.right for one in order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(share >= precision)
    return float((enough[-1] + 1) / len(order)) if len(enough) else 0.0


def average_precision(found: Sequence[Scored]) -> float:
    """The mean precision down to each listed topic, over all topics of all texts together, the surest first.

    Topics of which a source says nothing sure do not count.
    """
    pairs = []
    for one in found:
        true, unsure = listed(one.text)
        pairs += [(score, topic in true) for topic, score in one.scores.items() if topic not in unsure]
    right = np.array([hit for _, hit in sorted(pairs, key=lambda pair: -pair[0])], dtype=float)
    shares = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float((shares * right).sum() / right.sum())


def counted(found: Sequence[Scored], limits: Mapping[str, float], topics: Sequence[str] = TOPICS) -> Counts:
    """How many of some topics are given, true, and both, but for those of which a text's source says nothing sure."""
    counts = Counts()
    for one in found:
        true, unsure = listed(one.text)
        given = one.given(limits) - unsure
        counts.found += len(given.intersection(topics))
        counts.expected += len(true.intersection(topics))
        counts.right += len((given & true).intersection(topics))
    return counts


def print_topics(found: Sequence[Scored], thresholds: Sequence[float]) -> None:
    """Figures by group of texts, then precision and recall of each topic, in per cent."""
    limits = dict(zip(TOPICS, thresholds, strict=True))
    print("topics, held-out texts: best topic is listed (over topics alike, and where it reaches its threshold)")
    for group in sorted({one.group for one in found}):
        _print_group(group, [one for one in found if one.group == group], limits)
    marks = read_marks()
    for group in sorted(set(_OUTLETS.values())):
        own = [one for one in found if one.group == group]
        complete = [replace(one, text=text) for one in own if (text := marked(one.text, marks))]
        if complete:
            _print_group(_MARKED.format(group), complete, limits)
            precision, recall, _ = counted(complete, limits).figures()
            print(f"    of the topics given P {precision:.1f} R {recall:.1f}")
    for topic in TOPICS:
        counts = counted(found, limits, (topic,))
        precision, recall, _ = counts.figures()
        print(f"  {topic}: threshold {limits[topic]:.2f}, P {precision:.1f} R {recall:.1f} of {counts.expected}")


def _print_group(group: str, texts: Sequence[Scored], limits: Mapping[str, float]) -> None:
    right = 100 * sum(one.right for one in texts) / len(texts)
    silent = 100 * sum(not one.given(limits) for one in texts) / len(texts)
    print(
        f"  {group}: {len(texts)} texts, {right:.1f} % ({100 * macro(texts):.1f} and "
        f"{100 * macro(texts, limits):.1f} %), no topic given {silent:.1f} %, calibration error "
        f"{calibration_error(texts):.3f}, coverage at 95 % precision {coverage(texts):.2f}, average precision of "
        f"all topics {average_precision(texts):.3f}"
    )
