"""Significant words in any script, and named things."""

import time

import pytest

from newswire.pipeline.stories.words import (
    ENTITIES_MAX,
    LEAD_MAX,
    WORDS_MAX,
    entity_keys,
    significant_words,
    split_words,
)
from tests.unit.stories.articles import entities


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The EU's ministers met in Brussels", ["minist", "brusse"]),
        ("Землетруси зруйнували села", ["землет", "зруйну", "села"]),
        ("東京で地震", ["東京", "京で", "で地", "地震"]),
        ("서울에서 회의", ["서울", "울에", "에서", "회의"]),
        ("भूकंप से तबाही", ["भूकंप", "तबाही"]),
        ("زلزال قوي", ["زلزال", "قوي"]),
        ("7 dead, 1200 hurt on 11/12", ["dead", "1200", "hurt", "11", "12"]),
        ("Ｆｕｌｌ ＷＩＤＴＨ", ["full", "width"]),
        ("", []),
        ("🙂🙂 !!! ___ a an I", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert list(split_words(text)) == words


def test_inflected_forms_share_a_word() -> None:
    assert set(split_words("президента")) == set(split_words("президентом"))


def test_a_word_of_the_title_weighs_more_and_the_rest_of_the_text_is_not_read() -> None:
    words = significant_words("Earthquake strikes", "earthquake victims " + " " * LEAD_MAX + "unread")
    assert words == {"earthq": 2, "strike": 2, "victim": 1}


def test_ten_megabytes_cost_no_more_than_a_lead() -> None:
    text = " ".join(f"word{number}" for number in range(1_000_000))
    began = time.process_time()
    assert len(significant_words(text, text)) <= WORDS_MAX
    assert time.process_time() - began < 0.1


def test_a_named_thing_counts_once_without_case_and_possessive() -> None:
    found = entity_keys(entities("Kremlin’s", "KREMLIN", "kremlin's", " ", "Duma"))
    assert list(found) == ["@kremli", "@duma"]
    assert found["@kremli"].text == "Kremlin’s"
    assert len(entity_keys(entities(*(f"Name {number}" for number in range(500))))) == ENTITIES_MAX


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Vorkuta", "Воркута", True),
        ("Зеленський", "Зеленського", True),
        ("Łódź", "Lodz", True),
        ("Vorkuta", "Voronezh", False),
    ],
)
def test_a_name_meets_its_transliteration_and_its_inflected_forms(one: str, other: str, same: bool) -> None:
    assert (entity_keys(entities(one)).keys() == entity_keys(entities(other)).keys()) is same
