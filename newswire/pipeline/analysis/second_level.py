"""Topics of the taxonomy's second level, from the embedding alone: what below an article's topics it is most like.

No texts with labels of this level were at hand, so nothing is trained: every concept of the taxonomy is read by the
encoder, its name and its definition, and an article is compared with all that stand below its topic. A concept of the
second level has the evidence of everything below it: `ln sum exp(SHARPNESS * cosine)`, and a softmax of these over
their siblings is the probability that it is this one. `python -m training.second_level_figures` measures it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from newswire.pipeline.analysis.encoder import MODEL_FOLDER, verify
from newswire.pipeline.analysis.results import EMBEDDING_SIZE, ModelError, Topic

VECTORS_FILE, NAMES_FILE = "concepts.npy", "concepts.json"
# How the name of the model says that it is in use; another number where the same embedding gives other topics.
VERSION = "second-level-1"
# Both by the likelihood of 20 labels of other schemes that name a concept of this level.
SHARPNESS = 12.0
_TEMPERATURE = 0.8
# Of what is given below those labels 73 % is right.
THRESHOLD = 0.6
_UNIT = 127.0

Bytes = npt.NDArray[np.int8]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Concept:
    """A concept of the second level below `topic`: its own vector and those of all below it are rows start to end."""

    id: str
    name: str
    topic: str
    start: int
    end: int


class SecondLevel:
    """The second level of a model's taxonomy. Safe to use from several threads."""

    def __init__(self, concepts: Sequence[Concept], vectors: Bytes) -> None:
        """`vectors` (rows, 384): unit vectors times 127."""
        self._below: dict[str, list[Concept]] = {}
        for concept in concepts:
            self._below.setdefault(concept.topic, []).append(concept)
        self._vectors = vectors.astype(np.int32)

    @classmethod
    def load(cls, folder: Path = MODEL_FOLDER) -> "SecondLevel":
        """Read it from a model folder. Raises ModelError when its files are missing or damaged."""
        verify(folder, (VECTORS_FILE, NAMES_FILE))
        try:
            document = json.loads((folder / NAMES_FILE).read_text(encoding="utf-8"))
            vectors = np.load(folder / VECTORS_FILE, allow_pickle=False)
            concepts = [Concept(**one) for one in document["concepts"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"the second level of topics in {folder} cannot be read: {error!r}") from error
        if vectors.dtype != np.int8 or vectors.shape != (max(one.end for one in concepts), EMBEDDING_SIZE):
            raise ModelError(f"{folder / VECTORS_FILE} holds {vectors.dtype} of {vectors.shape}, not its concepts")
        return cls(concepts, vectors)

    def below(self, topics: Sequence[Topic], embedding: bytes) -> tuple[Topic, ...]:
        """At most one concept below each of an article's `topics`, by falling score: where it is likely enough.

        A score is the probability given the topic above; it does not tell how sure that one is.
        """
        found = []
        for topic in topics:
            ranked = self.probabilities(topic.id, embedding)
            if ranked:
                concept, score = max(ranked, key=lambda one: (one[1], one[0].id))
                if score >= THRESHOLD:
                    found.append(Topic(concept.id, concept.name, round(score, 4), THRESHOLD))
        return tuple(sorted(found, key=lambda one: (-one.score, one.id)))

    def probabilities(self, topic: str, embedding: bytes) -> list[tuple[Concept, float]]:
        """Each concept below a topic with its probability; nothing for another topic or an article without words."""
        article = np.frombuffer(embedding, dtype=np.int8).astype(np.int32)
        concepts = self._below.get(topic, [])
        if not concepts or not article.any():
            return []
        evidence = np.array([self._evidence(concept, article) for concept in concepts]) / _TEMPERATURE
        shares = np.exp(evidence - evidence.max())
        return list(zip(concepts, (shares / shares.sum()).tolist(), strict=True))

    def _evidence(self, concept: Concept, article: npt.NDArray[np.int32]) -> float:
        # Whole numbers, which add up to the same whatever the processor and its number of cores.
        cosines: Doubles = (self._vectors[concept.start : concept.end] @ article) / (_UNIT * _UNIT)
        return float(np.log(np.exp(SHARPNESS * cosines).sum()))
