"""A story: what is kept of it in its row, how an article changes it, and the record that is published."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from operator import itemgetter
from typing import NamedTuple, TypeVar

import orjson

from newswire.pipeline.stories.vectors import Vector, add_to_sum, decode_embedding, decode_sum, encode_sum
from newswire.pipeline.stories.words import entity_keys, significant_words
from newswire.schemas import AnalyzedArticle, Entity, Story
from newswire.schemas.stories import StoryEntity

MEMBERS_MAX = 100
FEEDS_MAX = 1_000
TERMS_MAX = 96
ENTITIES_MAX = 48
TOPICS_MAX = 32
HEADLINES_MAX = 12
TITLE_MAX = 500
"""Code points of a headline that a story keeps."""

TOP_ENTITIES = 10
TOP_TOPICS = 5

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Features:
    """What of an article decides its story. `words` have weights, `entities` 1 each, `mentions` the first of each.

    `language` is its code, or nothing where it cannot be told.
    """

    words: dict[str, int]
    entities: dict[str, int]
    mentions: dict[str, Entity]
    vector: Vector | None
    language: str


NO_FEATURES = Features({}, {}, {}, None, "")


@dataclass(frozen=True, slots=True)
class OpenStory:
    """A story as its row keeps it. Times are Unix milliseconds of event time; counts are articles.

    `words` sums the weights that the articles give them. `opened` is the sequence number of its first article.
    `headlines` are the newest ones: article id, title and the title's words. `vector` is the sum of `vectors`
    embeddings.
    """

    id: str
    opened: int
    size: int
    first: int
    last: int
    words: dict[str, int]
    entities: dict[str, int]
    names: dict[str, tuple[str, str]]
    feeds: dict[str, int]
    topics: dict[str, int]
    languages: dict[str, int]
    members: tuple[str, ...]
    headlines: tuple[tuple[str, str, tuple[str, ...]], ...]
    vector: Vector | None = None
    vectors: int = 0


def features_of(article: AnalyzedArticle) -> Features:
    """Read an article. Raises ValueError for an embedding that is none."""
    mentions = entity_keys(article.entities)
    return Features(
        significant_words(article.title, article.text),
        dict.fromkeys(mentions, 1),
        mentions,
        decode_embedding(article.embedding) if article.embedding is not None else None,
        article.language.code if article.language.code != "und" else "",
    )


def observed_ms(article: AnalyzedArticle) -> int:
    """Event time: when the article was seen in its feed, in Unix milliseconds."""
    return (article.observed_at - _EPOCH) // timedelta(milliseconds=1)


def story_id(article: AnalyzedArticle) -> str:
    """The id of the story that this article opens: stable, and another one each time that the article comes.

    By its sequence number as well: what its feed brings again once the window has forgotten it is a first revision
    again, and the story that it opened before may be open still.
    """
    return "s-" + sha256(f"{article.id}/{article.revision}/{article.sequence}".encode()).hexdigest()[:16]


def open_story(article: AnalyzedArticle, features: Features) -> OpenStory:
    """The story of one article."""
    moment = observed_ms(article)
    empty = OpenStory(story_id(article), article.sequence, 0, moment, moment, {}, {}, {}, {}, {}, {}, (), ())
    return join_story(empty, article, features)


def join_story(story: OpenStory, article: AnalyzedArticle, features: Features) -> OpenStory:
    """The story with one article more. Of words and names it keeps a bounded number: the most common, then newest."""
    vector, vectors = story.vector, story.vectors
    if features.vector is not None:
        vector, vectors = add_to_sum(vector, vectors, features.vector)
    entities = _count(story.entities, features.entities, ENTITIES_MAX)
    mentions = {key: (entity.text[:TITLE_MAX], str(entity.type)) for key, entity in features.mentions.items()}
    moment = observed_ms(article)
    return replace(
        story,
        size=story.size + 1,
        first=min(story.first, moment),
        last=max(story.last, moment),
        words=_count(story.words, features.words, TERMS_MAX),
        entities=entities,
        names={key: story.names.get(key) or mentions[key] for key in entities},
        feeds=_count_first(story.feeds, (article.feed.url,), FEEDS_MAX),
        topics=_count_first(story.topics, tuple(topic.id for topic in article.topics), TOPICS_MAX),
        languages=_count_first(story.languages, (article.language.code,), TOPICS_MAX),
        members=(*story.members, article.id)[-MEMBERS_MAX:],
        headlines=_headlines(story, article, features),
        vector=vector,
        vectors=vectors,
    )


def revise_story(story: OpenStory, article: AnalyzedArticle, features: Features) -> OpenStory:
    """The story with a new revision of one of its articles: no article more; what is new in it is added."""
    words, entities = story.words, story.entities
    grown = join_story(
        story,
        article,
        replace(
            features,
            words=_without(features.words, words),
            entities=_without(features.entities, entities),
            vector=features.vector if story.vector is None else None,
        ),
    )
    known = article.id in story.members
    return replace(
        grown,
        size=story.size,
        feeds=story.feeds | _without(grown.feeds, story.feeds),
        topics=story.topics | _without(grown.topics, story.topics),
        languages=story.languages | _without(grown.languages, story.languages),
        members=story.members if known else grown.members,
    )


def story_record(story: OpenStory, merged_into: str | None = None) -> Story:
    """The record of a story as it stands; of one that has ended in another, with that one's id."""
    return Story(
        id=story.id,
        title=_central_headline(story),
        size=story.size,
        feeds=tuple(story.feeds),
        first=_moment(story.first),
        last=_moment(story.last),
        entities=tuple(
            StoryEntity(text=story.names[key][0], type=story.names[key][1], articles=story.entities[key])
            for key in most_common(story.entities)[:TOP_ENTITIES]
        ),
        topics=most_common(story.topics)[:TOP_TOPICS],
        languages=most_common(story.languages),
        members=story.members,
        merged_into=merged_into,
    )


