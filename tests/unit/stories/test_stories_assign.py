"""Which articles come together: events, revisions, updates, windows, decay, languages."""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from newswire.pipeline.stories.assign import score
from newswire.pipeline.stories.background import news_background
from newswire.pipeline.stories.index import POSTINGS_MAX, Head, Likeness, StoryIndex
from newswire.pipeline.stories.story import (
    OpenStory,
    decode_indexed,
    decode_story,
    encode_story,
    features_of,
    join_story,
    open_story,
)
from newswire.schemas import Duplicate, Feed, Language, Topic
from tests.unit.stories.articles import BUDGET, FINAL, QUAKE, Wire, article, embedding, entities, settings, stories_of

QUAKE_AGAIN = "Rescuers search the rubble of villages after Vorkuta earthquake"


def test_one_event_in_two_feeds_is_one_story_and_others_stay_apart() -> None:
    first, second, budget, final = stories_of(
        [article(1, QUAKE), article(2, QUAKE_AGAIN), article(3, BUDGET), article(4, FINAL)]
    )
    assert first == second
    assert len({first, budget, final}) == 3


def test_named_things_tell_two_events_of_a_kind_apart() -> None:
    title = "Strong earthquake hits the coast"
    one, other, again = stories_of(
        [
            article(1, title, text="In Chile", entities=entities("Chile", "Valparaiso", "Boric")),
            article(2, title, text="In Japan", entities=entities("Japan", "Sendai", "Ishiba")),
            article(3, title, text="In Japan", entities=entities("Sendai", "Japan", "Tohoku")),
        ],
        settings(similarity_min=0.7),
    )
    assert one != other == again


def test_embedding_and_transliterated_names_bring_two_languages_together() -> None:
    ukrainian: dict[str, Any] = {"language": Language(code="uk", confidence=1.0), "entities": entities("Воркута")}
    english = article(1, QUAKE, embedding=embedding(1), entities=entities("Vorkuta"))
    other = article(2, BUDGET, embedding=embedding(2))
    title = "Землетрус зруйнував села поблизу Воркути"
    stories = stories_of([english, other, article(3, title, embedding=embedding(1, 0.4), **ukrainian)])
    assert stories[2] == stories[0] != stories[1]
    apart = stories_of([english, other, article(3, title, embedding=embedding(3), **ukrainian)])
    assert apart[2] not in apart[:2]


@pytest.mark.parametrize(
    ("language", "cosine", "fits"),
    [("uk", 0.55, True), ("uk", 0.45, False), ("en", 0.55, False), ("en", 0.65, True), ("", 0.55, False)],
)
def test_across_languages_an_embedding_need_not_be_as_near(language: str, cosine: float, fits: bool) -> None:
    features = replace(features_of(article(1, BUDGET, embedding=embedding(1))), language=language)
    like = Likeness(Head("s-1", 0, 0, 0, ("en",)), None, None, cosine)
    assert (score(features, like) > 0.5) is fits


def test_an_emitted_copy_stands_in_the_story_of_its_original() -> None:
    first = article(1, QUAKE)
    copy = article(3, FINAL, duplicate=Duplicate(kind="syndicated", of=first.id))
    wire = Wire().play([first, article(2, FINAL), copy])
    assert wire.stories[2] == wire.stories[0] != wire.stories[1]


def test_a_revision_and_an_update_stay_in_the_story() -> None:
    first = article(1, QUAKE)
    wire = Wire().play(
        [
            first,
            article(2, BUDGET, id=first.id, revision=2),
            article(3, FINAL, duplicate=Duplicate(kind="update", of=first.id)),
            article(4, FINAL, duplicate=Duplicate(kind="update", of="unknown")),
        ]
    )
    assert wire.stories[:3] == [wire.stories[0]] * 3
    story = wire.story(wire.stories[0])
    assert (story.size, story.members) == (2 + (wire.stories[3] == wire.stories[0]), story.members)
    assert story.members[:2] == (first.id, article(3).id)
    assert [enriched.story.new for enriched in wire.enriched[:3]] == [True, False, False]


def test_a_revision_is_no_article_more() -> None:
    first = article(1, QUAKE, entities=entities("Vorkuta"), embedding=embedding(1))
    again = article(2, QUAKE, id=first.id, revision=2, entities=entities("Vorkuta", "Kremlin"), embedding=embedding(1))
    wire = Wire().play([first, again])
    story = wire.story(wire.stories[0])
    assert (story.size, story.members, story.feeds) == (1, (first.id,), (first.feed.url, again.feed.url))
    assert {entity.text: entity.articles for entity in story.entities} == {"Vorkuta": 1, "Kremlin": 1}


