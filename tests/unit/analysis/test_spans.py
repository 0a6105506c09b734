"""Boundaries, valid tag sequences and breaks, without the model."""

import itertools
import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.analysis.spans import ALONE, Span, Words, agree, best_sequence, clean, decode, mean_of, words_of

LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")


def spans_of(text: str, tags: list[str], pattern: str = r"\w+|[^\w\s]") -> list[tuple[str, int]]:
    """Decode a text whose tokens are matches of `pattern`, tagged with certainty."""
    places = [match.span() for match in re.finditer(pattern, text)]
    assert len(places) == len(tags)
    logits = np.full((len(tags), len(LABELS)), -10.0, dtype=np.float32)
    for row, tag in enumerate(tags):
        logits[row, LABELS.index(tag)] = 10.0
    starts, ends = (np.array(side, dtype=np.int64) for side in zip(*places, strict=True))
    return [(text[span.start : span.end], span.kind) for span in decode(words_of(text, starts, ends, logits))]


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
        ("St. Petersburg.", "St. Petersburg"),
        ("вул. Шкільна, 11.", "вул. Шкільна, 11"),
        ("Washington, D.C.", "Washington, D.C."),
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


def sure(text: str, *tags: dict[str, float]) -> Words:
    """The words of a text with these probabilities; what is missing of 1 is O."""
    table = np.zeros((len(tags), len(LABELS)))
    for row, given_ in enumerate(tags):
        for tag, share in given_.items():
            table[row, LABELS.index(tag)] = share
        table[row, 0] += 1 - table[row].sum()
    places = [match.span() for match in re.finditer(r"\w+", text)]
    starts, ends = (np.array(side, dtype=np.int64) for side in zip(*places, strict=True))
    return Words(text, starts, ends, table, np.zeros(len(tags), dtype=np.bool_))


def found(words: Words) -> list[tuple[str, int]]:
    return [(words.text[span.start : span.end], span.kind) for span in decode(words)]


def test_the_most_probable_valid_sequence_is_taken() -> None:
    # Each word by itself would be B-PER, then I-ORG, which goes on with nothing.
    words = sure("Ministry Health", {"B-ORG": 0.48, "B-PER": 0.5}, {"I-ORG": 0.9})
    assert found(words) == [("Ministry Health", 2)]
    words = sure("said Rudka", {"B-LOC": 0.1}, {"I-LOC": 0.6, "B-LOC": 0.1})
    assert found(words) == []


def score(words: Words, tags: Sequence[int]) -> float:
    """The log probability of a sequence of tags, by the rules stated in `spans`; -inf where it is not valid."""
    total = 0.0
    for place, tag in enumerate(tags):
        own = words.tags[place].tolist()
        apart = place == 0 or words.breaks[place]
        if tag and tag % 2 == 0:
            if apart or tags[place - 1] not in (tag, tag - 1):
                return -math.inf
            chance = own[tag]
        else:
            chance = own[tag] + (own[tag + 1] * (1.0 if apart else ALONE) if tag else 0.0)
        total += math.log(max(chance, 1e-9))
    return total


@given(
    st.lists(st.lists(st.floats(-12, 12), min_size=5, max_size=5), min_size=1, max_size=5),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_no_valid_sequence_is_more_probable_than_the_one_taken(logits: list[list[float]], breaks: list[bool]) -> None:
    tags = np.exp(np.array(logits))
    places = np.arange(len(logits), dtype=np.int64)
    apart = np.array(breaks[: len(logits)], dtype=np.bool_)
    words = Words("x" * len(logits), places, places + 1, tags / tags.sum(1, keepdims=True), apart)
    best = max(score(words, sequence) for sequence in itertools.product(range(5), repeat=len(logits)))
    assert score(words, best_sequence(words)) == pytest.approx(best, abs=1e-9)


def test_a_word_shares_what_is_thought_of_it_elsewhere() -> None:
    title = sure("Rudka falls", {"B-LOC": 0.4}, {})
    text = sure("In Rudka and Rudka now", {}, {"B-LOC": 0.95}, {}, {"I-LOC": 0.1, "B-LOC": 0.85}, {})
    assert found(title) == []
    shared_title, shared_text = agree([title, text])
    assert found(shared_title) == [("Rudka", 3)]
    assert found(shared_text) == [("Rudka", 3), ("Rudka", 3)]
    for words in (shared_title, shared_text):
        assert words.tags.sum(axis=1) == pytest.approx(1.0)
    assert title.tags[0, LABELS.index("B-LOC")] == 0.4, "what was given is left as it was"


def test_small_words_and_words_that_come_once_share_nothing() -> None:
    fields = [sure("the bank", {}, {"B-ORG": 0.4}), sure("bank Bank", {"B-ORG": 0.95}, {"B-ORG": 0.9})]
    for before, after in zip(fields, agree(fields), strict=True):
        assert (before.tags == after.tags).all()


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
    assert decode(words_of("", nothing, nothing, np.zeros((0, 9), dtype=np.float32))) == []


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60), st.data())
def test_any_tags_give_ordered_spans_inside_the_text(text: str, data: st.DataObject) -> None:
    places = [(at, at + 1) for at in range(len(text))]
    tags = data.draw(st.lists(st.integers(0, 8), min_size=len(places), max_size=len(places)))
    logits = np.eye(9, dtype=np.float32)[tags] * 10
    starts, ends = (np.array(side, dtype=np.int64) for side in zip(*places, strict=True))
    spans: list[Span] = decode(words_of(text, starts, ends, logits))
    for span in spans:
        assert 0 <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip() == text[span.start : span.end]
        assert 0.0 < span.score <= 1.0
    for left, right in itertools.pairwise(spans):
        assert left.end <= right.start


def test_two_readings_of_a_text_are_one_by_the_mean_of_their_words() -> None:
    text = "Ann Lee, Riga"

    def read(*words: tuple[int, int, int]) -> Words:
        starts, ends = (np.array([word[place] for word in words], dtype=np.int64) for place in (0, 1))
        return words_of(text, starts, ends, np.eye(9, dtype=np.float32)[[tag for _, _, tag in words]])

    first = read((0, 3, 1), (4, 7, 2), (9, 13, 5))
    second = read((0, 3, 1), (4, 8, 0))
    both = mean_of(first, second)
    assert both.starts.tolist() == [0, 4, 9]
    assert both.tags[0] == pytest.approx(first.tags[0])
    assert both.tags[1] == pytest.approx((first.tags[1] + second.tags[1]) / 2)
    assert both.tags[2] == pytest.approx(first.tags[2])
    empty = words_of(text, first.starts[:0], first.ends[:0], np.zeros((0, 9), dtype=np.float32))
    assert mean_of(first, empty).tags.tolist() == first.tags.tolist()
    assert mean_of(empty, empty).tags.shape == (0, 9)
