"""What the taxonomy says of its concepts, as vectors: how much an article is like what stands below a topic.

Every concept of the taxonomy is read by the encoder, its name and its definition (`training/concepts.py`), and an
article's embedding is compared with all of them. A concept of the second level has the evidence of everything below it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from newswire.pipeline.analysis.encoder import MODEL_FOLDER, verify
from newswire.pipeline.analysis.results import EMBEDDING_SIZE, ModelError

VECTORS_FILE, NAMES_FILE = "concepts.npy", "concepts.json"
SHARPNESS = 16.0
"""How much more a near concept counts than a far one; by the likelihood of 20 labels of other schemes that name a
concept of the second level."""
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


class Concepts:
    """The concepts of a model's taxonomy. Safe to use from several threads."""

    def __init__(self, concepts: Sequence[Concept], vectors: Bytes) -> None:
        """`vectors` (rows, 384): unit vectors times 127."""
        self.all = tuple(concepts)
        rows = np.concatenate([np.arange(one.start, one.end) for one in concepts])
        self._owners = np.repeat(np.arange(len(concepts)), [one.end - one.start for one in concepts])
        self._vectors = vectors[rows].astype(np.float32)

    @classmethod
    def load(cls, folder: Path = MODEL_FOLDER) -> "Concepts":
        """Read them from a model folder. Raises ModelError when their files are missing or damaged."""
        verify(folder, (VECTORS_FILE, NAMES_FILE))
        try:
            document = json.loads((folder / NAMES_FILE).read_text(encoding="utf-8"))
            vectors = np.load(folder / VECTORS_FILE, allow_pickle=False)
            concepts = [Concept(**one) for one in document["concepts"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"the taxonomy's concepts in {folder} cannot be read: {error!r}") from error
        if vectors.dtype != np.int8 or vectors.shape != (max(one.end for one in concepts), EMBEDDING_SIZE):
            raise ModelError(f"{folder / VECTORS_FILE} holds {vectors.dtype} of {vectors.shape}, not its concepts")
        return cls(concepts, vectors)

    def evidence(self, embedding: bytes) -> Doubles:
        """For each of `all`: `ln sum exp(SHARPNESS * cosine)` over it and what stands below it."""
        article = np.frombuffer(embedding, dtype=np.int8).astype(np.float32)
        # Whole numbers below 2 to the 24th: exact, in whatever order a processor adds them up.
        products = np.einsum("rc,c->r", self._vectors, article).astype(np.float64)
        sums = np.bincount(self._owners, np.exp(SHARPNESS * products / (_UNIT * _UNIT)), len(self.all))
        return np.asarray(np.log(sums))

    def evidence_of_topics(self, topics: Sequence[str], embedding: bytes) -> Doubles:
        """For each of `topics` (ids): the same over all that stands below it. Raises KeyError where nothing does."""
        numbers = {topic: number for number, topic in enumerate(topics)}
        owners = [numbers[one.topic] for one in self.all]
        return np.asarray(np.log(np.bincount(owners, np.exp(self.evidence(embedding)), len(topics))))
