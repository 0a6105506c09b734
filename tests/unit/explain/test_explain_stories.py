"""How well an article fits the story of another."""

import pytest

from newswire.pipeline.explain.stories import fit_of
from tests.unit.stories.articles import BUDGET, QUAKE, article, embedding, entities


def test_reports_of_one_event_fit_and_others_do_not() -> None:
    first = article(1, QUAKE, embedding=embedding(1), entities=entities("Vorkuta"))
    second = article(2, QUAKE + " again", embedding=embedding(1, 0.2), entities=entities("Vorkuta"))
    fit = fit_of(second, first, 86_400)
    assert fit.words is not None
    assert fit.embedding is not None
    assert fit.names == pytest.approx(1.0)
    assert fit.score is not None
    assert fit.score > 0.7

    other = fit_of(article(3, BUDGET, embedding=embedding(2)), first, 86_400)
    assert other.score is None or other.score < 0.3
