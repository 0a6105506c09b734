"""One program around the stages of a process: start, wait for the end, end."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterable

from newswire.pipeline.stage.app import StageApp
from newswire.pipeline.stage.errors import EXIT_DEADLINE
from newswire.pipeline.stage.membership import Stage


async def run_stages(
    app: StageApp, stages: Iterable[Stage], *, shutdown: asyncio.Event | None = None, deadline: float = 20.0
) -> None:
    """Run `app` and `stages` until SIGTERM, SIGINT or `shutdown`, then end them cleanly and return.

    Installs the signal handlers, so it has to run in the main thread. An end that takes longer than `deadline` seconds
    is cut off with exit status 75: nothing committed is lost by that. Raises what a start raises.
    """
    stages = list(stages)
    shutdown = shutdown or asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, shutdown.set)
    await app.start()
    starting = [asyncio.create_task(stage.start()) for stage in stages]
    ending = asyncio.create_task(shutdown.wait())
    try:
        pending = {ending, *starting}
        while not ending.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        # a thread, since what does not come to its end may be the event loop
        cut = threading.Timer(deadline, os._exit, (EXIT_DEADLINE,))
        cut.daemon = True
        cut.start()
        for task in (*starting, ending):
            task.cancel()
        await asyncio.gather(*starting, ending, return_exceptions=True)
        await asyncio.gather(*(stage.stop() for stage in stages))
        await app.stop()
        cut.cancel()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signum)
