"""Variants of training texts: offsets and spans stay true, whatever is changed."""

import random

from hypothesis import given
from hypothesis import strategies as st

from training.tagging_data import TaggedDocument
from training.variants import Names, capitals, recased, romanised, small, titled


@given(st.text(max_size=60), st.integers(0, 1000))
def test_no_change_of_case_moves_a_code_point(text: str, seed: int) -> None:
    for changed in (small(text), capitals(text), titled(text), recased(text, random.Random(seed))):
        assert len(changed) == len(text)
        assert [a.isspace() for a in changed] == [b.isspace() for b in text]


def test_each_case_is_what_its_name_says() -> None:
    text = "The Kremlin's spokesman: NATO left Straße 5b"
    assert small(text) == "the kremlin's spokesman: nato left straße 5b"
    assert capitals(text) == "THE KREMLIN'S SPOKESMAN: NATO LEFT STRAßE 5B"
    assert titled(text) == "The Kremlin's Spokesman: Nato Left Straße 5b"


def test_texts_come_in_every_case() -> None:
    text = "Riga, Oslo\nThe mayor of Riga said so"
    seen = {recased(text, random.Random(seed)) for seed in range(200)}
    assert {text, small(text), titled(text)} <= seen
    assert "RIGA, OSLO\nThe mayor of Riga said so" in seen


def test_a_cyrillic_name_is_written_in_latin_letters_and_no_other() -> None:
    assert romanised("Вовчанськ") == "Vovchansk"
    assert romanised("Юлія Щербак-Їжакевич") == "Yuliya Shcherbak-Yizhakevych"
    assert romanised("Paris") is None


def document(text: str, *names: tuple[str, str], language: str = "en") -> TaggedDocument:
    spans, at = [], 0
    for name, kind in names:
        start = text.index(name, at)
        at = start + len(name)
        spans.append((start, at, kind))
    return TaggedDocument("d", language, text, tuple(spans))


def test_names_are_swapped_for_their_like_and_the_spans_follow() -> None:
    first = document("Ann Lee met Bo in Rome. Bo left Rome.", ("Ann Lee", "PER"), ("Bo", "PER"), ("Rome", "LOC"))
    text = "Mia Wong saw Ed in Oslo; Ed likes Oslo."
    second = document(text, ("Mia Wong", "PER"), ("Ed", "PER"), ("Oslo", "LOC"), ("Ed", "PER"), ("Oslo", "LOC"))
    third = document("Київ і Ганна", ("Київ", "LOC"), ("Ганна", "PER"), language="uk")
    names = Names([first, third])
    results = [names.swapped(second, random.Random(seed), 1.0) for seed in range(30)]
    for result in results:
        found = [(result.text[start:end], kind) for start, end, kind in result.spans]
        assert [kind for _, kind in found] == ["PER", "PER", "LOC", "PER", "LOC"]
        assert found[1] == found[3]
        assert found[2] == found[4]
        (two, _), (one, _), (place, _) = found[:3]
        assert two == "Ann Lee"
        assert result.text == text.replace("Mia Wong", two).replace("Ed", one).replace("Oslo", place)
    assert {(one.text[slice(*one.spans[1][:2])], one.text[slice(*one.spans[2][:2])]) for one in results} == {
        (person, place) for person in ("Bo", "Ganna") for place in ("Rome", "Kyyiv")
    }


def test_nothing_is_swapped_without_a_share_or_without_names() -> None:
    one = document("Ann met Bo.", ("Ann", "PER"), ("Bo", "PER"))
    assert Names([one]).swapped(one, random.Random(1), 0.0) == one
    assert Names([]).swapped(one, random.Random(1), 1.0) == one
