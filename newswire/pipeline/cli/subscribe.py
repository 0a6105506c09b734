"""`newswire subscribe`: the enriched topic to standard output."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime

import click
from aiokafka.errors import KafkaError

from newswire.pipeline.broker.connect import connect
from newswire.pipeline.cli.common import one_line_errors, with_settings
from newswire.pipeline.settings import Settings
from newswire.pipeline.subscribe import Delivered, Filters, Gap, NoSuchWire, Start, read_enriched
from newswire.pipeline.subscribe.formats import FORMATS
from newswire.schemas.common import NewerVersion


class MomentType(click.ParamType):
    """An RFC 3339 time; without a zone it is UTC, without a time of day it is midnight."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, or a usage error."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no RFC 3339 time such as 2026-01-31T12:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class StartType(MomentType):
    """`earliest`, `latest` or a time."""

    name = "earliest|latest|time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """A moment; the two words pass as they are."""
        if value in ("earliest", "latest"):
            return value  # type: ignore[return-value]
        return super().convert(value, param, ctx)


class PatternType(click.ParamType):
    """A text that fits a pattern; `what` says what it is and gives an example."""

    def __init__(self, pattern: str, what: str) -> None:
        self.name = "text"
        self._pattern = re.compile(pattern, re.IGNORECASE)
        self._what = what

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, or a usage error: one that fits nothing would wait for ever."""
        text = str(value)
        if not self._pattern.fullmatch(text):
            self.fail(f"{text!r} is no {self._what}", param, ctx)
        return text.lower()


LANGUAGE = PatternType("[a-z]{2,3}", "language code such as en")
TOPIC = PatternType("medtop:[0-9]{8}", "Media Topic such as medtop:15000000")


@click.command()
@click.option(
    "--from",
    "start",
    type=StartType(),
    default="earliest",
    help="Where to begin; a time means observed_at.",
    show_default=True,
)
@click.option("--group", help="Remember the place under this name, and go on there the next time.")
@click.option("--language", type=LANGUAGE, help="Only articles in this language (ISO 639-1: en, de, ...).")
@click.option("--topic", type=TOPIC, help="Only articles on this Media Topic (medtop:...).")
@click.option("--entity", help="Only articles that name this entity (the whole name, in any case).")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many articles.")
@click.option(
    "--idle",
    type=click.FloatRange(min=0, min_open=True),
    help="End after so many seconds without a record, once all are read.",
)
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="ndjson", show_default=True)
@with_settings
def command(
    settings: Settings,
    start: Start,
    group: str | None,
    language: str | None,
    topic: str | None,
    entity: str | None,
    limit: int | None,
    idle: float | None,
    form: str,
) -> None:
    """Print the enriched articles of the wire, as they come, until stopped.

    A group that was away comes back where it was. What expired meanwhile is told on standard error.
    """
    since = start if isinstance(start, datetime) else None
    filters = Filters(since=since, language=language, topic=topic, entity=entity)
    with one_line_errors():
        try:
            asyncio.run(_print_articles(settings, start, group, filters, limit, idle, FORMATS[form]))
        except BrokenPipeError:
            leave_broken_pipe()
        except (NoSuchWire, NewerVersion, KafkaError) as error:
            raise click.ClickException(str(error)) from None


def leave_broken_pipe() -> None:
    """The reader of standard output has gone, which is no failure: nothing may complain while Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_gap(gap: Gap) -> None:
    click.echo(gap.explain(), err=True)


async def _print_articles(
    settings: Settings,
    start: Start,
    group: str | None,
    filters: Filters,
    limit: int | None,
    idle: float | None,
    render: Callable[[Delivered], bytes],
) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    # a subscriber is ended by a signal as a rule: that is no failure
    with contextlib.suppress(asyncio.CancelledError):
        async with connect(settings, topics=False) as connection:
            delivered = read_enriched(
                connection.bootstrap_servers,
                settings.namespace,
                start=start,
                group=group,
                filters=filters,
                limit=limit,
                idle=idle,
                on_gap=_tell_gap,
                options=connection.options,
            )
            async with aclosing(delivered):
                async for one in delivered:
                    sys.stdout.buffer.write(render(one) + b"\n")
                    sys.stdout.buffer.flush()
