"""Figures of topic scores, against cases that can be counted by hand."""

import random

import pytest

from training.calibration import fit
from training.topic_data import TOPICS, labelled
from training.topic_figures import Scored, average_precision, calibration_error, coverage, macro


def scored(listed: int, best: int, score: float) -> Scored:
    """A text with one listed topic, and one topic that has a score (numbers from 1)."""
    scores = dict.fromkeys(TOPICS, 0.0) | {TOPICS[best - 1]: score}
    return Scored(labelled("x-1", "en", "text", (listed,)), scores)


def test_macro_counts_topics_alike_and_abstentions_as_misses() -> None:
    found = [scored(1, 1, 0.9), scored(1, 1, 0.9), scored(1, 2, 0.9), scored(2, 2, 0.4)]
    assert macro(found) == pytest.approx((2 / 3 + 1) / 2)
    assert macro(found, dict.fromkeys(TOPICS, 0.5)) == pytest.approx((2 / 3 + 0) / 2)


def test_calibration_error_is_the_gap_between_score_and_share_right() -> None:
    exact = [scored(1, 1, 0.75)] * 3 + [scored(1, 2, 0.75)]
    assert calibration_error(exact) == pytest.approx(0.0)
    assert calibration_error([scored(1, 2, 0.75)] * 4) == pytest.approx(0.75)
    assert calibration_error([*exact, *[scored(1, 1, 0.1)] * 4]) == pytest.approx(0.45)


def test_coverage_is_the_largest_share_that_keeps_the_precision() -> None:
    found = [scored(1, 1, 0.9)] * 19 + [scored(1, 2, 0.8)] + [scored(1, 2, 0.7)] * 20
    assert coverage(found, 0.95) == pytest.approx(0.5)
    assert coverage([scored(1, 2, 0.9)], 0.95) == 0.0


def test_average_precision_is_over_all_topics_but_the_unsure() -> None:
    # Of topic 1 the source says nothing sure about topic 8, which is why its high score costs nothing.
    first = Scored(labelled("x-1", "en", "text", (1,)), dict.fromkeys(TOPICS, 0.0) | {TOPICS[0]: 0.9, TOPICS[7]: 0.95})
    second = Scored(labelled("x-2", "en", "text", (2,)), dict.fromkeys(TOPICS, 0.0) | {TOPICS[4]: 0.8, TOPICS[1]: 0.7})
    assert average_precision([first, second]) == pytest.approx((1 + 2 / 3) / 2)


def test_a_fitted_scale_makes_the_score_the_share_that_is_right() -> None:
    choose = random.Random(5)
    found = []
    for _ in range(4000):
        score = choose.uniform(0.55, 0.99)
        right = choose.random() < score * score
        found.append(scored(1, 1 if right else 2, score))
    scale, shift = fit(found)

    assert calibration_error(found) > 0.1
    assert calibration_error([moved(one, scale, shift) for one in found]) < 0.03


def moved(one: Scored, scale: float, shift: float) -> Scored:
    odds = one.scores[one.best] / (1 - one.scores[one.best])
    return Scored(one.text, {**one.scores, one.best: 1 / (1 + odds**-scale * 2.718281828459045**-shift)})


def test_scores_that_are_far_too_sure_are_fitted_too() -> None:
    choose = random.Random(6)
    found = []
    for _ in range(8000):
        odds = choose.gauss(7.0, 1.5)
        right = choose.random() < 1 / (1 + 2.718281828459045 ** -(0.25 * odds - 1.0))
        found.append(scored(1, 1 if right else 2, 1 / (1 + 2.718281828459045**-odds)))
    scale, shift = fit(found)
    assert 0.1 < scale < 0.4
    assert calibration_error([moved(one, scale, shift) for one in found]) < 0.04
