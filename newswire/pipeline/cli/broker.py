"""`newswire broker`: start, stop or show the embedded Kafka of the state folder."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click
import psutil
import structlog

from newswire.pipeline.broker.check import check_broker
from newswire.pipeline.broker.embedded import EmbeddedBroker, Running
from newswire.pipeline.broker.errors import BrokerUnreachable
from newswire.pipeline.cli.common import one_line_errors, with_settings
from newswire.pipeline.settings import Settings

_log = structlog.get_logger(__name__)
_state_dir = click.option(
    "--state-dir", type=click.Path(path_type=Path, file_okay=False), help="The state folder, instead of the setting's."
)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group()
def command() -> None:
    """Start, stop or show the embedded Kafka."""


@command.command()
@_state_dir
@_json
@with_settings
def start(settings: Settings, state_dir: Path | None, as_json: bool) -> None:
    """Start the embedded Kafka; it runs until `newswire broker stop`. Does nothing where it runs already."""
    if settings.kafka.bootstrap_servers:
        _log.warning("the settings name another Kafka", bootstrap_servers=settings.kafka.bootstrap_servers)
    with one_line_errors():
        running = _broker(settings, state_dir).ensure()
    _print(_facts(running), as_json)


@command.command()
@_state_dir
@with_settings
def stop(settings: Settings, state_dir: Path | None) -> None:
    """Stop the embedded Kafka, also when a command uses it."""
    with one_line_errors():
        stopped = _broker(settings, state_dir).stop()
    click.echo("stopped" if stopped else "not running")


@command.command()
@_state_dir
@_json
@with_settings
def status(settings: Settings, state_dir: Path | None, as_json: bool) -> None:
    """Show the embedded Kafka: exit code 0 when it runs and answers, 1 when not."""
    running = _broker(settings, state_dir).status()
    if running is None:
        _print({"state": "not running"}, as_json)
        sys.exit(1)
    facts = _facts(running)
    _print(facts, as_json)
    sys.exit(0 if facts["state"] == "running" else 1)


def _broker(settings: Settings, state_dir: Path | None) -> EmbeddedBroker:
    return EmbeddedBroker(state_dir or settings.state_dir)


def _facts(running: Running) -> dict[str, Any]:
    try:
        asyncio.run(check_broker(running.bootstrap_servers, 5.0))
        state = "running"
    except BrokerUnreachable:
        state = "not answering"
    facts: dict[str, Any] = {"state": state, "bootstrap_servers": running.bootstrap_servers, "pid": running.pid}
    # It may end while it is looked at.
    with contextlib.suppress(psutil.Error):
        facts["memory_mib"] = psutil.Process(running.pid).memory_info().rss >> 20
    return {**facts, "folder": str(running.log_file.parent), "log": str(running.log_file)}


def _print(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name:<18}{value}")
