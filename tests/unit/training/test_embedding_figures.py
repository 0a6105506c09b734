"""Clusters of embeddings by average linkage, and how they are measured."""

import numpy as np
import pytest

from training.embedding_figures import (
    Report,
    Sampled,
    agreement,
    average_linkage,
    clustered_f1,
    cosines_of,
    event_f1,
    translation_cosines,
)


def report(name: str, event: str, *embedding: float) -> Report:
    return Report(name, event, name, "", np.array(embedding) / np.linalg.norm(embedding))


REPORTS = [
    report("a", "quake", 1.0, 0.1, 0.0),
    report("b", "quake", 1.0, 0.0, 0.1),
    report("c", "vote", 0.0, 1.0, 0.1),
    report("d", "vote", 0.1, 1.0, 0.0),
]


def test_the_two_clusters_of_the_highest_mean_cosine_become_one() -> None:
    # 2 is nearer to 1 than to 3, but farther from 0 and 1 in the mean: single linkage would take it the other way.
    cosines = np.array(
        [
            [1.0, 0.9, 0.1, 0.0],
            [0.9, 1.0, 0.6, 0.0],
            [0.1, 0.6, 1.0, 0.5],
            [0.0, 0.0, 0.5, 1.0],
        ]
    )
    assert average_linkage(cosines, 4) == [0, 1, 2, 3]
    assert average_linkage(cosines, 3) == [0, 0, 2, 3]
    assert average_linkage(cosines, 2) == [0, 0, 2, 2]
    assert average_linkage(cosines, 1) == [0, 0, 0, 0]


def test_a_merged_cluster_counts_by_its_size() -> None:
    # After 0, 1 and 2: the mean to 3 is (0.9 + 0.9 + 0) / 3 = 0.6, above 0.55; by halves it were 0.45.
    cosines = np.array(
        [
            [1.0, 0.99, 0.98, 0.9, 0.0],
            [0.99, 1.0, 0.98, 0.9, 0.0],
            [0.98, 0.98, 1.0, 0.0, 0.0],
            [0.9, 0.9, 0.0, 1.0, 0.55],
            [0.0, 0.0, 0.0, 0.55, 1.0],
        ]
    )
    assert average_linkage(cosines, 2) == [0, 0, 0, 0, 4]


def test_what_all_reports_share_says_nothing() -> None:
    shared = [report(one.name, one.event, *(one.embedding + 5.0)) for one in REPORTS]
    assert np.all(cosines_of(shared)[0, 2:] < 0)


def test_events_that_are_told_apart_give_one_and_a_confusion_less() -> None:
    assert clustered_f1(REPORTS) == 1.0
    confused = [REPORTS[0], REPORTS[2], report("b", "quake", 0.0, 1.0, 0.0), REPORTS[3]]
    assert clustered_f1(confused) == pytest.approx(2 * (2 / 3 * 0.75) / (2 / 3 + 0.75))


def test_the_figure_is_the_mean_over_parts_and_the_same_each_time() -> None:
    assert event_f1(REPORTS) == Sampled(1.0, 0.0)
    confused = [REPORTS[0], REPORTS[2], report("b", "quake", 0.0, 1.0, 0.0), REPORTS[3]]
    parts = [clustered_f1(confused[:left] + confused[left + 1 :]) for left in range(4)]
    found = event_f1(confused)
    assert min(parts) < found.mean < max(parts)
    assert found.deviation > 0.0
    assert event_f1(confused) == found


def test_embeddings_agree_with_themselves_and_not_with_others() -> None:
    assert agreement(REPORTS, REPORTS) == pytest.approx(1.0)
    turned = [report(one.name, one.event, *row) for one, row in zip(REPORTS, np.eye(4), strict=True)]
    assert agreement(REPORTS, turned) < 0.9


def test_only_sentences_in_two_languages_are_compared() -> None:
    rows = {("a", "en"): [1.0, 0.0], ("a", "de"): [0.8, 0.6], ("b", "en"): [0.0, 1.0]}
    alike, apart = translation_cosines({key: np.array(row) for key, row in rows.items()})
    assert alike == pytest.approx([0.8])
    assert apart == pytest.approx([0.6])
