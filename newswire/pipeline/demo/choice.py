"""Which of the demo's articles to print: those that together show the most of what newswire does."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from newswire.schemas import EnrichedArticle, Outcome

LIMIT = 8
_WEIGHTS = {"update": 6, "copied": 6, "every entity type": 5, "story": 4, "language": 3, "topic": 2}
_ENTITY_TYPES = {"PER", "ORG", "LOC", "MISC"}


def copies_of(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of recognised copies, by the id of the article that each is a copy of."""
    copies: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.outcome == "duplicate" and outcome.duplicate is not None and outcome.duplicate.of is not None:
            copies[outcome.duplicate.of].append(outcome)
    return dict(copies)


def newest(articles: Iterable[EnrichedArticle]) -> list[EnrichedArticle]:
    """Each article in its highest revision, in the order of the wire."""
    latest: dict[str, EnrichedArticle] = {}
    for article in articles:
        if article.id not in latest or latest[article.id].revision <= article.revision:
            latest[article.id] = article
    return sorted(latest.values(), key=lambda article: article.sequence)


def stories_of(articles: Iterable[EnrichedArticle]) -> dict[str, list[EnrichedArticle]]:
    """The stories that articles of more than one feed belong to, by story id."""
    stories: dict[str, list[EnrichedArticle]] = defaultdict(list)
    for article in newest(articles):
        stories[article.story.id].append(article)
    return {id: members for id, members in stories.items() if len({member.feed.url for member in members}) > 1}


def choose(
    articles: Sequence[EnrichedArticle], copies: Mapping[str, Sequence[Outcome]], limit: int = LIMIT
) -> list[EnrichedArticle]:
    """At most `limit` articles, newest revisions, in the order of the wire.

    Greedy: each next article is the one that shows most of what none before it shows (a language, a topic, an update,
    an article that was copied, entities of every type, a story of several feeds); among equals the one with more
    entities.
    """
    shared = stories_of(articles)
    left = newest(articles)
    shown: set[tuple[str, str]] = set()
    chosen: list[EnrichedArticle] = []
    while left and len(chosen) < limit:
        features = {article.id: _features(article, copies, shared) - shown for article in left}
        best = max(left, key=lambda article: (_weight(features[article.id]), len(article.entities), -article.sequence))
        if not features[best.id]:
            break
        shown |= features[best.id]
        chosen.append(best)
        left.remove(best)
    return sorted(chosen, key=lambda article: article.sequence)


def _features(
    article: EnrichedArticle, copies: Mapping[str, Sequence[Outcome]], shared: Mapping[str, Sequence[EnrichedArticle]]
) -> set[tuple[str, str]]:
    features = {("language", article.language.code), *(("topic", topic.id) for topic in article.topics)}
    if article.revision > 1:
        features.add(("update", ""))
    if article.id in copies:
        features.add(("copied", ""))
    if {entity.type for entity in article.entities} >= _ENTITY_TYPES:
        features.add(("every entity type", ""))
    if article.story.id in shared:
        # Each feed's telling of it: a story is only seen when two stand side by side.
        features.add(("story", f"{article.story.id} {article.feed.url}"))
    return features


def _weight(features: set[tuple[str, str]]) -> int:
    return sum(_WEIGHTS[name] for name, _ in features)
