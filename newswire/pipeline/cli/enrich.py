"""`newswire enrich`: raw articles as JSON lines in, enriched records and outcomes out, without Kafka."""

import asyncio
import os
import sys
import time
from pathlib import Path

import click

from newswire.pipeline.analysis.opening import open_analysis
from newswire.pipeline.analysis.results import ModelError
from newswire.pipeline.analysis.step import AnalyzeStep
from newswire.pipeline.cli.common import one_line_errors, with_settings
from newswire.pipeline.enrich import Enricher, open_steps
from newswire.pipeline.replay.lines import SourceError, open_lines, read_lines
from newswire.pipeline.settings import Settings

REPORT_SECONDS = 5.0
EXIT_HANGS = 70


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@with_settings
def command(settings: Settings, file: Path | None) -> None:
    """Enrich the raw articles of FILE (JSON lines, gzip by its ending; `-` or nothing: standard input).

    Gives one line for each line, in order: the enriched record, or the outcome of an article that is not emitted.
    A record that cannot be read costs only itself. The ledger's line goes to standard error at the end.
    """
    with one_line_errors():
        try:
            asyncio.run(enrich_file(settings, None if file is None or str(file) == "-" else file))
        except BrokenPipeError:
            # the reader of standard output has gone, which is no failure
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (SourceError, ModelError) as error:
            raise click.ClickException(str(error)) from None


async def enrich_file(settings: Settings, file: Path | None) -> None:
    """Enrich one file (None: standard input) to standard output. Raises SourceError and ModelError."""
    with open_lines(file) as stream, open_analysis(settings.analyze, _hang) as runner:
        steps = open_steps(settings, AnalyzeStep(runner).process)
        enricher = Enricher(settings, steps, received_ms=int(time.time() * 1000))
        begun = reported = time.monotonic()
        out = sys.stdout.buffer
        try:
            for line in read_lines(stream):
                out.write(await enricher.enrich_line(line) + b"\n")
                out.flush()
                if time.monotonic() > reported + REPORT_SECONDS:
                    reported = time.monotonic()
                    _report(enricher, reported - begun)
        finally:
            _report(enricher, time.monotonic() - begun)


def _report(enricher: Enricher, seconds: float) -> None:
    ledger = enricher.ledger()
    parts = [f"{name} {number:,}" for name, number in ledger.items() if number or name == "collected"]
    rate = ledger["collected"] / seconds if seconds > 0 else 0.0
    click.echo(f"{' = '.join(parts[:2])}{''.join(f' + {part}' for part in parts[2:])}  ({rate:.1f}/s)", err=True)


def _hang() -> None:
    click.echo("Error: one analysis took too long", err=True)
    os._exit(EXIT_HANGS)
