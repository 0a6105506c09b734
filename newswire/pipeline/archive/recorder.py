"""Keeping answers beside the polls: in a thread, and never at the cost of an article."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from newswire.pipeline.archive.record import Answer

WAIT_SECONDS: Final = 10.0
"""How long a poll waits for the disk. A record takes milliseconds; what hangs for longer must not stop the polls."""

_HANGS: Final = f"the disk takes more than {WAIT_SECONDS:g} s"

log = structlog.get_logger(__name__)


class Writer(Protocol):
    """What writes: blocking, for one thread at a time."""

    def write(self, answer: Answer) -> None:
        """Write an answer. Raises OSError."""

    def close(self) -> None:
        """End the file."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many answers were kept since the process began, how many could not be, and whether the last one could not."""

    kept: int = 0
    failed: int = 0
    failing: bool = False


class Recorder:
    """Keeps answers through a writer in a thread of its own, in the order in which they come."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, "archive")
        self._hangs = False  # a poll has waited in vain, and nothing was done since
        self._missed = 0
        self.counts = Counts()

    async def keep(self, answer: Answer) -> None:
        """Wait until the system has the answer, so that what is committed later is in the archive; never raises.

        When that fails or takes too long the poll goes on: the failure is counted, and logged when it is the first.
        """
        if self._hangs:
            self._failed(answer, _HANGS)
            return
        written = self._submit(answer)
        await asyncio.wait([written], timeout=WAIT_SECONDS)
        if not written.done():
            self._hangs = True
            self._failed(answer, _HANGS)
        elif (error := written.exception()) is not None:
            self._failed(answer, _explain(error))
        else:
            self._succeeded()

    async def close(self) -> None:
        """End the file, so that the disk has it; the next answer begins another."""
        closed = asyncio.get_running_loop().run_in_executor(self._thread, self._writer.close)
        await asyncio.wait([closed], timeout=WAIT_SECONDS)
        if not closed.done():
            log.warning("the archive is not closed", reason=_HANGS)

    def _submit(self, answer: Answer) -> "asyncio.Future[None]":
        written = asyncio.get_running_loop().run_in_executor(self._thread, self._writer.write, answer)
        written.add_done_callback(self._done)
        return written

    def _done(self, written: "asyncio.Future[None]") -> None:
        self._hangs = False
        if not written.cancelled():
            written.exception()  # looked at, also when no poll waits for it any more

    def _failed(self, answer: Answer, reason: str) -> None:
        if not self.counts.failing:
            log.warning("not archived", feed=answer.origin.feed, reason=reason)
        self._missed += 1
        self.counts = Counts(self.counts.kept, self.counts.failed + 1, failing=True)

    def _succeeded(self) -> None:
        if self.counts.failing:
            log.info("archived again", missed=self._missed)
        self._missed = 0
        self.counts = Counts(self.counts.kept + 1, self.counts.failed)


def _explain(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"internal error: {error!r}"[:300]  # a fault of ours with this answer: its articles are worth more
