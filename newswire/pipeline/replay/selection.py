"""What of a source is wanted: observed times, feeds, and a condition on the articles. Pure."""

from dataclasses import dataclass
from datetime import datetime

import orjson

from newswire.pipeline.replay.where import Where
from newswire.schemas.common import format_time


@dataclass(frozen=True, slots=True)
class Span:
    """Observed times that are wanted: `begin` <= time < `end`, each with a time zone; None is open."""

    begin: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether the moment is wanted."""
        return (self.begin is None or moment >= self.begin) and (self.end is None or moment < self.end)

    @property
    def whole(self) -> bool:
        """Whether everything is wanted."""
        return self.begin is None and self.end is None

    def __str__(self) -> str:
        return "/".join(format_time(moment) if moment else "" for moment in (self.begin, self.end))


@dataclass(frozen=True, slots=True)
class Selection:
    """All that was asked of a source. No `feeds`: those of every feed. `where`: what articles must fulfil."""

    span: Span = Span()
    feeds: frozenset[str] = frozenset()
    where: Where | None = None

    def wants(self, feed: str, at: datetime | None) -> bool:
        """Whether an article of this feed, observed then, is wanted as far as `where` does not say otherwise."""
        return self.wants_feed(feed) and (self.span.whole or (at is not None and self.span.holds(at)))

    def wants_feed(self, feed: str) -> bool:
        """Whether articles of a feed are wanted. `feed` is its URL, or the name, as it stands in the articles."""
        return not self.feeds or feed in self.feeds

    def __str__(self) -> str:
        """The same for selections that want the same: it goes into the fingerprint of a source."""
        if not self.feeds and self.where is None:
            return str(self.span)
        more = {"feeds": sorted(self.feeds), "where": self.where.expression if self.where else None}
        return f"{self.span} {orjson.dumps(more).decode()}"
