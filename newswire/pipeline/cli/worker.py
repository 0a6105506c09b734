"""`newswire worker`: one process of the service, started by the supervisor with its orders on standard input."""

import asyncio
import os
import sys

import click

from newswire.pipeline.cli.common import set_up_logs


@click.command(hidden=True)
def command() -> None:
    """Run the roles that the supervisor's order names, until it says stop."""
    from newswire.pipeline.app.worker import decode_order, run_worker

    worker = decode_order(_first_line(sys.stdin.fileno()))
    set_up_logs(worker.settings)
    asyncio.run(run_worker(worker))


def _first_line(handle: int) -> bytes:
    # Unbuffered, so that the rest of standard input stays for whoever watches for its end.
    line = bytearray()
    while not line.endswith(b"\n"):
        read = os.read(handle, 1)
        if not read:
            raise SystemExit("newswire worker is started by newswire run, which writes its orders to standard input")
        line += read
    return bytes(line)
