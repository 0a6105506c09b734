"""The speed of the decision with many open stories; the figure is printed (pytest -s)."""

import random
import time

from newswire.pipeline.stories.assign import fitting_stories
from newswire.pipeline.stories.background import news_background
from newswire.pipeline.stories.index import StoryIndex
from newswire.pipeline.stories.story import OpenStory, features_of, join_story, open_story
from tests.unit.stories.articles import article, embedding, entities

OPEN = 1_000
DECISIONS = 100


def test_a_decision_among_many_open_stories_is_quick() -> None:
    draw = random.Random(3)
    # words as frequent as in a language (Zipf 1949): a few are everywhere, most are rare
    words = [f"word{number}"[::-1] for number in range(20_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    made = []
    for number in range(1, OPEN + DECISIONS + 1):
        drawn = draw.choices(words, weights, k=90)
        names = entities(*(word.title() for word in draw.choices(words, weights, k=8)))
        made.append(
            article(number, " ".join(drawn[:10]), text=" ".join(drawn), entities=names, embedding=embedding(number))
        )
    features = [features_of(record) for record in made]
    index = StoryIndex(news_background())
    stories: dict[str, OpenStory] = {}
    for record, found in zip(made[:OPEN], features, strict=False):
        story = open_story(record, found)
        stories[story.id] = story
        index.put(story)
    began = time.process_time()
    for record, found in zip(made[OPEN:], features[OPEN:], strict=True):
        fits = fitting_stories(found, 0, index, 1, 0.5)
        story = join_story(stories[fits[0].story.id], record, found) if fits else open_story(record, found)
        stories[story.id] = story
        index.put(story)
    speed = DECISIONS / (time.process_time() - began)
    print(f"\nstory decisions among {OPEN} open stories: {speed:,.0f}/s")
    assert speed > 50, "a decision must not look at every story"
