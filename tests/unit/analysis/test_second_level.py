"""The second level of topics: the arithmetic on vectors made by hand, and through the shipped model."""

import math

import numpy as np

from newswire.pipeline.analysis import Analyzer, Topic
from newswire.pipeline.analysis.concepts import SHARPNESS, Concept, Concepts
from newswire.pipeline.analysis.opening import open_analysis
from newswire.pipeline.analysis.results import EMBEDDING_SIZE, EMPTY_EMBEDDING
from newswire.pipeline.analysis.second_level import THRESHOLD, VERSION, SecondLevel
from newswire.pipeline.settings import AnalyzeSettings

TITLE = "Gang robs three banks in one night"
TEXT = "The robbers shot a guard and fled with a million. Detectives say that the gang has committed murders before."
ABOVE = Topic("medtop:01000000", "above", 0.9, 0.5)


def vector(*places: int) -> list[int]:
    """A unit vector times 127 that has equal parts at some places."""
    row = [0] * EMBEDDING_SIZE
    for place in places:
        row[place] = round(127 / math.sqrt(len(places)))
    return row


def level(*rows: list[int]) -> SecondLevel:
    """Two concepts below one topic: the first has the first row, the second one all others."""
    concepts = [Concept("medtop:1", "one", ABOVE.id, 0, 1), Concept("medtop:2", "two", ABOVE.id, 1, len(rows))]
    return SecondLevel(Concepts(concepts, np.array(rows, dtype=np.int8)))


def embedding(*places: int) -> bytes:
    return np.array(vector(*places), dtype=np.int8).tobytes()


def test_what_stands_below_a_concept_is_its_evidence() -> None:
    found = dict(level(vector(0), vector(1), vector(2)).probabilities(ABOVE.id, embedding(0)))
    alone, both = math.e**SHARPNESS, 2.0
    odds = (alone / both) ** 1.25
    assert {concept.id: round(score, 6) for concept, score in found.items()} == {
        "medtop:1": round(odds / (1 + odds), 6),
        "medtop:2": round(1 / (1 + odds), 6),
    }


def test_a_concept_is_given_where_it_is_likely_enough() -> None:
    concepts = level(vector(0), vector(1))
    (given,) = concepts.below([ABOVE], embedding(1))
    assert (given.id, given.name, given.threshold) == ("medtop:2", "two", THRESHOLD)
    assert THRESHOLD <= given.score <= 1.0
    assert concepts.below([ABOVE], embedding(0, 1)) == ()


def test_nothing_is_given_without_words_or_below_other_topics() -> None:
    concepts = level(vector(0), vector(1))
    assert concepts.below([ABOVE], EMPTY_EMBEDDING) == ()
    assert concepts.below([], embedding(1)) == ()
    assert concepts.below([Topic("medtop:02000000", "another", 0.9, 0.5)], embedding(1)) == ()


def test_topics_of_the_second_level_follow_those_above(analyzer: Analyzer) -> None:
    plain = analyzer.analyze(TITLE, TEXT)
    with open_analysis(AnalyzeSettings(second_level=True), on_hang=lambda: None) as runner:
        both = runner._analyzer.analyze(TITLE, TEXT)
        assert runner.name == f"{analyzer.name} {VERSION}"
    assert both.topics[: len(plain.topics)] == plain.topics
    assert (both.entities, both.embedding) == (plain.entities, plain.embedding)
    assert "crime, law and justice" in [topic.name for topic in plain.topics]
    assert "crime" in [topic.name for topic in both.topics[len(plain.topics) :]]
    assert len(both.topics) <= 2 * len(plain.topics)
