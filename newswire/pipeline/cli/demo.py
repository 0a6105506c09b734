"""`newswire demo`: everything once, over bundled feeds."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from newswire.pipeline.cli.common import one_line_errors, with_settings
from newswire.pipeline.settings import Settings

HINT = "`newswire doctor` tells what an installation lacks. The log of the service:"
WIDTH = 120
"""Columns of a table in a file or a pipe."""


@click.command()
@with_settings
def command(settings: Settings) -> None:
    """Run the real service over bundled feeds, show what it does and print the enriched articles.

    Ends by itself within a minute. The wire has a namespace of its own, demo-TIME, unless --namespace names one.
    """
    from newswire.pipeline.demo.doors import real_doors
    from newswire.pipeline.demo.driver import DemoFailure, demo_namespace, demo_settings, run_demo

    named = click.get_current_context().params.get("namespace")
    settings = demo_settings(settings, named or demo_namespace(datetime.now(UTC)))
    log = settings.state_dir / "demo.log"
    with one_line_errors():
        try:
            with errors_to(log):
                asyncio.run(run_demo(settings, real_doors(), open_console()))
        except DemoFailure as failure:
            raise click.ClickException(f"{failure}\n{HINT} {log}") from None


def open_console() -> Console:
    """Standard output: as wide as its terminal, or wide enough for the tables where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


@contextmanager
def errors_to(file: Path) -> Iterator[None]:
    """Send what this process and its children write to standard error into `file` (emptied first).

    Raises OSError when the file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with file.open("wb") as log:
            os.dup2(log.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
