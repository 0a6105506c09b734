"""A threshold for each topic, below which the service abstains, chosen on a third of the held-out texts.

The rest is for the figures (`training.evaluate`). Wanted is a precision: a subscriber who filters by topic is
hurt more by what does not belong there than by what is missing.
"""

from collections.abc import Mapping, Sequence

from training.tagging_data import held_out
from training.topic_data import TOPICS, TopicText

_PRECISION = 0.75
_LOWEST, _HIGHEST = 10, 90
_SHORT = ("replay-", "slavic-")
_SIB = ("eng_Latn", "rus_Cyrl", "ukr_Cyrl")


def parts(texts: Sequence[TopicText]) -> tuple[list[TopicText], list[TopicText]]:
    """(a third to choose thresholds on, the rest for figures) of held-out texts, by the SHA-1 of their ids.

    Left out are texts whose labels are keyword rules or the case at hand, and SIB-200 in languages beyond three.
    """
    kept = [
        text
        for text in texts
        if not text.id.startswith(_SHORT) and (not text.id.startswith("sib-") or text.language in _SIB)
    ]
    first = [text for text in kept if held_out(f"{text.id} thresholds") or held_out(f"{text.id} again")]
    chosen = {id(text) for text in first}
    return first, [text for text in kept if id(text) not in chosen]


def listed(text: TopicText) -> tuple[set[str], set[str]]:
    """(topics that are true of a text, topics of which its source says nothing sure)."""
    true = {topic for topic, target in zip(TOPICS, text.targets, strict=True) if target}
    unsure = {topic for topic, weight in zip(TOPICS, text.weights, strict=True) if weight < 0.2} - true
    return true, unsure


def choose(texts: Sequence[tuple[TopicText, Mapping[str, float]]]) -> list[float]:
    """The lowest threshold (in steps of 0.05) with the wanted precision, else the one of the best precision.

    `texts` come with their scores for every topic.
    """
    right: dict[str, list[float]] = {topic: [] for topic in TOPICS}
    wrong: dict[str, list[float]] = {topic: [] for topic in TOPICS}
    for text, scores in texts:
        true, unsure = listed(text)
        for topic, score in scores.items():
            if topic in true:
                right[topic].append(score)
            elif topic not in unsure:
                wrong[topic].append(score)
    thresholds = []
    for topic in TOPICS:
        best, best_precision = _HIGHEST / 100, 0.0
        for step in range(_LOWEST, _HIGHEST + 1, 5):
            limit = step / 100
            hits = sum(score >= limit for score in right[topic])
            misses = sum(score >= limit for score in wrong[topic])
            precision = hits / max(1, hits + misses)
            if precision > best_precision and hits:
                best, best_precision = limit, precision
            if precision >= _PRECISION:
                break
        thresholds.append(best)
    return thresholds
