"""Which articles a subscriber wants."""

from dataclasses import dataclass
from datetime import datetime

from newswire.schemas import EnrichedArticle


@dataclass(frozen=True, slots=True)
class Filters:
    """What an article must fulfil, all of it; None asks for nothing.

    `since`: observed at this moment (with a time zone) or later. `language`: an ISO 639-1 code. `topic`: the id of a
    Media Topic (medtop:...). `entity`: the whole name of an entity, in any case of letters.
    """

    since: datetime | None = None
    language: str | None = None
    topic: str | None = None
    entity: str | None = None

    def __post_init__(self) -> None:
        if self.since is not None and self.since.tzinfo is None:
            raise ValueError("a start time needs a time zone")

    def match(self, article: EnrichedArticle) -> bool:
        """Whether the article fulfils them."""
        if self.since is not None and article.observed_at < self.since:
            return False
        if self.language is not None and article.language.code.casefold() != self.language.casefold():
            return False
        if self.topic is not None and all(topic.id != self.topic for topic in article.topics):
            return False
        if self.entity is None:
            return True
        wanted = _name(self.entity)
        return any(_name(entity.text) == wanted for entity in article.entities)


def _name(text: str) -> str:
    return " ".join(text.split()).casefold()
