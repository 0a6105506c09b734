"""`newswire replay`: historical feeds through the same code, into a namespace of their own."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson
from aiokafka.errors import KafkaError

from newswire.pipeline.broker.connect import connect
from newswire.pipeline.cli.common import one_line_errors, with_settings
from newswire.pipeline.cli.subscribe import MomentType
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.driver import ROLES, Status, Summary, replay
from newswire.pipeline.replay.lines import SourceError
from newswire.pipeline.replay.sources import Source, Span, open_source
from newswire.pipeline.replay.writer import ReplayError
from newswire.pipeline.settings import Settings
from newswire.pipeline.supervisor import running_service

LIVE = "newswire"


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


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--from", "begin", type=MomentType(), help="Only what was observed at this time or later.")
@click.option("--to", "end", type=MomentType(), help="Only what was observed before this time.")
@click.option("--speed", type=SpeedType(), default="max", show_default=True, help="Event time against the clock.")
@click.option("--resume", is_flag=True, help="Go on where a replay into this namespace stopped, or begin it.")
@with_settings
def command(
    settings: Settings, source: Path, begin: datetime | None, end: datetime | None, speed: float | None, resume: bool
) -> None:
    """Replay SOURCE into a namespace of its own, and end when all of it has its outcome.

    SOURCE is a folder of captured feed bodies with manifest.jsonl ({"feed", "time", "file"} a line, where feed is a
    URL or any name and is kept as it is), a WARC file or a folder of them (the service's own archive, or other tools'
    files), or a file of raw articles as JSON lines (gzip by its ending). A JSON object at the end says what was
    collected, how it ended, and the SHA-256 of the enriched records, a line each.
    """
    _refuse_live(settings)
    with one_line_errors():
        try:
            opened = open_source(source, Span(begin, end), settings.text)
            summary = asyncio.run(_replay(settings, opened, resume, speed))
        except asyncio.CancelledError:
            raise click.ClickException("stopped; --resume goes on from here") from None
        except (ReplayError, SourceError, KafkaError) as error:
            raise click.ClickException(str(error)) from None
    click.echo(orjson.dumps(asdict(summary)).decode())


def _refuse_live(settings: Settings) -> None:
    """A replay takes a namespace that was named for it, never the one that a service may run in."""
    given = click.get_current_context().get_parameter_source("namespace")
    if given is not click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("a replay needs --namespace, a namespace of its own")
    if settings.namespace == LIVE:
        raise click.UsageError(f"{LIVE!r} is the namespace of the live service: choose another --namespace")


async def _replay(settings: Settings, source: Source, resume: bool, speed: float | None) -> Summary:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    loop.set_exception_handler(_without_echoes)
    # a live service may hold the configured ports
    settings = settings.model_copy(update={"run": settings.run.model_copy(update={"port": 0})})
    async with connect(settings, replay=True) as connection, capture_reader(settings) as reader:

        @contextlib.asynccontextmanager
        async def running() -> AsyncIterator[None]:
            async with running_service(settings, connection, ROLES):
                yield

        return await replay(settings, connection, source, reader, running, resume=resume, speed=speed, report=_report)


def _without_echoes(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A failure of Kafka is told once: futures inside aiokafka that nobody awaits would repeat it as stack traces."""
    if not isinstance(context.get("exception"), KafkaError):
        loop.default_exception_handler(context)


def _report(status: Status) -> None:
    left = status.seconds_left
    parts = (
        f"{status.fraction:4.0%} read",
        f"{status.written:,} written",
        f"{status.ended:,} ended",
        f"{status.rate:.1f}/s",
        f"{timedelta(seconds=round(left))} left" if left is not None else "",
    )
    line = "replay  " + "  ".join(part for part in parts if part)
    # one line that is written over where a person looks at it, else a line each time
    click.echo(f"\r{line:<78}" if sys.stderr.isatty() else line, err=True, nl=not sys.stderr.isatty())
