"""`newswire replay`: historical feeds through the same code, into a namespace of their own."""

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson
import structlog
from aiokafka.errors import KafkaError

from newswire.pipeline.broker.connect import connect, make_topics
from newswire.pipeline.cli.common import one_line_errors, with_settings
from newswire.pipeline.cli.subscribe import MomentType
from newswire.pipeline.connection import Connection
from newswire.pipeline.feeds.canonical import without_userinfo
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.driver import Summary, processes_of, replay
from newswire.pipeline.replay.lines import SourceError
from newswire.pipeline.replay.rawtopic import PREFIX, open_raw_topic
from newswire.pipeline.replay.selection import Selection, Span
from newswire.pipeline.replay.sources import Source, open_source
from newswire.pipeline.replay.view import View, open_view
from newswire.pipeline.replay.where import Where, WhereError
from newswire.pipeline.replay.writer import ReplayError
from newswire.pipeline.settings import Settings
from newswire.pipeline.supervisor import running_service

LIVE = "newswire"

log = structlog.get_logger(__name__)


class SpeedType(click.ParamType):
    """`max`, or how many times as fast as the clock event time runs: `1x`, `60x`."""

    name = "max|1x|60x"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """The factor; None for max."""
        if value == "max":
            return None
        try:
            factor = float(str(value).removesuffix("x"))
        except ValueError:
            factor = 0.0
        if not 0 < factor < float("inf"):
            self.fail(f"{value!r} is neither max nor a factor such as 60x", param, ctx)
        return factor


class SourceType(click.ParamType):
    """A path, or the name of a namespace behind `namespace:`."""

    name = "path|namespace:NAME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """A path, or the namespace's name as a str."""
        if isinstance(value, Path) or not str(value).startswith(PREFIX):
            return Path(str(value))
        name = str(value).removeprefix(PREFIX)
        if not re.fullmatch("[A-Za-z0-9_-]{1,80}", name):
            self.fail(f"{name!r} is no namespace; a path that begins so is written ./{value}", param, ctx)
        return name


@click.command()
@click.argument("source", type=SourceType(), metavar="SOURCE")
@click.option("--from", "begin", type=MomentType(), help="Only what was observed at this time or later.")
@click.option("--to", "end", type=MomentType(), help="Only what was observed before this time.")
@click.option("--feed", "feeds", multiple=True, help="Only this feed: its URL or name, whole (may be given again).")
@click.option("--where", help="Only articles that fulfil this expression (CEL).")
@click.option("--speed", type=SpeedType(), default="max", show_default=True, help="Event time against the clock.")
@click.option("--resume", is_flag=True, help="Go on where a replay into this namespace stopped, or begin it.")
@with_settings
def command(
    settings: Settings,
    source: Path | str,
    begin: datetime | None,
    end: datetime | None,
    feeds: tuple[str, ...],
    where: str | None,
    speed: float | None,
    resume: bool,
) -> None:
    """Replay SOURCE into a namespace of its own, and end when all of it has its outcome.

    SOURCE is a folder of captured feed bodies with manifest.jsonl ({"feed", "time", "file"} a line, where feed is a
    URL or any name and is kept as it is), a WARC file or a folder of them (the service's own archive, or other tools'
    files), a file of raw articles as JSON lines (gzip by its ending), or namespace:NAME, the articles that another
    namespace collected, up to where it stands when the replay begins (a path that begins so is written
    ./namespace:...). A letter that was retried there is not taken: its article is.

    --where is an expression in CEL such as 'provenance.model != "news-encoder-1"'. For namespace:NAME it is over the
    enriched record that was made of an article there, else over the raw article (an absent field is null or []). An
    article that it cannot be evaluated for is left out, and so is one without an enriched record.

    A JSON object at the end says what was collected, how it ended, and the SHA-256 of the enriched records, a line
    each.
    """
    _refuse_live(settings)
    if source == settings.namespace:
        raise click.UsageError("a namespace cannot be replayed into itself: choose another --namespace")
    try:
        condition = Where(where, "enriched" if isinstance(source, str) else "raw") if where is not None else None
    except WhereError as error:
        raise click.BadParameter(str(error), param_hint="--where") from None
    selection = Selection(Span(begin, end), frozenset(map(without_userinfo, feeds)), condition)
    with one_line_errors():
        try:
            with open_view() as view:
                summary = asyncio.run(_replay(settings, source, selection, resume, speed, view))
        except asyncio.CancelledError:
            raise click.ClickException("stopped; --resume goes on from here") from None
        except (ReplayError, SourceError, KafkaError) as error:
            raise click.ClickException(str(error)) from None
    if sys.stderr.isatty():
        click.echo(f"{summary.enriched:,} enriched records, SHA-256 {summary.sha256}", err=True)
    click.echo(orjson.dumps(asdict(summary)).decode())


def _refuse_live(settings: Settings) -> None:
    """A replay takes a namespace that was named for it, never the one that a service may run in."""
    given = click.get_current_context().get_parameter_source("namespace")
    if given is not click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("a replay needs --namespace, a namespace of its own")
    if settings.namespace == LIVE:
        raise click.UsageError(f"{LIVE!r} is the namespace of the live service: choose another --namespace")


async def _replay(
    settings: Settings, source: Path | str, selection: Selection, resume: bool, speed: float | None, view: View
) -> Summary:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    loop.set_exception_handler(_without_echoes)
    # a live service may hold the configured ports
    run = settings.run.model_copy(update={"port": 0, "processes": processes_of(settings.run)})
    settings = settings.model_copy(update={"run": run})
    async with contextlib.AsyncExitStack() as stack:
        # a source that is none leaves no topics behind
        opened: Source | None = open_source(source, selection, settings.text) if isinstance(source, Path) else None
        connection = await stack.enter_async_context(connect(settings, topics=False))
        if opened is None:
            opened = await stack.enter_async_context(open_raw_topic(connection, str(source), selection))
        await make_topics(settings, connection, replay=True)
        reader = await stack.enter_async_context(capture_reader(settings, selection.where))
        summary = await replay(
            settings,
            connection,
            opened,
            reader,
            lambda: _running(settings, connection),
            resume=resume,
            speed=speed,
            report=view.show,
        )
        _tell(selection.where)
        return summary


@asynccontextmanager
async def _running(settings: Settings, connection: Connection) -> AsyncIterator[None]:
    async with running_service(settings, connection):
        yield


def _tell(where: Where | None) -> None:
    """Say what was left out for a reason that whoever asked may not know."""
    if where is not None and where.undecided:
        log.warning(
            "the expression could not be evaluated for some articles: they were left out",
            articles=where.undecided,
            first=where.fault,
        )


def _without_echoes(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A failure of Kafka is told once: futures inside aiokafka that nobody awaits would repeat it as stack traces."""
    if not isinstance(context.get("exception"), KafkaError):
        loop.default_exception_handler(context)
