"""The condition on articles: what it takes, what it refuses before anything starts, and what does not fulfil it."""

from typing import Any

import pytest

from newswire.pipeline.replay.where import _SAMPLES, Where, WhereError
from newswire.schemas import RawArticle

ENRICHED: dict[str, Any] = {
    "revision": 2,
    "title": "Crane falls",
    "degraded": None,
    "language": {"code": "en", "confidence": 0.9},
    "topics": [{"id": "medtop:11000000", "name": "politics", "score": 0.8}],
    "duplicate": {"kind": "none", "of": None, "similarity": None},
    "provenance": {"software": "newswire 0.1.0", "model": "old int8 avx2", "taxonomy": "2025-10-09"},
}


@pytest.mark.parametrize(
    ("expression", "fulfilled"),
    [
        ('provenance.model != "news-encoder-1 int8 avx512_vnni"', True),
        ('provenance.model == "news-encoder-1 int8 avx512_vnni"', False),
        ('provenance.model.startsWith("old") && language.code in ["en", "de"]', True),
        ('topics.exists(t, t.id == "medtop:11000000" && t.score > 0.5)', True),
        ("revision > 1 || degraded != null", True),
        ("degraded == null", True),
        ("size(topics) == 0", False),
        # null where a text or a number is needed, and what is not there
        ('degraded.startsWith("x")', False),
        ("duplicate.similarity > 0.1", False),
        ("topics[3].score > 0.1", False),
        ('feed.title == "Example"', False),
        ("has(provenance.model)", True),
    ],
)
def test_what_fulfils_an_expression(expression: str, fulfilled: bool) -> None:
    assert Where(expression, "enriched").holds(ENRICHED) is fulfilled


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "column 1: Syntax error: mismatched input '<EOF>'"),
        ("title ==", "column 9: Syntax error"),
        ('title == "a" title', "column 14: Syntax error"),
        ("(" * 10_000, "column"),
        ('titel == "a"', "there is no field 'titel'; there are: authors, cut, degraded"),
        ('true || titel == "a"', "there is no field 'titel'"),
        ('provenance.modle != "a"', "there is no field 'modle'"),
        ('topics.exists(t, t.nme == "a")', "there is no field 'nme'"),
        ('revision > "a"', "No such overload: the operation is not defined for the given operand types"),
        ("title.lower() == 'a'", "Undefined variable or function: 'lower'"),
        ('title.matches("(")', "Function 'matches' error"),
        ("title", "it is no condition"),
        ('"title"', "it is no condition"),
    ],
)
def test_what_is_refused_in_one_line(expression: str, message: str) -> None:
    with pytest.raises(WhereError) as refused:
        Where(expression, "enriched")
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) <= 300


def test_an_absent_field_of_a_raw_article_is_null() -> None:
    article = RawArticle.decode(b'{"title": "a", "observed_at": "2026-01-31T12:00:00Z"}')
    assert Where("language == null && feed_url == '' && size(authors) == 0", "raw").holds_raw(article)
    later = Where('timestamp(observed_at) > timestamp("2026-01-31T11:00:00Z")', "raw")
    assert later.holds_raw(article)
    assert not Where('language.startsWith("en")', "raw").holds_raw(article)


def test_records_that_it_cannot_be_evaluated_for_are_counted() -> None:
    where = Where('degraded == "timeout"', "enriched")
    assert not where.holds(ENRICHED)
    assert (where.undecided, where.fault) == (0, None)
    assert not where.holds({})
    assert not where.holds({})
    assert where.undecided == 2
    assert where.fault is not None
    assert "degraded" in where.fault


@pytest.mark.parametrize("sample", _SAMPLES.values(), ids=list(_SAMPLES))
def test_an_expression_is_tried_on_a_record_without_empty_fields(sample: Any) -> None:
    def filled(value: Any) -> bool:
        if isinstance(value, dict):
            return all(map(filled, value.values()))
        if isinstance(value, list):
            return bool(value) and all(map(filled, value))
        return value is not None and value != ""

    assert filled(sample.model_dump(mode="json"))
