"""`newswire ledger`: what was collected and how it ended, per feed and in all."""

import asyncio
import sys
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from newswire.pipeline.broker.connect import connect_to_wire
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.cli.common import with_settings
from newswire.pipeline.cli.verify import verify_wire
from newswire.pipeline.ledger.balance import OUTCOMES, Entry, Ledger
from newswire.pipeline.ledger.read import read_ledger
from newswire.pipeline.settings import Settings

COLUMNS = ("feed", "collected", *OUTCOMES, "in flight")


@click.command(name="ledger")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.option("--verify", is_flag=True, help="Compare every record on the topics with what `enrich` makes of raw.")
@click.option("--trust-analysis", is_flag=True, help="With --verify: take the encoder's work as it is recorded.")
@with_settings
def command(settings: Settings, as_json: bool, verify: bool, trust_analysis: bool) -> None:
    """Say what was collected and how it ended, per feed and in all; exit 1 when it does not balance.

    collected = emitted + updated + duplicate + seen + rejected + dead + in flight, where in flight is counted from
    the stages' positions. May be called while the service runs.

    With --verify, everything that stands on the topics is compared with the oracle, `enrich` over the same raw records,
    instead: each raw record's one outcome, the same records once, the same bytes, numbers and stories, nothing from
    nowhere, no transaction left open. It takes as long as the encoder needs for all articles, unless
    --trust-analysis is given. Where retention has taken the beginning of raw, numbers and ids are compared.
    """
    if verify:
        verify_wire(settings, trust_analysis, as_json)
        return
    if trust_analysis:
        raise click.UsageError("--trust-analysis belongs to --verify")
    try:
        ledger = asyncio.run(_read(settings))
    except BrokerError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(orjson.dumps(as_object(ledger, settings.namespace)).decode())
    elif sys.stdout.isatty():
        Console().print(_rich_table(ledger))
    else:
        click.echo("\n".join(plain_table(ledger)))
    if not ledger.balanced:
        for fault in ledger.faults:
            click.echo(f"does not balance: {fault}", err=True)
        sys.exit(1)
    if not as_json:
        click.echo("balanced" + (f"; {ledger.strays} strays (newswire dead list)" if ledger.strays else ""))


async def _read(settings: Settings) -> Ledger:
    async with connect_to_wire(settings) as connection:
        return await read_ledger(connection.bootstrap_servers, connection.options, settings.namespace)


def as_object(ledger: Ledger, namespace: str) -> dict[str, Any]:
    """The ledger as `--json` prints it."""
    return {
        "namespace": namespace,
        "balanced": ledger.balanced,
        "faults": list(ledger.faults),
        "strays": ledger.strays,
        "total": _entry_object(ledger.total),
        "feeds": [{"feed": entry.feed, **_entry_object(entry)} for entry in ledger.feeds],
    }


def _entry_object(entry: Entry) -> dict[str, Any]:
    under_way = {"in_flight": entry.under_way, "in_flight_by_hop": dict(entry.in_flight)}
    return {"collected": entry.collected, **entry.outcomes, **under_way}


def plain_table(ledger: Ledger) -> list[str]:
    """The ledger as lines of tab-separated fields under a heading, for other programs and for log files."""
    rows = [_cells(entry) for entry in (*ledger.feeds, ledger.total)]
    return ["\t".join(cells) for cells in (COLUMNS, *rows)]


def _rich_table(ledger: Ledger) -> Table:
    table = Table(*COLUMNS, caption=_hops(ledger.total))
    for column in table.columns[1:]:
        column.justify = "right"
    for entry in ledger.feeds:
        table.add_row(*_cells(entry))
    table.add_section()
    table.add_row(*_cells(ledger.total), style="bold")
    return table


def _cells(entry: Entry) -> tuple[str, ...]:
    name = "in all" if entry.feed is None else entry.feed or "(unknown)"
    return name, *map(str, (entry.collected, *(entry.outcomes[name] for name in OUTCOMES), entry.under_way))


def _hops(total: Entry) -> str | None:
    under_way = [f"{number} at {hop}" for hop, number in total.in_flight.items() if number]
    return "in flight: " + ", ".join(under_way) if under_way else None
