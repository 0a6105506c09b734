"""What a subscriber missed because the log no longer holds it: pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import orjson

from newswire.schemas import EnrichedArticle
from newswire.schemas.common import format_time


@dataclass(frozen=True, slots=True)
class Mark:
    """An article's place in the wire: its sequence number and when it was observed."""

    sequence: int
    observed_at: datetime

    @classmethod
    def of(cls, article: EnrichedArticle) -> Self:
        """The article's mark."""
        return cls(article.sequence, article.observed_at)

    @classmethod
    def decode(cls, text: str | None) -> Self | None:
        """From the metadata of a group's place; None for anything else, such as what another client left there."""
        try:
            fields = orjson.loads(text or "")
            return cls(int(fields["sequence"]), datetime.fromisoformat(fields["observed_at"]))
        except (ValueError, TypeError, KeyError):
            return None

    def encode(self) -> str:
        """As metadata of a group's place."""
        return orjson.dumps({"sequence": self.sequence, "observed_at": format_time(self.observed_at)}).decode()


@dataclass(frozen=True, slots=True)
class Gap:
    """Articles that expired before the subscriber had them, with what it had last and what is still kept.

    The offsets from `first_offset` to `last_offset` of the topic are gone. `after` is the last article before them,
    None where the subscriber's place does not tell; `before` the first one behind them.
    """

    topic: str
    first_offset: int
    last_offset: int
    after: Mark | None
    before: Mark

    @property
    def lost(self) -> int | None:
        """How many articles are missing: the sequence has no gaps of its own. None where it cannot be told."""
        return None if self.after is None else self.before.sequence - self.after.sequence - 1

    def explain(self) -> str:
        """The gap in a line."""
        offsets = f"offsets {self.first_offset} to {self.last_offset} of {self.topic}"
        until = format_time(self.before.observed_at)
        if self.after is None:
            return f"articles expired before they were read: {offsets}, up to the one observed at {until}"
        first, last = self.after.sequence + 1, self.before.sequence - 1
        numbers = f"numbers {first} to {last}" if last > first else f"number {first}"
        articles = f"{self.lost} articles" if last > first else "1 article"
        since = format_time(self.after.observed_at)
        return f"{articles} expired before they were read: {numbers}, {offsets}, between {since} and {until}"


class ArticlesExpired(LookupError):  # noqa: N818 - says what is the case
    """Articles expired before the subscriber read them; `gap` says which. A group goes on behind them."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(gap.explain())
        self.gap = gap