def encode_story(story: OpenStory) -> bytes:
    """The row of a story."""
    vector = encode_sum(story.vector) if story.vector is not None else None
    return orjson.dumps([*(getattr(story, name) for name in _FIELDS), vector, story.vectors])


def decode_story(row: bytes) -> OpenStory:
    """A story from its row."""
    *fields, vector, vectors = orjson.loads(row)
    kept = dict(zip(_FIELDS, fields, strict=True))
    kept["names"] = {key: (text, type_) for key, (text, type_) in kept["names"].items()}
    kept["members"] = tuple(kept["members"])
    kept["headlines"] = tuple((article, title, tuple(words)) for article, title, words in kept["headlines"])
    return OpenStory(**kept, vector=decode_sum(vector) if vector is not None else None, vectors=vectors)


class Indexed(NamedTuple):
    """What the index takes of a story; see OpenStory, which has these as well."""

    id: str
    opened: int
    first: int
    last: int
    words: dict[str, int]
    entities: dict[str, int]
    languages: dict[str, int]
    vector: Vector | None


def decode_indexed(row: bytes) -> Indexed:
    """What the index takes of a story's row: half the work of all of it."""
    fields = orjson.loads(row)
    vector = decode_sum(fields[-2]) if fields[-2] is not None else None
    return Indexed._make([*(fields[place] for place in _INDEXED), vector])


_FIELDS = tuple(name for name in OpenStory.__slots__ if name not in ("vector", "vectors"))
_INDEXED = tuple(_FIELDS.index(name) for name in Indexed._fields if name != "vector")


def _count(counts: dict[str, int], added: dict[str, int], limit: int) -> dict[str, int]:
    # the added ones first: the sort is stable, so that of equals the newest stay
    grown = {key: counts.get(key, 0) + weight for key, weight in added.items()} | _without(counts, added)
    return dict(sorted(grown.items(), key=itemgetter(1), reverse=True)[:limit])


def _count_first(counts: dict[str, int], added: tuple[str, ...], limit: int) -> dict[str, int]:
    grown = dict(counts)
    for key in added:
        if key in grown or len(grown) < limit:
            grown[key] = grown.get(key, 0) + 1
    return grown


def _without(kept: dict[str, T], others: Mapping[str, object]) -> dict[str, T]:
    return {key: value for key, value in kept.items() if key not in others}


def most_common(counts: dict[str, int]) -> tuple[str, ...]:
    """The keys with the largest counts first; of equals in their own order."""
    return tuple(sorted(counts, key=lambda key: (-counts[key], key)))


def _headlines(
    story: OpenStory, article: AnalyzedArticle, features: Features
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    words = tuple(word for word, weight in features.words.items() if weight > 1)
    others = tuple(headline for headline in story.headlines if headline[0] != article.id)
    return (*others, (article.id, article.title[:TITLE_MAX], words))[-HEADLINES_MAX:]


def _central_headline(story: OpenStory) -> str:
    """The headline whose words most of the story's articles share (cosine with their counts); of equals the first."""
    best, best_score = "", -1.0
    for _, title, words in story.headlines:
        shared = sum(story.words.get(word, 0) for word in words)
        # shared squared by length orders as the cosine does, without a root
        score = shared * shared / len(words) if words else 0.0
        if title and score > best_score:
            best, best_score = title, score
    return best


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
