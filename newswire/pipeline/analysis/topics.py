"""An article's topics: what its windows say of each, and how much it is like what the taxonomy says of that topic.

The network has learned topics from some outlets' labels; what those called a topic, another outlet may not. The
taxonomy's own words (`concepts.py`) know no outlet. Alone they find fewer topics, but what they say beside the network
makes more of the topics right of outlets that were never trained on (`training/blend.py`).

A topic is the surer the less others are likely: what is said of all the others counts against each, in part, since an
article may have several.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from newswire.pipeline.analysis.concepts import Concepts
from newswire.pipeline.analysis.encoder import MODEL_FOLDER, Blend, Reading, Settings
from newswire.pipeline.analysis.results import ModelError, Topic

TAXONOMY_FILE = MODEL_FOLDER.parent / "taxonomy" / "iptc-media-topics.json"
_LEAST = 1e-6

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Taxonomy:
    """A release of the topic taxonomy: English names by topic id."""

    release: str
    names: dict[str, str]

    @classmethod
    def load(cls, path: Path = TAXONOMY_FILE) -> "Taxonomy":
        """Read a compact taxonomy file. Raises ModelError when it is missing or of another form."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(document["release"], {topic["id"]: topic["name"] for topic in document["topics"]})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"the taxonomy {path} cannot be read: {error!r}") from error

    def given(self, scores: Mapping[str, float], limits: Mapping[str, float]) -> tuple[Topic, ...]:
        """The topics whose scores reach their limits, the likeliest first."""
        found = [
            Topic(topic, self.names[topic], round(score, 4), limits[topic])
            for topic, score in scores.items()
            if score >= limits[topic]
        ]
        return tuple(sorted(found, key=lambda topic: (-topic.score, topic.id)))


def sigmoid(logits: Doubles) -> Doubles:
    """Probabilities of logits."""
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def logit(chances: Doubles) -> Doubles:
    """Logits of probabilities, which are kept a millionth away from 0 and 1."""
    kept = np.clip(chances, _LEAST, 1.0 - _LEAST)
    return np.asarray(np.log(kept / (1.0 - kept)))


def read_scores(readings: Sequence[Reading], weights: Doubles) -> Doubles:
    """What the network says of an article's topics (topics,): the mean of its windows, by the tokens that each adds."""
    each = np.stack([sigmoid(reading.topics.astype(np.float64)) for reading in readings])
    return np.asarray((each * weights[:, None]).sum(0) / weights.sum())


def of_others(logits: Doubles) -> Doubles:
    """For each of `logits` (topics,) the logarithm of the sum of the others' exponentials."""
    return np.asarray(np.logaddexp.reduce(np.where(np.eye(len(logits), dtype=bool), -np.inf, logits), axis=1))


def blended(read: Doubles, evidence: Doubles, blend: Blend) -> Doubles:
    """Scores (topics,) from what the network says and from the evidence of the concepts below each topic."""
    both = logit(read) + blend.weight * (evidence - np.array(blend.centre))
    return sigmoid(blend.scale * (both - blend.rivalry * of_others(both)) + blend.shift)


class TopicScorer:
    """Gives an article's topics their scores. Safe to use from several threads."""

    def __init__(self, settings: Settings, concepts: Concepts | None) -> None:
        """Without the settings' blend the network alone says. Raises ModelError where a blend lacks its concepts."""
        if settings.blend is not None and concepts is None:
            raise ModelError(f"{settings.name} gives topics by the taxonomy's concepts as well, which it lacks")
        self._settings, self._concepts = settings, concepts

    def scores(self, readings: Sequence[Reading], weights: Doubles, embedding: bytes) -> dict[str, float]:
        """Each topic's score by id; `embedding` is the article's."""
        topics, blend = self._settings.topics, self._settings.blend
        found = read_scores(readings, weights)
        if blend is not None and self._concepts is not None:
            found = blended(found, self._concepts.evidence_of_topics(topics, embedding), blend)
        return dict(zip(topics, found.tolist(), strict=True))
