"""The taxonomy's concepts: evidence from vectors made by hand, the shipped ones, files that are damaged."""

import json
import math
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from newswire.pipeline.analysis import MODEL_FOLDER, ModelError
from newswire.pipeline.analysis.concepts import NAMES_FILE, SHARPNESS, VECTORS_FILE, Concept, Concepts
from newswire.pipeline.analysis.encoder import Encoder
from newswire.pipeline.analysis.results import EMBEDDING_SIZE

ARTS, CRIME = "medtop:01000000", "medtop:02000000"


def row(place: int) -> list[int]:
    """A unit vector times 127 along one axis."""
    return [127 * (number == place) for number in range(EMBEDDING_SIZE)]


def made() -> Concepts:
    """Two concepts below one topic, the second one with two rows, and one below another; a row is no concept's."""
    concepts = [Concept("a", "a", ARTS, 0, 1), Concept("b", "b", ARTS, 2, 4), Concept("c", "c", CRIME, 4, 5)]
    return Concepts(concepts, np.array([row(place) for place in (0, 9, 1, 2, 3)], dtype=np.int8))


def article(*parts: int) -> bytes:
    """An embedding with these first elements."""
    return np.array([*parts, *([0] * (EMBEDDING_SIZE - len(parts)))], dtype=np.int8).tobytes()


def test_a_concept_has_the_evidence_of_all_below_it() -> None:
    near, far = math.exp(SHARPNESS), 1.0
    assert made().evidence(article(0, 127)).tolist() == pytest.approx([0.0, math.log(near + far), 0.0])
    assert made().evidence(article(*[0] * 9, 127)).tolist() == pytest.approx([0.0, math.log(2), 0.0])


def test_a_topic_has_the_evidence_of_all_its_concepts_in_the_order_asked_for() -> None:
    near, far = math.exp(SHARPNESS), 1.0
    found = made().evidence_of_topics((CRIME, ARTS), article(127))
    assert found.tolist() == pytest.approx([0.0, math.log(near + 2 * far)])
    with pytest.raises(KeyError):
        made().evidence_of_topics((CRIME,), article(127))


def test_products_are_exact_whole_numbers() -> None:
    vectors = np.random.default_rng(5).integers(-11, 12, (40, EMBEDDING_SIZE), dtype=np.int8)
    concepts = Concepts([Concept(str(n), str(n), ARTS, n, n + 1) for n in range(40)], vectors)
    exact = vectors.astype(np.int64) @ vectors[7].astype(np.int64)
    found = concepts.evidence(vectors[7].tobytes()) * 127 * 127 / SHARPNESS
    assert np.abs(found - exact).max() < 1e-6


def test_the_shipped_concepts_hang_together() -> None:
    document = json.loads((MODEL_FOLDER / NAMES_FILE).read_text(encoding="utf-8"))
    concepts = [Concept(**one) for one in document["concepts"]]
    topics = json.loads((MODEL_FOLDER / "config.json").read_text(encoding="utf-8"))["newswire"]["topics"]
    assert {one.topic for one in concepts} == set(topics)
    assert all(one.start < one.end for one in concepts)
    assert all(one.end <= other.start for one, other in pairwise(concepts))
    assert len({one.id for one in concepts}) == len(concepts)
    lengths = np.linalg.norm(np.load(MODEL_FOLDER / VECTORS_FILE).astype(float), axis=1)
    assert np.abs(lengths - 127).max() < 2


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the model folder; the large file is a link."""
    for path in MODEL_FOLDER.iterdir():
        if path.name == "model.onnx":
            (tmp_path / path.name).symlink_to(path)
        else:
            shutil.copy(path, tmp_path / path.name)
    return tmp_path


@pytest.mark.parametrize("name", [VECTORS_FILE, NAMES_FILE])
def test_a_damaged_or_missing_file_is_named_with_what_mends_it(copied: Path, name: str) -> None:
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match=rf"{name} is damaged.*pip install --force-reinstall"):
        Concepts.load(copied)
    (copied / name).unlink()
    with pytest.raises(ModelError, match=rf"{name} cannot be read.*pip install --force-reinstall"):
        Concepts.load(copied)
    with pytest.raises(ModelError, match=name):
        Encoder.load(copied)
