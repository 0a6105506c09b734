"""The ledger itself: collected = emitted + updated + duplicate + seen + rejected + dead + in flight, or what fails.

Nothing is computed as what remains: each stage counted what it took, what it passed on and what ended there; its
position counts the records of its log; what waits in `raw` is read. So a lost or repeated record shows as an
identity that does not hold, and the ledger names it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import get_args

from newswire.pipeline.ledger.account import Account
from newswire.pipeline.ledger.feed_hours import FeedHours, StageFeedHours, feed_hour_faults, feed_hours
from newswire.pipeline.ledger.hours import STAGES as HOUR_STAGES
from newswire.pipeline.ledger.hours import HourEntry, StageHours, hour_entries, hour_faults
from newswire.schemas.outcomes import OutcomeKind

STAGES = ("prepare", "deduplicate", "analyze", "cluster")
OUTCOMES: tuple[str, ...] = get_args(OutcomeKind)
HOPS = ("raw", "prepared", "unique", "analyzed", "held")
"""Where an article can be under way: on a topic that its next stage has not taken it from, or held in sequence."""

_INPUT = dict(zip(STAGES, HOPS, strict=False))

Counts = Mapping[str, Mapping[str, int]]
"""Numbers by name, by feed."""


@dataclass(frozen=True, slots=True)
class StageBook:
    """What one stage says of itself, all at one moment.

    `counts`: its counters. `records`: how many records its position says it took (None: it never began).
    `waiting`: rows that it holds back (cluster). `released`: how many numbers its sequence has let go (cluster).
    `offsets`: the next input offset of each partition. `hours`: its counters by hour, `newest` the newest of them,
    `feed_hours` those of a feed by hour.
    """

    counts: Counts = field(default_factory=lambda: MappingProxyType({}))
    records: int | None = None
    waiting: int | None = None
    released: int | None = None
    offsets: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    hours: StageHours = field(default_factory=lambda: MappingProxyType({}))
    newest: int | None = None
    feed_hours: StageFeedHours = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Books:
    """All that a ledger is made of: the stages at one moment of the log, and `raw` from there on.

    `backlog`: articles by feed and hour that stand in `raw` and prepare has not taken (retries are not among them).
    `written`: how many each writer says it put into `raw`, by the writer's name and feed. `faults`: what was wrong in
    reading.
    """

    stages: Mapping[str, StageBook]
    backlog: Mapping[tuple[str, int], int] = field(default_factory=lambda: MappingProxyType({}))
    written: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry(Account):
    """The ledger of one feed, or of all. Outcomes are net of what was retried since."""

    feed: str | None
    collected: int
    outcomes: Mapping[str, int]
    in_flight: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Named:
    """A raw record by its position, and what names it: its article's id (null when it cannot be read), offset, feed."""

    position: int
    id: str | None
    offset: int
    feed: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries by feed, their sum, the strays, and every identity that does not hold.

    `hours`: the entries by hour; `hours_complete` is false where a stage has counted articles without their hour,
    before it knew of hours. `feed_hours`: each feed's entries by hour, of the newest hours. Where it does not balance:
    `missing` are records without an outcome that are not in flight, `repeated` those with more than one, `searched` the
    positions between which both were looked for.
    """

    feeds: tuple[Entry, ...]
    total: Entry
    strays: int
    faults: tuple[str, ...]
    hours: tuple[HourEntry, ...] = ()
    hours_complete: bool = True
    missing: tuple[Named, ...] = ()
    repeated: tuple[Named, ...] = ()
    searched: tuple[int, int] | None = None
    feed_hours: FeedHours = field(default_factory=FeedHours)

    @property
    def balanced(self) -> bool:
        """Whether every identity holds."""
        return not self.faults


def balance(books: Books) -> Ledger:
    """Draw up the ledger and check every identity. Pure."""
    names = {feed for book in books.stages.values() for feed in book.counts}
    backlog: Counter[str] = Counter()
    for (feed, _), number in books.backlog.items():
        backlog[feed] += number
    # strays are counted for no feed, and a feed of nothing but strays is none
    feeds = sorted(feed for feed in names | set(backlog) if feed in backlog or _has_articles(books, feed))
    entries = tuple(_entry(feed, [feed], books, backlog[feed]) for feed in feeds)
    total = _entry(None, feeds, books, backlog.total())
    strays = sum(row.get("stray", 0) for book in books.stages.values() for row in book.counts.values())
    hours, complete = _hours(books)
    pairs = _feed_hours(books)
    faults = [
        *books.faults,
        *_stage_faults(books, feeds),
        *_position_faults(books),
        *(fault for entry in entries for fault in _entry_faults(entry)),
        *_total_faults(total),
        *(hour_faults(hours) if complete else ()),
        *(feed_hour_faults(pairs) if complete else ()),
        *_writer_faults(books, entries),
    ]
    return Ledger(entries, total, strays, tuple(faults), hours, complete, feed_hours=pairs)


def summed(feed: str, hours: Iterable[HourEntry]) -> Entry:
    """Some hours of a feed as one entry."""
    outcomes, in_flight, collected = Counter[str](), Counter[str](), 0
    for entry in hours:
        outcomes.update(entry.outcomes)
        in_flight.update(entry.in_flight)
        collected += entry.collected
    return Entry(feed, collected, outcomes, in_flight)


def _hours(books: Books) -> tuple[tuple[HourEntry, ...], bool]:
    stages, newest = _hour_books(books)
    hours = {stage: book.hours for stage, book in stages.items()}
    backlog: Counter[int] = Counter()
    for (_, hour), number in books.backlog.items():
        backlog[hour] += number
    complete = all(
        sum(row.get("in", 0) for row in book.hours.values()) == sum(row.get("in", 0) for row in book.counts.values())
        for book in stages.values()
    )
    return hour_entries(hours, newest, backlog, OUTCOMES), complete


def _feed_hours(books: Books) -> FeedHours:
    stages, newest = _hour_books(books)
    pairs = {stage: book.feed_hours for stage, book in stages.items()}
    return feed_hours(pairs, {stage: book.hours for stage, book in stages.items()}, newest, books.backlog, OUTCOMES)


def _hour_books(books: Books) -> tuple[dict[str, StageBook], int | None]:
    """The stages that count hours, and the newest hour that any of them has seen."""
    stages = {stage: books.stages.get(stage, StageBook()) for stage in HOUR_STAGES}
    return stages, max((book.newest for book in stages.values() if book.newest is not None), default=None)


def _has_articles(books: Books, feed: str) -> bool:
    return any(set(book.counts.get(feed, ())) - {"stray"} for name, book in books.stages.items() if name in STAGES)


def _entry(feed: str | None, feeds: Iterable[str], books: Books, backlog: int) -> Entry:
    sums = {stage: _sum(books, stage, feeds) for stage in STAGES}
    prepare, deduplicate, analyze, cluster = (sums[stage] for stage in STAGES)
    retried = {outcome: prepare[f"retried_{outcome}"] for outcome in OUTCOMES}
    outcomes = {name: sum(sums[stage][name] for stage in STAGES) - retried[name] for name in OUTCOMES}
    in_flight = {
        "raw": backlog,
        "prepared": prepare["out"] - deduplicate["in"],
        "unique": deduplicate["out"] - analyze["in"],
        "analyzed": analyze["out"] - cluster["in"],
        "held": cluster["held"],
    }
    return Entry(feed, prepare["in"] - sum(retried.values()) + backlog, outcomes, in_flight)


def _sum(books: Books, stage: str, feeds: Iterable[str]) -> Counter[str]:
    sums: Counter[str] = Counter()
    book = books.stages.get(stage, StageBook())
    for feed in feeds:
        for name, number in book.counts.get(feed, {}).items():
            sums[name] += number
    return sums


def _stage_faults(books: Books, feeds: Iterable[str]) -> Iterable[str]:
    """Each stage's own identity, feed by feed: in = out + its outcomes + what it holds back."""
    for stage in STAGES:
        for feed in feeds:
            row = _sum(books, stage, [feed])
            ends = {name: row[name] for name in ("out", *OUTCOMES, "held") if row[name]}
            if row["in"] != sum(ends.values()):
                told = " + ".join(f"{name} {number}" for name, number in ends.items()) or "nothing"
                yield f"{stage} took {row['in']} articles of feed {feed!r} but accounts for {told}"


