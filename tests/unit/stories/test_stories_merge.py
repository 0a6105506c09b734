"""Stories that were opened apart and are one event: the younger ends in the older, and nothing emitted changes."""

import random

from newswire.pipeline.stories.merge import merged
from newswire.pipeline.stories.step import MERGED, STORY
from newswire.pipeline.stories.story import MEMBERS_MAX, OpenStory, features_of, join_story, open_story
from newswire.schemas import AnalyzedArticle, Duplicate, Story
from tests.unit.stories.articles import Wire, article, embedding, entities
from tests.unit.stories.articles import settings as settings_with

RESCUE = "Rescuers search rubble of collapsed school near Vorkuta through frozen night"
MAYOR = "Mayor Petrova demands inquiry after builders ignored warnings about cracked concrete pillars"
BOTH = "Mayor Petrova demands inquiry as rescuers search rubble of collapsed Vorkuta school with cracked pillars"
OTHER = "Parliament adopts austerity budget after marathon session over pension reform"
LOOSE = settings_with(similarity_min=0.3, merge_min=0.3)


def two_stories_and_a_link() -> list[AnalyzedArticle]:
    return [
        article(1, RESCUE, entities=entities("Vorkuta")),
        article(2, OTHER, entities=entities("Parliament")),
        article(3, MAYOR, entities=entities("Petrova"), hours=1),
        article(4, BOTH, entities=entities("Petrova", "Vorkuta"), hours=2),
    ]


def published(wire: Wire) -> list[Story]:
    return [Story.decode(sent.value) for sent in wire.emissions("stories")]


def test_the_younger_story_ends_in_the_older_one() -> None:
    wire = Wire(LOOSE).play(two_stories_and_a_link())
    rescue, other, mayor, link = wire.stories
    assert len({rescue, other, mayor}) == 3, "they began apart"
    assert link == rescue
    last = wire.results[-1].emissions
    assert [sent.topic for sent in last] == ["enriched", "stories", "stories", "outcomes"]

    assert wire.story(mayor).merged_into == rescue
    whole = wire.story(rescue)
    assert whole.merged_into is None
    assert (whole.size, set(whole.members)) == (3, {wire.enriched[n].id for n in (0, 2, 3)})
    assert {entity.text for entity in whole.entities} == {"Petrova", "Vorkuta"}
    assert wire.step.open_stories == 2
    assert {key for key, _ in wire.state.scan(STORY)} == {STORY + id.encode() for id in (rescue, other)}


def test_what_comes_later_goes_on_in_the_survivor() -> None:
    wire = Wire(LOOSE).play(two_stories_and_a_link())
    rescue, _, mayor, _ = wire.stories
    wire.restart()
    like_the_mayors = article(5, MAYOR + " again", entities=entities("Petrova"), hours=3)
    update = article(6, "Nothing alike", duplicate=Duplicate(kind="update", of=wire.enriched[2].id), hours=3)
    revision = article(7, "Something else", id=wire.enriched[2].id, revision=2, hours=4)
    wire.play([like_the_mayors, update, revision])
    assert wire.stories[4:] == [rescue] * 3
    assert [one.id for one in published(wire)].count(mayor) == 2, "once open, once ended, and never again"


def test_stories_stay_apart_where_they_are_told_to() -> None:
    wire = Wire(settings_with(similarity_min=0.3, merge_min=1.5)).play(two_stories_and_a_link())
    assert len(set(wire.stories)) == 3
    assert all(story.merged_into is None for story in published(wire))


def test_a_merge_is_forgotten_with_the_articles_of_the_story_that_ended() -> None:
    wire = Wire(settings_with(similarity_min=0.3, merge_min=0.3, window_seconds=86_400))
    wire.play(two_stories_and_a_link())
    assert len(list(wire.state.scan(MERGED))) == 1
    for sequence in range(5, 60):
        wire.take(article(sequence, f"Nothing like number {sequence}", hours=20 + sequence))
    assert list(wire.state.scan(MERGED)) == []


def test_a_step_rebuilt_at_any_point_merges_the_same() -> None:
    draw = random.Random(2)
    words = f"{RESCUE} {MAYOR} {OTHER}".split()
    articles = [
        article(
            sequence,
            " ".join(draw.sample(words[start : start + 14], 9)),
            entities=entities(*draw.sample(["Vorkuta", "Petrova", "Parliament"], draw.randrange(3))),
            embedding=draw.choice([None, embedding(start // 10, 0.5, sequence)]),
            hours=10 * sequence,
        )
        for sequence in range(1, 150)
        for start in [draw.randrange(0, 22)]
    ]
    loose = settings_with(merge_min=0.3)
    whole, broken = Wire(loose).play(articles), Wire(loose)
    for one in articles:
        if draw.random() < 0.3:
            broken.restart()
        broken.take(one)
    assert broken.results == whole.results
    assert sum(story.merged_into is not None for story in published(whole)) >= 2


def test_a_merged_story_keeps_a_bounded_number_of_everything() -> None:
    def story(first: int) -> OpenStory:
        made = [article(n, f"word{n} other{n} third{n}", embedding=embedding(n)) for n in range(first, first + 90)]
        grown = open_story(made[0], features_of(made[0]))
        for one in made[1:]:
            grown = join_story(grown, one, features_of(one))
        return grown

    older, younger = story(1), story(1_000)
    both = merged(older, younger)
    assert (both.id, both.opened, both.size) == (older.id, older.opened, 180)
    assert len(both.members) == MEMBERS_MAX
    assert both.members[-1] == younger.members[-1]
    assert len(both.words) == len(older.words)
    assert both.vector is not None
    assert abs(both.vector).max() < 2**15
