"""Topics of the taxonomy's second level, from the embedding alone: what below an article's topics it is most like.

No texts with labels of this level were at hand, so nothing is trained: an article has evidence for each concept
(`concepts.py`), and a softmax of these over their siblings is the probability that it is this one.
`python -m training.second_level_figures` measures it.
"""

from collections.abc import Sequence

import numpy as np

from newswire.pipeline.analysis.concepts import Concept, Concepts, Doubles
from newswire.pipeline.analysis.results import Topic

# How the name of the model says that it is in use; another number where the same embedding gives other topics.
VERSION = "second-level-2"
# By the likelihood of the labels that the concepts' sharpness was chosen on.
_TEMPERATURE = 0.8
# Of what is given below those labels 73 % is right.
THRESHOLD = 0.6


class SecondLevel:
    """The second level of a model's taxonomy. Safe to use from several threads."""

    def __init__(self, concepts: Concepts) -> None:
        self._concepts = concepts
        self._below: dict[str, list[int]] = {}
        for number, concept in enumerate(concepts.all):
            self._below.setdefault(concept.topic, []).append(number)

    def below(self, topics: Sequence[Topic], embedding: bytes) -> tuple[Topic, ...]:
        """At most one concept below each of an article's `topics`, by falling score: where it is likely enough.

        A score is the probability given the topic above; it does not tell how sure that one is.
        """
        if not topics or not any(embedding):
            return ()
        found, evidence = [], self._concepts.evidence(embedding)
        for topic in topics:
            ranked = self._shares(topic.id, evidence)
            if ranked:
                concept, score = max(ranked, key=lambda one: (one[1], one[0].id))
                if score >= THRESHOLD:
                    found.append(Topic(concept.id, concept.name, round(score, 4), THRESHOLD))
        return tuple(sorted(found, key=lambda one: (-one.score, one.id)))

    def probabilities(self, topic: str, embedding: bytes) -> list[tuple[Concept, float]]:
        """Each concept below a topic with its probability; nothing for another topic or an article without words."""
        return self._shares(topic, self._concepts.evidence(embedding)) if any(embedding) else []

    def _shares(self, topic: str, evidence: Doubles) -> list[tuple[Concept, float]]:
        below = self._below.get(topic, [])
        if not below:
            return []
        weighed = evidence[below] / _TEMPERATURE
        shares = np.exp(weighed - weighed.max())
        concepts = [self._concepts.all[number] for number in below]
        return list(zip(concepts, (shares / shares.sum()).tolist(), strict=True))