def _position_faults(books: Books) -> Iterable[str]:
    """What a stage counted against what its position, its sequence and its rows say, which are counted apart."""
    for stage in STAGES:
        book = books.stages.get(stage, StageBook())
        sums = _sum(books, stage, book.counts)
        if (book.records or 0) != sums["in"] + sums["stray"]:
            yield (
                f"{stage} took {book.records or 0} records from {_INPUT[stage]} by its position,"
                f" but counted {sums['in']} articles and {sums['stray']} strays"
            )
        if book.waiting is not None and book.waiting != sums["held"]:
            yield f"{stage} holds {book.waiting} articles back, but counted {sums['held']}"
        if book.released is not None and book.released != sums["emitted"] + sums["updated"]:
            yield (
                f"{stage} let {book.released} numbers of the sequence go, but counted {sums['emitted']} emitted"
                f" and {sums['updated']} updated"
            )


def _entry_faults(entry: Entry) -> Iterable[str]:
    for hop, number in entry.in_flight.items():
        if number < 0:
            yield f"feed {entry.feed!r}: {-number} more articles were taken from {hop} than were put there"
    if entry.difference:
        yield f"feed {entry.feed!r}: {_told(entry.difference)}"


def _total_faults(total: Entry) -> Iterable[str]:
    if total.difference:
        yield f"in all: {_told(total.difference)}"
    for outcome, number in total.outcomes.items():
        if number < 0:
            yield f"{-number} more articles were retried as {outcome} than ended so"


def _told(difference: int) -> str:
    if difference > 0:
        return f"{difference} collected articles have no outcome and are not in flight"
    return f"{-difference} outcomes or articles in flight are too many"


def _writer_faults(books: Books, entries: Iterable[Entry]) -> Iterable[str]:
    """Others may write into `raw` too, so that it may hold more than ours wrote, never less."""
    wrote: Counter[str] = Counter()
    for counts in books.written.values():
        wrote.update(counts)
    holds = {entry.feed or "": entry.collected for entry in entries}
    missing = sum(wrote.values()) - sum(holds.values())
    if missing > 0:
        where = sorted(feed for feed, number in wrote.items() if number > holds.get(feed, 0))
        more = f" and {len(where) - 3} more" if len(where) > 3 else ""
        yield (
            f"{' and '.join(sorted(books.written))} wrote {sum(wrote.values())} articles, raw held"
            f" {missing} fewer: look at {', '.join(map(repr, where[:3]))}{more}"
        )
