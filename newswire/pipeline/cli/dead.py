"""`newswire dead`: list, show, retry and discard what a stage could not do."""

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
from aiokafka.errors import KafkaError

from newswire.pipeline.broker.connect import connect_to_wire
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.cli.common import with_settings
from newswire.pipeline.connection import Connection
from newswire.pipeline.quarantine.letters import group_letters, shorten, value_of
from newswire.pipeline.quarantine.store import (
    Closed,
    discard_letters,
    read_letters,
    read_quarantine,
    retry_letters,
)
from newswire.pipeline.quarantine.wanted import Wanted
from newswire.pipeline.settings import Settings
from newswire.schemas import DeadLetter

T = TypeVar("T")

LETTER_STAGES = ("collect", "prepare", "deduplicate", "analyze", "cluster")
REASON_MAX = 500


def choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose letters, and call it with one `wanted` object."""

    @click.option("--stage", type=click.Choice(LETTER_STAGES), help="Only letters of this stage.")
    @click.option("--error", help="Only letters whose error has this part, in any case; * stands for anything.")
    @click.option("--id", "ids", multiple=True, help="Only this letter, or those of this article; may be repeated.")
    @functools.wraps(function)
    def command(*args: Any, stage: str | None, error: str | None, ids: tuple[str, ...], **options: Any) -> Any:
        named = (*ids, *options.pop("named", ()))
        return function(*args, wanted=Wanted(named, stage, error), **options)

    return command


@click.group(name="dead")
def command() -> None:
    """What a stage could not do: list it, show one, send it round again or give it up.

    A letter is named by its id or by its article's.
    """


@command.command("list")
@click.option("--all", "each", is_flag=True, help="A line for each letter instead of one for each kind of error.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each letter, without its record.")
@choosing
@with_settings
def list_command(settings: Settings, wanted: Wanted, each: bool, as_json: bool) -> None:
    """The open letters, by stage and kind of error, each with an example."""
    found = _run(settings, lambda at: read_quarantine(at.bootstrap_servers, at.options, settings.namespace))
    letters = wanted.choose(found.letters)
    if as_json:
        lines: Iterable[str] = (letter.model_dump_json(by_alias=True, exclude={"value"}) for letter in letters)
    else:
        lines = _each(letters) if each else _grouped(letters)
    for line in lines:
        click.echo(line)
    if found.unreadable:
        click.echo(f"{found.unreadable} records of dead are no letters and are left out", err=True)


@command.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each letter, with its record.")
@with_settings
def show(settings: Settings, id: str, as_json: bool) -> None:
    """The open letter with this id, or those of an article: what failed where and why, and the record itself."""
    wanted = Wanted((id,))
    letters = _run(settings, lambda at: read_letters(at.bootstrap_servers, at.options, settings.namespace, wanted))
    if not letters:
        raise click.ClickException(f"there is no open letter {id!r} (newswire dead list --all)")
    for number, letter in enumerate(letters):
        if number and not as_json:
            click.echo()
        for line in (letter.encode().decode(),) if as_json else _told(letter):
            click.echo(line)


@command.command()
@click.argument("named", metavar="[IDS]...", nargs=-1)
@click.option("--all", "each", is_flag=True, help="Every open letter that can be retried.")
@choosing
@with_settings
def retry(settings: Settings, wanted: Wanted, each: bool) -> None:
    """Send letters round again; exit 1 when one that was named could not be.

    The new outcome replaces the old one in the ledger. A record that cannot be read, and a stray, stay dead.
    """
    _check_choice(wanted, each)
    done = _run(settings, lambda at: retry_letters(at.bootstrap_servers, at.options, settings.namespace, wanted))
    _tell_closed("retried", done, wanted)


@command.command()
@click.argument("named", metavar="[IDS]...", nargs=-1)
@click.option("--all", "each", is_flag=True, help="Every open letter.")
@click.option("--reason", help="Why: it stands in the article's outcome.")
@choosing
@with_settings
def discard(settings: Settings, wanted: Wanted, each: bool, reason: str | None) -> None:
    """Give letters up; exit 1 when one that was named is not there.

    The outcome of a dead article becomes `rejected`, with the reason. An article that was emitted degraded stays
    emitted, and a stray has no outcome: only their letters are closed.
    """
    _check_choice(wanted, each)
    if reason is not None and len(reason) > REASON_MAX:
        raise click.UsageError(f"a reason has at most {REASON_MAX} characters")
    done = _run(
        settings, lambda at: discard_letters(at.bootstrap_servers, at.options, settings.namespace, wanted, reason)
    )
    _tell_closed("discarded", done, wanted)


def _check_choice(wanted: Wanted, each: bool) -> None:
    if (wanted != Wanted()) == each:
        raise click.UsageError("name the letters (newswire dead list --all), or choose some by options, or give --all")


def _tell_closed(how: str, done: Closed, wanted: Wanted) -> None:
    for letter in done.letters:
        click.echo(f"{how} {letter}")
    for letter, reason in done.refused.items():
        click.echo(f"not {how} {letter}: {reason}", err=True)
    click.echo(f"{len(done.letters)} {how}, {len(done.refused)} stay dead")
    if wanted.ids and done.refused:
        sys.exit(1)


def _run(settings: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with connect_to_wire(settings) as connection:
            return await work(connection)

    try:
        return asyncio.run(connected())
    except (BrokerError, KafkaError) as error:
        raise click.ClickException(str(error)) from None


def _grouped(letters: Sequence[DeadLetter]) -> Iterable[str]:
    if not letters:
        yield "nothing is dead"
    for group in group_letters(letters):
        count = len(group.letters)
        example = group.letters[0]
        yield f"{count:>6}  {group.stage:<12} {group.kind}"
        if (error := shorten(example.error)) != group.kind:
            yield f"{'':>6}  {'':<12} such as: {error}"
        yield f"{'':>6}  {'':<12} newswire dead show {example.letter}"


def _each(letters: Sequence[DeadLetter]) -> Iterable[str]:
    for letter in letters:
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
