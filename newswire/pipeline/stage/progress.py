"""How a stage is getting on, and the watchdog that ends a process which is not."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from newswire.pipeline.stage.standing import standing

_LOOK_EVERY: Final = 0.5


@dataclass(frozen=True, slots=True)
class StageProgress:
    """A stage's progress in this process.

    `records` and `transactions` were committed since its start; `lag` is offsets not consumed by partition, 0 when all
    is consumed; `ready` are the partitions being served; `waiting_seconds` is how long there has been something to do
    without a commit (the worst partition; 0 when idle); `commit_seconds` since the last commit, None before the first;
    `restoring` says that an owned partition is not ready yet.
    """

    records: int
    transactions: int
    lag: Mapping[int, int]
    ready: tuple[int, ...]
    waiting_seconds: float
    commit_seconds: float | None
    restoring: bool


class Watchdog:
    """A thread that asks `overdue` twice a second and calls `fatal` with what it returns, after it has told where the
    process stands.

    A thread, since what hangs may be the event loop.
    """

    def __init__(self, overdue: Callable[[], BaseException | None], fatal: Callable[[BaseException], None]) -> None:
        self._overdue = overdue
        self._fatal = fatal
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stage-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch the running event loop."""
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_EVERY):
            error = self._overdue()
            if error is not None:
                with suppress(Exception):  # the process has to end, whatever it looks like
                    places = standing(self._loop, self._loop_thread)
                    structlog.get_logger("newswire.stage").error("it hangs", reason=str(error), standing=places)
                self._fatal(error)
