"""How well an article fits a story of which another one is all. Pure."""

from dataclasses import dataclass

from newswire.pipeline.stories.assign import fitting_stories
from newswire.pipeline.stories.background import news_background
from newswire.pipeline.stories.index import StoryIndex
from newswire.pipeline.stories.story import features_of, observed_ms, open_story
from newswire.schemas import AnalyzedArticle


@dataclass(frozen=True, slots=True)
class StoryFit:
    """The cosines by words, named things and embedding (null where one of the two has none), and the score of all.

    `score` is null where the two have nothing in common by which a story is looked for.
    """

    words: float | None
    names: float | None
    embedding: float | None
    score: float | None


def fit_of(new: AnalyzedArticle, old: AnalyzedArticle, window_seconds: int) -> StoryFit:
    """How `new` fits the story that `old` would have opened, were it the only one: words weigh by the background."""
    index = StoryIndex(news_background())
    index.put(open_story(old, features_of(old)))
    features = features_of(new)
    likes = index.candidates(features)
    if not likes:
        return StoryFit(None, None, None, None)
    (fit,) = fitting_stories(features, observed_ms(new), index, window_seconds * 1000, 0.0)
    (like,) = likes
    return StoryFit(like.words, like.entities, like.vector, fit.score)
