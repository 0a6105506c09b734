"""Late merges: two stories that were opened apart and have grown into one.

Two articles of one event may begin two stories, when each names another side of it. Once an article fits both, and the
stories fit each other as well, the younger one ends: what it gathered goes on in the older one. What was emitted in it
stays as it is; its last record on `stories` says where it went.

The score that this takes is high, since a wrong merge cannot be undone: on ECB+, whose events come in pairs that are
easily confused, 0.85 merges none of them, and 0.6 so many that B-cubed F1 falls from 0.883 to 0.849
(`python -m bench.stories FILE --encoder --merge-min 0.6`).
"""

from collections.abc import Mapping
from dataclasses import replace
from operator import itemgetter

from newswire.pipeline.stories.story import (
    ENTITIES_MAX,
    FEEDS_MAX,
    HEADLINES_MAX,
    MEMBERS_MAX,
    TERMS_MAX,
    TOPICS_MAX,
    Features,
    OpenStory,
    most_common,
)
from newswire.pipeline.stories.vectors import add_sums


def features_of_story(story: OpenStory) -> Features:
    """A story as if it were an article: by this it is compared with other stories."""
    language = most_common(story.languages)[0] if story.languages else ""
    return Features(story.words, story.entities, {}, story.vector, language if language != "und" else "")


def merged(older: OpenStory, younger: OpenStory) -> OpenStory:
    """The older story with all of the younger one; of what is bounded it keeps what both have most, or newest."""
    vector, vectors = add_sums((older.vector, older.vectors), (younger.vector, younger.vectors))
    entities = _most(older.entities, younger.entities, ENTITIES_MAX)
    names = {**younger.names, **older.names}
    return replace(
        older,
        size=older.size + younger.size,
        first=min(older.first, younger.first),
        last=max(older.last, younger.last),
        words=_most(older.words, younger.words, TERMS_MAX),
        entities=entities,
        names={key: names[key] for key in entities},
        feeds=_first(older.feeds, younger.feeds, FEEDS_MAX),
        topics=_first(older.topics, younger.topics, TOPICS_MAX),
        languages=_first(older.languages, younger.languages, TOPICS_MAX),
        members=(*older.members, *younger.members)[-MEMBERS_MAX:],
        headlines=(*older.headlines, *younger.headlines)[-HEADLINES_MAX:],
        vector=vector,
        vectors=vectors,
    )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in (*one, *(key for key in other if key not in one))}


def _most(one: Mapping[str, int], other: Mapping[str, int], limit: int) -> dict[str, int]:
    return dict(sorted(_sum(one, other).items(), key=itemgetter(1), reverse=True)[:limit])


def _first(one: Mapping[str, int], other: Mapping[str, int], limit: int) -> dict[str, int]:
    return dict(list(_sum(one, other).items())[:limit])
