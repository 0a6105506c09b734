"""Boundaries, valid tag sequences and breaks, without the model."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.analysis.spans import Span, clean, decode

LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")


def spans_of(text: str, tags: list[str], pattern: str = r"\w+|[^\w\s]") -> list[tuple[str, int]]:
    """Decode a text whose tokens are matches of `pattern`, tagged with certainty."""
    places = [match.span() for match in re.finditer(pattern, text)]
    assert len(places) == len(tags)
    logits = np.full((len(tags), len(LABELS)), -10.0, dtype=np.float32)
    for row, tag in enumerate(tags):
        logits[row, LABELS.index(tag)] = 10.0
    starts, ends = (np.array(side, dtype=np.int64) for side in zip(*places, strict=True))
    return [(text[span.start : span.end], span.kind) for span in decode(text, starts, ends, logits)]


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("Kremlin's", "Kremlin"),
        ("Kremlin’s", "Kremlin"),
        ("“Kremlin’s”", "Kremlin"),
        ("Reuters'", "Reuters"),
        ("(RF)", "RF"),
        ("RF)", "RF"),
        ("«Нові праві»", "Нові праві"),
        ("партія «Нові праві»", "партія «Нові праві»"),
        ("Bank (UK)", "Bank (UK)"),
        ("U.S.", "U.S."),
        ("Acme Inc.", "Acme Inc."),
        ("Vovchansk.", "Vovchansk"),
        (", Paris,", "Paris"),
        ("New York —", "New York"),
        ("„Gazeta”", "Gazeta"),
        ("„Zeit“", "Zeit"),
        ("'s", ""),
        ("\"'(,", ""),
    ],
)
def test_clean_boundaries(raw: str, wanted: str) -> None:
    start, end = clean(raw, 0, len(raw))
    assert raw[start:end] == wanted


@given(st.text(max_size=40))
def test_cleaning_stays_inside_and_is_stable(text: str) -> None:
    start, end = clean(text, 0, len(text))
    assert 0 <= start <= end <= len(text)
    assert clean(text, start, end) == (start, end)


def test_a_possessive_inside_the_tags_is_cut() -> None:
    assert spans_of("The Kremlin's law", ["O", "B-LOC", "I-LOC", "I-LOC", "O"]) == [("Kremlin", 3)]


def test_an_inside_tag_without_a_beginning_begins_a_span() -> None:
    assert spans_of("in Kyiv today", ["O", "I-LOC", "O"]) == [("Kyiv", 3)]
    assert spans_of("Kyiv Reuters", ["B-LOC", "I-ORG"]) == [("Kyiv", 3), ("Reuters", 2)]
    assert spans_of("Kyiv Lviv", ["B-LOC", "B-LOC"]) == [("Kyiv", 3), ("Lviv", 3)]


def test_a_word_is_decided_by_its_first_part() -> None:
    parts = r"Vov|chansk|\w+"
    assert spans_of("Vovchansk fell", ["B-LOC", "O", "O"], parts) == [("Vovchansk", 3)]
    assert spans_of("Vovchansk fell", ["O", "B-LOC", "O"], parts) == []


def test_scripts_without_spaces_are_decided_by_part() -> None:
    assert spans_of("在北京会见", ["O", "B-LOC", "O"], r"在|北京|会见") == [("北京", 3)]


@pytest.mark.parametrize("gap", ["\n\n", "\n \t\n", "\r\n\r\n"])
def test_no_span_runs_over_a_blank_line(gap: str) -> None:
    text = f"Kyiv{gap}Lviv"
    assert spans_of(text, ["B-LOC", "I-LOC"]) == [("Kyiv", 3), ("Lviv", 3)]
    assert spans_of("New\nYork", ["B-LOC", "I-LOC"]) == [("New\nYork", 3)]


def test_no_tokens_no_spans() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert decode("", nothing, nothing, np.zeros((0, 9), dtype=np.float32)) == []


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60), st.data())
def test_any_tags_give_ordered_spans_inside_the_text(text: str, data: st.DataObject) -> None:
    places = [(at, at + 1) for at in range(len(text))]
    tags = data.draw(st.lists(st.integers(0, 8), min_size=len(places), max_size=len(places)))
    logits = np.eye(9, dtype=np.float32)[tags] * 10
    starts, ends = (np.array(side, dtype=np.int64) for side in zip(*places, strict=True))
    spans: list[Span] = decode(text, starts, ends, logits)
    for span in spans:
        assert 0 <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip() == text[span.start : span.end]
        assert 0.0 < span.score <= 1.0
    for left, right in itertools.pairwise(spans):
        assert left.end <= right.start
