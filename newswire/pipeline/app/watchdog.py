"""Ends a process whose event loop no longer turns: what hangs is started again by its supervisor."""

import asyncio
import faulthandler
import os
import sys
import threading
import time

import structlog

log = structlog.get_logger(__name__)

EXIT_HUNG = 71


class LoopWatchdog:
    """A thread that expects the event loop to beat; after `seconds` without a beat it ends the process.

    It is the only part that can act when the loop itself is stuck (a library call that never returns).
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._beat = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to beat and to watch; needs a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._beats())
        threading.Thread(target=self._watch, name="loop-watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()
        if self._task is not None:
            self._task.cancel()

    async def _beats(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(min(1.0, self._seconds / 4))

    def _watch(self) -> None:
        while not self._stopped.wait(min(1.0, self._seconds / 4)):
            silent = time.monotonic() - self._beat
            if silent > self._seconds:
                log.critical("event loop hangs", seconds=round(silent, 1))
                faulthandler.dump_traceback(file=sys.stderr)
                os._exit(EXIT_HUNG)
