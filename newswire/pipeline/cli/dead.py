"""`newswire dead`: list, show and retry what a stage could not do."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import click
from aiokafka.errors import KafkaError

from newswire.pipeline.broker.connect import connect_to_wire
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.cli.common import with_settings
from newswire.pipeline.connection import Connection
from newswire.pipeline.quarantine.letters import group_letters, shorten, value_of
from newswire.pipeline.quarantine.store import Quarantine, read_letter, read_quarantine, retry_letters
from newswire.pipeline.settings import Settings
from newswire.schemas import DeadLetter

T = TypeVar("T")


@click.group(name="dead")
def command() -> None:
    """What a stage could not do: list it, show one, send it round again."""


@command.command("list")
@click.option("--all", "each", is_flag=True, help="A line for each letter instead of one for each kind of error.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each letter, without its record.")
@with_settings
def list_command(settings: Settings, each: bool, as_json: bool) -> None:
    """The open letters, by stage and kind of error, each with an example."""
    found = _run(settings, lambda at: read_quarantine(at.bootstrap_servers, at.options, settings.namespace))
    if as_json:
        lines: Iterable[str] = (letter.model_dump_json(by_alias=True, exclude={"value"}) for letter in found.letters)
    else:
        lines = _each(found) if each else _grouped(found)
    for line in lines:
        click.echo(line)
    if found.unreadable:
        click.echo(f"{found.unreadable} records of dead are no letters and are left out", err=True)


@command.command()
@click.argument("id")
@with_settings
def show(settings: Settings, id: str) -> None:
    """One open letter: what failed where and why, and the record itself."""
    letter = _run(settings, lambda at: read_letter(at.bootstrap_servers, at.options, settings.namespace, id))
    if letter is None:
        raise click.ClickException(f"there is no open letter {id!r} (newswire dead list --all)")
    for line in _told(letter):
        click.echo(line)


@command.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "each", is_flag=True, help="Every open letter that can be retried.")
@with_settings
def retry(settings: Settings, ids: tuple[str, ...], each: bool) -> None:
    """Send letters round again; exit 1 when one that was named could not be.

    The new outcome replaces the old one in the ledger. A record that cannot be read, and a stray, stay dead.
    """
    if bool(ids) == each:
        raise click.UsageError("name the letters (newswire dead list --all), or give --all")
    chosen = None if each else ids
    done = _run(settings, lambda at: retry_letters(at.bootstrap_servers, at.options, settings.namespace, chosen))
    for letter in done.sent:
        click.echo(f"retried {letter}")
    for letter, reason in done.refused.items():
        click.echo(f"not retried {letter}: {reason}", err=True)
    click.echo(f"{len(done.sent)} retried, {len(done.refused)} stay dead")
    if ids and done.refused:
        sys.exit(1)


def _run(settings: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with connect_to_wire(settings) as connection:
            return await work(connection)

    try:
        return asyncio.run(connected())
    except (BrokerError, KafkaError) as error:
        raise click.ClickException(str(error)) from None


def _grouped(found: Quarantine) -> Iterable[str]:
    if not found.letters:
        yield "nothing is dead"
    for group in group_letters(found.letters):
        count = len(group.letters)
        example = group.letters[0]
        yield f"{count:>6}  {group.stage:<12} {group.kind}"
        if (error := shorten(example.error)) != group.kind:
            yield f"{'':>6}  {'':<12} such as: {error}"
        yield f"{'':>6}  {'':<12} newswire dead show {example.letter}"


def _each(found: Quarantine) -> Iterable[str]:
    for letter in found.letters:
        article = letter.id or ("stray" if letter.position is None else "-")
        yield f"{letter.letter}\t{article}\t{letter.feed_url or '-'}\t{shorten(letter.error)}"


def _told(letter: DeadLetter) -> Iterable[str]:
    yield f"letter     {letter.letter}"
    yield f"stage      {letter.stage} ({letter.software}), {letter.attempts} attempts"
    yield f"error      {letter.error}"
    yield f"record     {letter.topic} partition {letter.partition} offset {letter.offset}"
    yield f"article    {letter.id or '-'} of feed {letter.feed_url or '-'}"
    stray = "a stray: none of our articles"
    yield f"position   {stray if letter.position is None else letter.position}"
    value = value_of(letter)
    size = "none" if value is None else f"{len(value)} bytes{', cut' if letter.cut else ''}, {letter.encoding}"
    yield f"value      {size}"
    yield ""
    yield letter.value or ""
