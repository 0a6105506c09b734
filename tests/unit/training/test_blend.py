"""The blend of network and concepts: what made the labels is found again."""

import random

import numpy as np
import pytest

from newswire.pipeline.analysis.concepts import Concept, Concepts
from newswire.pipeline.analysis.results import EMBEDDING_SIZE
from newswire.pipeline.analysis.topics import blended
from training.blend import RIDGE, RIVALRY, fit_blend, fit_weights, intercepts_of, targets_of, weights_of
from training.topic_data import TOPICS, labelled
from training.topic_figures import Scored, calibration_error


def test_targets_share_a_text_and_topics_count_alike() -> None:
    found = [Scored(labelled("x", "en", "text", numbers), {}) for numbers in ((1,), (1,), (1, 2))]
    targets = targets_of(found)
    assert targets[:, :2].tolist() == [[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]]
    assert weights_of(targets).tolist() == pytest.approx([0.2, 0.2, 0.6])


def test_the_coefficients_that_made_the_labels_are_found() -> None:
    drawn = np.random.default_rng(7)
    features = drawn.normal(size=(2, 20_000, 4))
    logits = 1.5 * features[0] + 0.6 * features[1]
    chosen = (logits + drawn.gumbel(size=logits.shape)).argmax(1)
    found = fit_weights(features, np.eye(4)[chosen], np.full(20_000, 1 / 20_000), np.zeros(2))
    assert found.tolist() == pytest.approx([1.5, 0.6], abs=0.05)


def test_a_topic_that_is_listed_more_often_than_said_gets_an_intercept_that_the_ridge_holds_back() -> None:
    drawn = np.random.default_rng(8)
    said = drawn.normal(size=(20_000, 3))
    chosen = (1.2 * said + np.array([0.8, 0.0, -0.8]) + drawn.gumbel(size=said.shape)).argmax(1)
    features = np.concatenate((said[None], intercepts_of(3, len(said))))
    free, held = (
        fit_weights(features, np.eye(3)[chosen], np.full(len(said), 1 / len(said)), np.array([0.0, *[ridge] * 3]))
        for ridge in (1e-6, 1.0)
    )
    assert free.tolist() == pytest.approx([1.2, 0.8, 0.0, -0.8], abs=0.05)
    assert 0.05 < held[1] < 0.4 * free[1]
    assert held[2:].tolist() == pytest.approx([0.0, -held[1]], abs=0.05)


def made(choose: random.Random, number: int) -> Scored:
    """A text of a topic near whose concept it is; the network is right of half of them, and as sure of all."""
    true = choose.randrange(1, 18)
    said = true if choose.random() < 0.5 else choose.randrange(1, 18)
    vector = np.random.default_rng(number).normal(0, 3, EMBEDDING_SIZE)
    vector[true] += 40
    unit = np.rint(vector / np.linalg.norm(vector) * 127).astype(np.int8).tobytes()
    scores = dict.fromkeys(TOPICS, 0.02) | {TOPICS[said - 1]: 0.98}
    kind = "outlet" if number % 2 else "iptc"
    return Scored(labelled(f"{kind}-{number}", "en", "text", (true,)), scores, unit)


def test_concepts_that_know_better_than_the_network_count_and_the_score_says_how_sure() -> None:
    rows = np.zeros((17, EMBEDDING_SIZE), dtype=np.int8)
    rows[range(17), range(1, 18)] = 127
    concepts = Concepts([Concept(str(n), str(n), topic, n, n + 1) for n, topic in enumerate(TOPICS)], rows)
    choose = random.Random(3)
    found = [made(choose, number) for number in range(1500)]
    blend = fit_blend(found, concepts, RIVALRY, RIDGE)
    assert blend.weight > 1.0
    after = []
    for one in found:
        read = np.array([one.scores[topic] for topic in TOPICS])
        scores = blended(read, concepts.evidence_of_topics(TOPICS, one.embedding), blend)
        after.append(Scored(one.text, dict(zip(TOPICS, scores.tolist(), strict=True))))
    assert sum(one.right for one in found) < 0.6 * len(found)
    assert sum(one.right for one in after) > 0.9 * len(found)
    assert calibration_error(found) > 0.3
    assert calibration_error([one for one in after if one.text.id.startswith("outlet")]) < calibration_error(found) / 3
