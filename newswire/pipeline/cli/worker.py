"""`newswire worker`: one process of the service, started by the supervisor with its orders on standard input."""

import asyncio
import sys

import click

from newswire.pipeline.cli.common import set_up_logs


@click.command(hidden=True)
def command() -> None:
    """Run the roles that the supervisor's order names, until it says stop."""
    from newswire.pipeline.app.worker import decode_order, run_worker

    worker = decode_order(sys.stdin.buffer.raw.readline())  # type: ignore[attr-defined]
    set_up_logs(worker.settings)
    asyncio.run(run_worker(worker))
