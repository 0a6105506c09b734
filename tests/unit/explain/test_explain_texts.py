"""Two texts as the stage compares them, and the parts that they share."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newswire.pipeline.duplicates.normalise import word_spans
from newswire.pipeline.explain.texts import compare_texts, shared_spans
from newswire.pipeline.settings import CopyRules
from tests.unit.duplicates.articles import article, text_of


def rules(similarity_min: float) -> CopyRules:
    return CopyRules("outcome", similarity_min, 0.6)


def test_the_verdict_and_its_evidence() -> None:
    words = text_of(1, 300).split()
    words[50] = words[200] = "quite"
    found = compare_texts(article(1, " ".join(words)), article(0, text_of(1, 300)), rules(0.8))
    assert (found.verdict.kind, found.verdict.of) == ("near", article(0, "").id)
    assert found.overlap is not None
    assert found.verdict.similarity == round(found.overlap.jaccard, 4)
    assert (found.numbers, found.names) == (0.0, 0.0)
    assert (
        compare_texts(article(1, " ".join(words)), article(0, text_of(1, 300)), rules(0.99)).verdict.kind
        == "syndicated"
    )


def test_other_facts_are_told_apart_from_copies() -> None:
    text = "Shares of {} fell {} % on Tuesday after the company reported earnings of {} million euros. " + text_of(
        3, 40
    )
    found = compare_texts(article(1, text.format("Acme", 3, 70)), article(0, text.format("Corvus", 5, 80)), rules(0.5))
    assert found.verdict.kind == "none"
    assert found.numbers == 1.0


def test_short_texts_are_the_same_or_not() -> None:
    same = compare_texts(
        article(1, "Rain again", title="Weather"), article(0, "rain AGAIN.", title="Weather"), rules(0.8)
    )
    assert (same.verdict.kind, same.overlap) == ("exact", None)
    other = compare_texts(
        article(1, "Sun again", title="Weather"), article(0, "Rain again", title="Weather"), rules(0.8)
    )
    assert other.verdict.kind == "none"


@pytest.mark.parametrize(
    ("text", "other", "shared"),
    [
        ("a b c d e f", "x A b, c d e y", ["a b c d e"]),
        ("one two three four five six seven", "one two three four six seven", []),
        ("p q r s t u. 1 2 3 4 5", "1 2 3 4 5 then p q r s t u", ["p q r s t u. 1 2 3 4 5"]),
        ("p q r s t u. zz 1 2 3 4 5", "1 2 3 4 5 then p q r s t u", ["p q r s t u", "1 2 3 4 5"]),
        ("Уряд схвалив новий закон учора", "учора УРЯД СХВАЛИВ НОВИЙ закон учора", ["Уряд схвалив новий закон учора"]),
        ("a b", "A, b", ["a b"]),
        ("", "a b", []),
        ("a b", "", []),
    ],
)
def test_the_shared_parts(text: str, other: str, shared: list[str]) -> None:
    assert [text[start:end] for start, end in shared_spans(text, other)] == shared


@settings(max_examples=200)
@given(st.text(max_size=200), st.text(max_size=200))
def test_shared_parts_stand_in_order_and_within_the_text(text: str, other: str) -> None:
    spans = shared_spans(text, other)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))
    words = word_spans(text)
    assert shared_spans(text, text) == ([(words[0][1], words[-1][2])] if words else [])
