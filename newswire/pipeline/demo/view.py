"""What the demo shows while it runs: a table that follows it on a terminal, plain lines anywhere else."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from newswire.pipeline.ledger.balance import OUTCOMES

TABLE_STYLE: dict[str, Any] = {"box": SIMPLE_HEAD, "padding": 0, "show_edge": False}
"""Narrow enough for the columns of a ledger on a terminal of 80 characters."""
NEWEST = 8
"""Headlines that the table on a terminal has room for."""


@dataclass(frozen=True, slots=True)
class Headline:
    """One enriched article in a line: `note` says what is special about it, or is empty."""

    language: str
    feed: str
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The demo at one moment.

    `elapsed` is seconds since the service was asked to start. `polls` counts requests to the feeds, `unchanged`
    those answered 304. `collected` counts records of `raw`, `outcomes` how they ended, by kind. `headlines` holds
    every enriched article so far, oldest first.
    """

    phase: str
    elapsed: float = 0.0
    feeds: int = 0
    polls: int = 0
    unchanged: int = 0
    collected: int = 0
    outcomes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    headlines: tuple[Headline, ...] = ()

    @property
    def in_flight(self) -> int:
        """Records that were collected and have no outcome yet (never negative: the topics are read one by one)."""
        return max(0, self.collected - sum(self.outcomes.values()))


class View(AbstractContextManager["View"], Protocol):
    """Shows snapshots between the start and the end of its `with` block."""

    def show(self, snapshot: Snapshot) -> None:
        """Show this moment in place of the last one."""


def open_view(console: Console) -> View:
    """The view that suits the console: live on a terminal, lines elsewhere."""
    return LiveView(console) if console.is_terminal else PlainView(console)


class LiveView:
    """A table on a terminal, drawn anew in place; it disappears at the end."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Draw this moment."""
        self._live.update(draw(snapshot))


class PlainView:
    """Lines for a file or a pipe: each headline once, and the counts whenever they have changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase = ""
        self._counts = ""
        self._headlines = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, snapshot: Snapshot) -> None:
        """Print what is new since the last snapshot."""
        if snapshot.phase != self._phase:
            self._line(snapshot.phase)
        for headline in snapshot.headlines[self._headlines :]:
            self._line("  " + headline_text(headline).plain)
        counts = counts_line(snapshot)
        # A line for each poll alone would bury the rest.
        if snapshot.collected and counts != self._counts:
            self._line(f"{snapshot.elapsed:5.1f} s  {counts}; {snapshot.polls} polls")
        self._phase, self._counts, self._headlines = snapshot.phase, counts, len(snapshot.headlines)

    def _line(self, text: str) -> None:
        # Feed text is not markup, and a line stays one line whatever the width.
        self._console.print(Text(text), soft_wrap=True)


def counts_line(snapshot: Snapshot) -> str:
    """The counts in one line: collected, each outcome that occurred, in flight."""
    ends = [f"{snapshot.outcomes[kind]} {kind}" for kind in OUTCOMES if snapshot.outcomes.get(kind)]
    return ", ".join([f"{snapshot.collected} collected", *ends, f"{snapshot.in_flight} in flight"])


def headline_text(headline: Headline) -> Text:
    """A headline in one line: language, title, feed, note."""
    text = Text(f"{headline.language:<3} ", style="cyan")
    text.append(headline.title, style="bold")
    text.append(f"  {headline.feed}", style="dim")
    if headline.note:
        text.append(f"  {headline.note}", style="yellow")
    return text


def draw(snapshot: Snapshot) -> RenderableType:
    """The table of one moment, for a terminal."""
    title = Text(f"newswire demo · {snapshot.phase} · {snapshot.elapsed:.0f} s · {snapshot.feeds} feeds", style="bold")
    counts = Table(**TABLE_STYLE)
    for name in ("polls", "304", "collected", *OUTCOMES, "in flight"):
        counts.add_column(name, justify="right")
    ends = (str(snapshot.outcomes.get(kind, 0)) for kind in OUTCOMES)
    counts.add_row(
        str(snapshot.polls),
        str(snapshot.unchanged),
        str(snapshot.collected),
        *ends,
        str(snapshot.in_flight),
    )
    lines = [headline_text(headline) for headline in snapshot.headlines[-NEWEST:]]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(title, counts, *lines)
