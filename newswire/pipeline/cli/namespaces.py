"""`newswire namespaces`: list and delete the wires that stand on this Kafka, most of them made by replays."""

import sys
from dataclasses import asdict

import click
import orjson
from rich.console import Console
from rich.table import Table

from newswire.pipeline.cli.common import with_settings
from newswire.pipeline.cli.connected import run_connected
from newswire.pipeline.cli.replay import LIVE
from newswire.pipeline.namespaces import Overview, remove, survey
from newswire.pipeline.settings import Settings

COLUMNS = ("namespace", "what it is", "collected", "enriched", "in use by")


@click.group(name="namespaces")
def command() -> None:
    """The wires on this Kafka: the live one and those that replays made."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each namespace.")
@with_settings
def list_command(settings: Settings, as_json: bool) -> None:
    """Every namespace: what it is, how many articles it collected and enriched, and who works on it now."""
    found = run_connected(settings, survey)
    if as_json:
        for one in found:
            click.echo(orjson.dumps(_as_object(one)).decode())
    elif sys.stdout.isatty():
        table = Table(*COLUMNS)
        for one in found:
            table.add_row(*_cells(one))
        Console().print(table)
    else:
        click.echo("\n".join("\t".join(cells) for cells in (COLUMNS, *map(_cells, found))))


@command.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--live", is_flag=True, help="Also the namespace of the live service.")
@with_settings
def delete(settings: Settings, name: str, yes: bool, live: bool) -> None:
    """Delete the namespace NAME with all its records: topics, groups, and its workers' caches on this machine.

    The one that the configuration names, and `newswire`, are the live service's: they go only with --live. One that
    somebody works on, or subscribes to, is refused.
    """
    if name in (LIVE, settings.namespace) and not live:
        raise click.UsageError(f"{name!r} is the namespace of the live service: --live deletes it all the same")
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked here: --yes says that all records of the namespace may go")
        click.confirm(f"Delete {name} with all its records?", abort=True)
    deleted = run_connected(settings, lambda connection: remove(settings, connection, name))
    if not deleted:
        raise click.ClickException(f"there is no namespace {name!r} (newswire namespaces list)")
    click.echo(f"deleted {name}: {deleted} topics")


def _as_object(one: Overview) -> dict[str, object]:
    replay = one.replay.model_dump(mode="json") if one.replay is not None else None
    return {**asdict(one), "replay": replay}


def _cells(one: Overview) -> tuple[str, ...]:
    return one.namespace, one.kind, str(one.collected), str(one.enriched), ", ".join(one.in_use_by) or "-"