@pytest.mark.parametrize(("hours", "joins"), [(71.9, True), (72.1, False)])
def test_a_story_closes_a_window_after_its_last_article(hours: float, joins: bool) -> None:
    stories = stories_of([article(1, QUAKE), article(2, QUAKE, hours=hours)])
    assert (stories[0] == stories[1]) == joins


def test_any_article_moves_the_time_on() -> None:
    # the budget expires the earthquake, though what comes then was seen before it
    stories = stories_of([article(1, QUAKE), article(2, BUDGET, hours=80), article(3, QUAKE, hours=1)])
    assert len(set(stories)) == 3


def test_a_story_lasts_as_long_as_it_grows() -> None:
    assert len(set(stories_of([article(n + 1, QUAKE, hours=n * 60) for n in range(5)]))) == 1


def test_the_later_the_less_an_article_fits() -> None:
    # two stories of one score: the one that is nearer in time wins, though the other is older
    early, late = article(1, QUAKE), article(2, QUAKE, hours=40)
    apart = settings(similarity_min=1.0)
    wire = Wire(apart).play([early, late])
    assert len(set(wire.stories)) == 2, "full similarity is lost with time"
    assert stories_of([early, article(2, QUAKE)], apart)[1] == wire.stories[0]
    wire.take(article(3, QUAKE, hours=40))
    assert wire.stories[2] == wire.stories[1]


def test_of_equals_the_older_story_wins() -> None:
    stories = [open_story(article(n, QUAKE), features_of(article(n, QUAKE))) for n in (1, 2)]
    index = built(reversed(stories))
    assert [like.story.opened for like in index.candidates(features_of(article(3, QUAKE)))] == [1, 2]


def test_a_story_comes_back_from_its_row() -> None:
    record = article(1, entities=entities("Vorkuta", "Ворку́та"), embedding=embedding(1), topics=(topic("a"),))
    story = join_story(open_story(record, features_of(record)), article(2), features_of(article(2)))
    again = decode_story(encode_story(story))
    assert encode_story(again) == encode_story(story)
    assert (again.members, again.names, list(again.words)) == (story.members, story.names, list(story.words))
    assert decode_indexed(encode_story(story))._asdict().keys() < set(OpenStory.__slots__)
    for name, value in decode_indexed(encode_story(story))._asdict().items():
        assert np.array_equal(value, getattr(story, name)), name


def test_what_a_story_says_of_itself() -> None:
    titles = [QUAKE, "Live: earthquake", "Villages near Vorkuta destroyed as earthquake strikes overnight"]
    wire = Wire(settings(similarity_min=0.05)).play(
        article(
            number,
            title,
            hours=-number,
            entities=entities(*(["Vorkuta"] * 3 + ["Kremlin"] * number)[: 3 + (number == 2)]),
            topics=(topic("a"), topic(f"b{number}")),
            language=Language(code="en" if number < 3 else "de", confidence=1),
            feed=Feed(url=f"f{number}"),
        )
        for number, title in enumerate(titles, start=1)
    )
    story = wire.story(wire.stories[0])
    assert story.title == QUAKE
    assert (story.size, story.feeds, story.languages) == (3, ("f1", "f2", "f3"), ("en", "de"))
    assert story.first < story.last == wire.enriched[0].observed_at
    assert [(entity.text, entity.articles) for entity in story.entities] == [("Vorkuta", 3), ("Kremlin", 1)]
    assert story.topics == ("a", "b1", "b2", "b3")


def test_the_index_gives_everything_back() -> None:
    index = StoryIndex(news_background())
    for number in range(1, 20):
        record = article(number, f"{QUAKE} {number}", hours=number, embedding=embedding(number))
        index.put(open_story(record, features_of(record)))
    assert len(index.expire(2**60)) == 19
    assert (len(index), len(index._terms), index._by_number, index._ends) == (0, 0, {}, [])


def test_a_look_up_reads_a_bounded_number_of_entries() -> None:
    stories = [
        open_story(record, features_of(record)) for record in (article(n, QUAKE) for n in range(1, POSTINGS_MAX))
    ]
    index = built(stories)
    features = features_of(article(POSTINGS_MAX + 1, QUAKE))
    began = time.process_time()
    index.candidates(features)
    assert time.process_time() - began < 0.1


def built(stories: Iterable[OpenStory]) -> StoryIndex:
    index = StoryIndex(news_background())
    for _ in index.building(stories):
        pass
    return index


def topic(id: str) -> Topic:
    return Topic(id=id, name=id, score=0.9)
