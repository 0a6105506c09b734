"""`newswire ledger`: what was collected and how it ended, by feed and hour, and in all."""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from newswire.pipeline.broker.connect import connect_to_wire
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.cli.common import with_settings
from newswire.pipeline.cli.subscribe import MomentType
from newswire.pipeline.cli.verify import verify_wire
from newswire.pipeline.ledger.account import Account
from newswire.pipeline.ledger.balance import OUTCOMES, Entry, Ledger, Named, summed
from newswire.pipeline.ledger.counters import HOUR_MS
from newswire.pipeline.ledger.hours import HourEntry, name_of
from newswire.pipeline.ledger.read import read_ledger
from newswire.pipeline.settings import Settings
from newswire.pipeline.text.dates import from_ms, to_ms
from newswire.schemas.common import format_time

COLUMNS = ("collected", *OUTCOMES, "in flight")
NAMED_SHOWN = 20
"""Missing articles that standard error names; `--json` names all."""


@dataclass(frozen=True)
class Wanted:
    """What of the ledger is asked for: the rows by feed or by hour, of one feed, from an hour on."""

    by: str
    feed: str | None = None
    since: datetime | None = None

    @property
    def paired(self) -> bool:
        """Whether it takes the counters by feed and hour, which are kept for the newest hours."""
        return self.since is not None if self.by == "feed" else self.feed is not None

    @property
    def first(self) -> datetime | None:
        """When the first hour asked for begins: that which holds `since`."""
        return None if self.since is None else from_ms(to_ms(self.since) // HOUR_MS * HOUR_MS)

    def is_beyond(self, ledger: Ledger) -> bool:
        """Whether articles are asked for whose feed and hour are not kept together."""
        first, since = self.first, ledger.feed_hours.since
        if first is None or since is None or since <= first:
            return False
        return any(entry.hour is None or first <= entry.hour < since for entry in ledger.hours)

    def feeds(self, ledger: Ledger) -> tuple[Entry, ...]:
        """The feeds asked for; those that have articles since then."""
        if self.since is None:
            return tuple(entry for entry in ledger.feeds if self.feed is None or entry.feed == self.feed)
        sums = ((name, self._recent(entries)) for name, entries in ledger.feed_hours.entries.items())
        return tuple(
            summed(name, entries) for name, entries in sums if entries and (self.feed is None or name == self.feed)
        )

    def hours(self, ledger: Ledger) -> tuple[HourEntry, ...]:
        """The hours asked for."""
        return self._recent(ledger.hours if self.feed is None else ledger.feed_hours.entries.get(self.feed, ()))

    def _recent(self, entries: Iterable[HourEntry]) -> tuple[HourEntry, ...]:
        first = self.first
        return tuple(entry for entry in entries if first is None or (entry.hour is not None and entry.hour >= first))


@click.command(name="ledger")
@click.option("--by", type=click.Choice(("feed", "hour")), help="A row for each feed (the default) or for each hour.")
@click.option("--feed", help="Only the feed with this URL.")
@click.option("--since", type=MomentType(), help="Only what was observed in the hours from this time on.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.option("--verify", is_flag=True, help="Compare every record on the topics with what `enrich` makes of raw.")
@click.option("--trust-analysis", is_flag=True, help="With --verify: take the encoder's work as it is recorded.")
@with_settings
def command(
    settings: Settings,
    by: str | None,
    feed: str | None,
    since: datetime | None,
    as_json: bool,
    verify: bool,
    trust_analysis: bool,
) -> None:
    """Say what was collected and how it ended, by feed and hour and in all; exit 1 when it does not balance.

    collected = emitted + updated + duplicate + seen + rejected + dead + in flight, where in flight is counted from
    the stages' positions. May be called while the service runs. Hours are those of observed_at, in UTC; the newest 90
    days are kept apart. The newest 48 hours are kept for each feed: --feed with --by hour gives those of one feed,
    --since with --by feed a row for each feed since then. What is missing is named by its article's id, as far back as
    raw reaches.

    With --verify, everything that stands on the topics is compared with the oracle, `enrich` over the same raw records,
    instead: each raw record's one outcome, the same records once, the same bytes, numbers and stories, nothing from
    nowhere, no transaction left open. It takes as long as the encoder needs for all articles, unless
    --trust-analysis is given. Where retention has taken the beginning of raw it is rebuilt from the archive; where
    there is none, or not of all of it, numbers and ids are compared.
    """
    if verify:
        verify_wire(settings, trust_analysis, as_json)
        return
    if trust_analysis:
        raise click.UsageError("--trust-analysis belongs to --verify")
    wanted = Wanted(by or ("feed" if since is None else "hour"), feed, since)
    try:
        ledger = asyncio.run(_read(settings))
    except BrokerError as error:
        raise click.ClickException(str(error)) from None
    if feed is not None and all(entry.feed != feed for entry in ledger.feeds):
        raise click.ClickException(f"nothing was collected from {feed!r} (newswire ledger tells all feeds)")
    if wanted.paired and wanted.is_beyond(ledger):
        raise click.ClickException(f"each feed's hours are counted {_reach(ledger)}, not from {since}")
    if as_json:
        click.echo(orjson.dumps(as_object(ledger, settings.namespace, wanted)).decode())
    elif sys.stdout.isatty():
        Console().print(_rich_table(ledger, wanted))
    else:
        click.echo("\n".join(plain_table(ledger, wanted)))
    if not ledger.balanced:
        for line in _complaints(ledger):
            click.echo(line, err=True)
        sys.exit(1)
    if not as_json:
        click.echo("balanced" + (f"; {ledger.strays} strays (newswire dead list)" if ledger.strays else ""))


async def _read(settings: Settings) -> Ledger:
    async with connect_to_wire(settings) as connection:
        return await read_ledger(connection.bootstrap_servers, connection.options, settings.namespace)


def as_object(ledger: Ledger, namespace: str, wanted: Wanted) -> dict[str, Any]:
    """The ledger as `--json` prints it."""
    found: dict[str, Any] = {
        "namespace": namespace,
        "balanced": ledger.balanced,
        "faults": list(ledger.faults),
        "strays": ledger.strays,
        "total": _entry_object(ledger.total),
        "feeds": [{"feed": entry.feed, **_entry_object(entry)} for entry in wanted.feeds(ledger)],
        "missing": [_named_object(one) for one in ledger.missing],
        "repeated": [_named_object(one) for one in ledger.repeated],
    }
    if wanted.paired:
        found["feed_hours_since"] = ledger.feed_hours.since and format_time(ledger.feed_hours.since)
    if wanted.by == "hour":
        found["hours_complete"] = ledger.hours_complete
        found["hours"] = [
            {"hour": None if entry.hour is None else format_time(entry.hour), **_entry_object(entry)}
            for entry in wanted.hours(ledger)
        ]
    return found


def _entry_object(entry: Account) -> dict[str, Any]:
    under_way = {"in_flight": entry.under_way, "in_flight_by_hop": dict(entry.in_flight)}
    return {"collected": entry.collected, **entry.outcomes, **under_way}


def _named_object(one: Named) -> dict[str, Any]:
    return {"id": one.id, "position": one.position, "offset": one.offset, "feed": one.feed}


def _complaints(ledger: Ledger) -> Iterable[str]:
    for fault in ledger.faults:
        yield f"does not balance: {fault}"
    for what, named in (("missing", ledger.missing), ("more than one outcome", ledger.repeated)):
        for one in named[:NAMED_SHOWN]:
            article = one.id or "a record that cannot be read"
            yield f"{what}: {article} of {one.feed or '(unknown)'}, raw offset {one.offset}"
        if len(named) > NAMED_SHOWN:
            yield f"{what}: {len(named) - NAMED_SHOWN} more (--json names all)"
    if ledger.searched is None:
        yield "no names: raw holds no record any more that was taken"
    elif not (ledger.missing or ledger.repeated):
        first, last = ledger.searched
        yield f"no names: each of the records {first} to {last} that raw still holds has its outcome or is in flight"


def plain_table(ledger: Ledger, wanted: Wanted) -> list[str]:
    """The ledger as lines of tab-separated fields under a heading, for other programs and for log files."""
    return ["\t".join(cells) for cells in ((wanted.by, *COLUMNS), *_rows(ledger, wanted), _total(ledger))]


def _rich_table(ledger: Ledger, wanted: Wanted) -> Table:
    table = Table(wanted.by, *COLUMNS, caption=_caption(ledger, wanted))
    for column in table.columns[1:]:
        column.justify = "right"
    for cells in _rows(ledger, wanted):
        table.add_row(*cells)
    table.add_section()
    table.add_row(*_total(ledger), style="bold")
    return table


def _rows(ledger: Ledger, wanted: Wanted) -> Sequence[tuple[str, ...]]:
    if wanted.by == "hour":
        return [_cells(name_of(entry.hour), entry) for entry in wanted.hours(ledger)]
    return [_cells(entry.feed or "(unknown)", entry) for entry in wanted.feeds(ledger)]


def _total(ledger: Ledger) -> tuple[str, ...]:
    return _cells("in all", ledger.total)


def _cells(name: str, entry: Account) -> tuple[str, ...]:
    return name, *map(str, (entry.collected, *(entry.outcomes[kind] for kind in OUTCOMES), entry.under_way))


def _reach(ledger: Ledger) -> str:
    return f"from {name_of(ledger.feed_hours.since)} on" if ledger.feed_hours.since else "from the next article on"


def _caption(ledger: Ledger, wanted: Wanted) -> str | None:
    told = [f"{number} at {hop}" for hop, number in ledger.total.in_flight.items() if number]
    lines = ["in flight: " + ", ".join(told)] if told else []
    if wanted.by == "hour" and not ledger.hours_complete:
        lines.append("what was counted before newswire knew of hours is in no hour")
    if wanted.paired:
        lines.append(f"each feed's hours are counted {_reach(ledger)}")
    return "\n".join(lines) or None
