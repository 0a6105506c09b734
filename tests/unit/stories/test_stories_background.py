"""How common stems are in the news at large: the shipped list, and what it does to what words say."""

from pathlib import Path

import pytest

from newswire.pipeline.stories.background import (
    ARTICLES,
    BACKGROUND_FILE,
    NO_BACKGROUND,
    Background,
    news_background,
    read_background,
)
from newswire.pipeline.stories.index import StoryIndex
from newswire.pipeline.stories.story import features_of, open_story
from newswire.pipeline.stories.words import split_words
from tests.unit.stories.articles import article

EVERYDAY = "The government said on Tuesday that many people would need more help before this year was over"
EVERYDAY_TOO = "Many people would need more government help this year, the police said on Tuesday before noon"
QUAKE = "Magnitude 6.1 earthquake destroys villages near Vorkuta"


def words_cosine(one: str, other: str, background: Background) -> float:
    index = StoryIndex(background)
    index.put(open_story(first := article(1, one), features_of(first)))
    found = index.compare(features_of(article(2, other)), open_story(first, features_of(first)).id).words
    assert found is not None
    return found


def test_the_stems_are_those_of_articles() -> None:
    stems = list(news_background().having)
    assert split_words(" ".join(stems)) == stems


def test_a_line_a_count_and_each_stem_once() -> None:
    lines = [line.split("\t") for line in BACKGROUND_FILE.read_text(encoding="utf-8").splitlines()]
    counts = [int(count) for count, _ in lines]
    assert counts == sorted(set(counts), reverse=True)
    assert 0 < min(counts) < max(counts) <= ARTICLES
    assert sum(len(stems.split(" ")) for _, stems in lines) == len(news_background().having)


@pytest.mark.parametrize(
    ("common", "rare"),
    [("said", "quagmi"), ("сказав", "землет"), ("polize", "vulkan"), ("después", "volcán"), ("中国", "火山")],
)
def test_everyday_words_of_many_languages_are_known(common: str, rare: str) -> None:
    having = news_background().having
    ((common_stem,), (rare_stem,)) = split_words(common), split_words(rare)
    assert having[common_stem] > 10 > having.get(rare_stem, 0)


def test_everyday_words_count_for_less_where_no_other_story_is_open() -> None:
    assert words_cosine(EVERYDAY, EVERYDAY_TOO, NO_BACKGROUND) > 0.7
    assert words_cosine(QUAKE, f"{QUAKE}. {EVERYDAY}", news_background()) > words_cosine(
        QUAKE, f"{QUAKE}. {EVERYDAY}", NO_BACKGROUND
    )
    assert words_cosine(f"Boxing: {EVERYDAY}", f"{QUAKE}. {EVERYDAY_TOO}", news_background()) < words_cosine(
        f"Boxing: {EVERYDAY}", f"{QUAKE}. {EVERYDAY_TOO}", NO_BACKGROUND
    )


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("many\tstems\n")
    with pytest.raises(ValueError, match="many"):
        read_background(tmp_path / "list", 10)
    with pytest.raises(OSError):
        read_background(tmp_path / "none", 10)
