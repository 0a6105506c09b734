"""Scores of topics: windows by their tokens, network and concepts together; names and thresholds."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from newswire.pipeline.analysis import Analyzer, Encoder, ModelError
from newswire.pipeline.analysis.concepts import Concepts
from newswire.pipeline.analysis.encoder import Blend, Reading
from newswire.pipeline.analysis.topics import Taxonomy, TopicScorer, blended, logit, read_scores, sigmoid

GOVERNMENT = "medtop:11000000"


def reading(*logits: float) -> Reading:
    nothing = np.zeros(0, dtype=np.float32)
    return Reading(nothing, np.array(logits, dtype=np.float32), None)


def test_windows_count_by_the_tokens_that_each_adds() -> None:
    found = read_scores([reading(0.0, 20.0), reading(20.0, -20.0)], np.array([3.0, 1.0]))
    assert found.tolist() == pytest.approx([(3 * 0.5 + 1.0) / 4, 3 / 4], abs=1e-6)


def test_evidence_above_the_mean_of_its_topic_raises_the_score() -> None:
    blend = Blend(weight=0.5, centre=(2.0, 2.0, 2.0), rivalry=0.0, scale=0.8, shift=-0.3)
    found = blended(np.array([0.5, 0.5, 0.9]), np.array([2.0, 4.0, 1.0]), blend)
    wanted = [-0.3, 0.8 * 1.0 - 0.3, 0.8 * (math.log(9.0) - 0.5) - 0.3]
    assert found.tolist() == pytest.approx([1 / (1 + math.exp(-value)) for value in wanted])


def test_a_rival_makes_a_topic_less_sure_and_the_order_stays() -> None:
    def of(*chances: float) -> list[float]:
        blend = Blend(weight=0.0, centre=(0.0, 0.0, 0.0), rivalry=0.5, scale=1.0, shift=0.0)
        found: list[float] = blended(np.array(chances), np.zeros(3), blend).tolist()
        return found

    alone, beside = of(0.8, 0.01, 0.01), of(0.8, 0.75, 0.01)
    assert alone[0] == pytest.approx(1 / (1 + math.exp(-(math.log(4.0) - 0.5 * math.log(2 / 99)))))
    assert beside[0] < alone[0]
    assert beside[0] > beside[1] > beside[2]
    assert np.isfinite(of(0.0, 1.0, 1.0)).all()


def test_scores_of_nothing_and_of_certainty_stay_finite() -> None:
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    assert sigmoid(logit(np.array([0.25]))).tolist() == pytest.approx([0.25])


def test_a_blend_needs_its_concepts() -> None:
    settings = Encoder.load().settings
    assert settings.blend is not None
    assert len(settings.blend.centre) == len(settings.topics)
    with pytest.raises(ModelError, match="concepts"):
        TopicScorer(settings, None)


def test_without_a_blend_the_network_alone_says() -> None:
    settings = dataclasses.replace(Encoder.load().settings, blend=None)
    scores = TopicScorer(settings, None).scores([reading(*[0.0] * 17)], np.array([1.0]), b"")
    assert set(scores.values()) == {0.5}
    assert tuple(scores) == settings.topics


def test_the_taxonomys_words_find_a_topic_that_the_network_alone_is_less_sure_of(analyzer: Analyzer) -> None:
    encoder = Encoder.load()
    embedding = analyzer.analyze("", "The senate votes on the budget, and the prime minister may resign.").embedding
    unsure = [reading(*[-1.0] * 17)]
    scores = TopicScorer(encoder.settings, Concepts.load()).scores(unsure, np.array([1.0]), embedding)
    assert max(scores, key=lambda topic: scores[topic]) == GOVERNMENT


def test_topics_are_given_from_their_limits_on_the_likeliest_first() -> None:
    taxonomy = Taxonomy("x", {"a": "A", "b": "B", "c": "C"})
    given = taxonomy.given({"a": 0.5, "b": 0.71239, "c": 0.2}, {"a": 0.5, "b": 0.1, "c": 0.3})
    assert [(one.id, one.name, one.score, one.threshold) for one in given] == [
        ("b", "B", 0.7124, 0.1),
        ("a", "A", 0.5, 0.5),
    ]


def test_a_taxonomy_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.json cannot be read"):
        Taxonomy.load(tmp_path / "none.json")
