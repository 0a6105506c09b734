"""Which story an article belongs to: single-pass clustering with event-time decay, as a pure function.

The method is the online one of topic detection and tracking (Allan, Papka and Lavrenko 1998; Miranda et al. 2018,
"Multilingual Clustering of Streaming News"): an article joins the open story that it fits best, when it fits well
enough, else it opens one. The fit is a weighed mean of three cosines (words, named things, embedding).
"""

from dataclasses import dataclass

from newswire.pipeline.stories.index import Head, Likeness, StoryIndex
from newswire.pipeline.stories.story import Features


@dataclass(frozen=True, slots=True)
class Weights:
    """The share of each cosine in the mean, and the value at which it tells nothing either way (score one half).

    `decay` is the part of the fit that is lost over a window of silence. Chosen on ECB+, where each is even with the
    names and embeddings of news-encoder-4 and the shares with those of news-encoder-6, with which `python -m
    bench.stories FILE --encoder` gives a B-cubed F1 of 0.882 over twelve orders and 0.872 in the worst.
    `vector_even_across` is for an article in another language than the story's: `make eval` prints the cosines of
    translations and of other sentences on one topic, which it stands between.
    """

    words: float = 1.0
    words_even: float = 0.15
    entities: float = 0.9
    entities_even: float = 0.25
    vector: float = 0.5
    vector_even: float = 0.63
    vector_even_across: float = 0.5
    decay: float = 0.3


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Fit:
    """How well an article fits a story, 0 to 1."""

    story: Head
    score: float


def fitting_stories(
    features: Features, moment: int, index: StoryIndex, window: int, enough: float, weights: Weights = WEIGHTS
) -> list[Fit]:
    """The open stories that the article fits with at least the score `enough`, the best first; none: it opens one.

    `moment` is the article's event time and `window` how long a story stays open (milliseconds). Of equals the
    older story comes first.
    """
    fits = (
        Fit(like.story, score(features, like, weights) * _decay(like.story, moment, window, weights.decay))
        for like in index.candidates(features)
    )
    return sorted((fit for fit in fits if fit.score >= enough), key=lambda fit: (-fit.score, fit.story.opened))


def score(features: Features, like: Likeness, weights: Weights = WEIGHTS) -> float:
    """The fit without its decay. What one side lacks (no embedding, nothing named) is left out of the mean.

    Words of another language than the story's say nothing by differing: the embedding gets their share.
    """
    parts: list[tuple[float, float]] = []
    one_language = features.language in like.story.languages or not features.language
    if like.words is not None and one_language:
        parts.append((weights.words, _evened(like.words, weights.words_even)))
    if like.entities is not None:
        parts.append((weights.entities, _evened(like.entities, weights.entities_even)))
    if like.vector is not None:
        share = weights.vector if one_language else weights.vector + weights.words
        even = weights.vector_even if one_language else weights.vector_even_across
        parts.append((share, _evened(max(0.0, like.vector), even)))
    total = sum(share for share, _ in parts)
    return sum(share * value for share, value in parts) / total if total else 0.0


def _evened(value: float, even: float) -> float:
    """A cosine on a scale where `even` is one half: straight up to it, and straight from there to 1."""
    return value / even / 2 if value < even else 0.5 + (value - even) / (1 - even) / 2


def _decay(story: Head, moment: int, window: int, lost: float) -> float:
    silence = max(0, moment - story.last, story.first - moment)
    return 1.0 - lost * min(1.0, silence / window)
