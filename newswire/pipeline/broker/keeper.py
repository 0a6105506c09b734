"""Keeps the embedded broker running for as long as a service needs it."""

import asyncio
import contextlib

import structlog

from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.broker.errors import BrokerError

LOOK_SECONDS = 1.0
DELAY_MAX = 30.0

_log = structlog.get_logger(__name__)


class BrokerKeeper:
    """Looks every second whether the broker runs, and starts it again, with a growing delay while that fails.

    `fault` says in a line why there is no broker now, None while there is one. Between `start` and `stop` the broker
    object belongs to the keeper.
    """

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.fault: str | None = None
        self._broker = broker
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; needs a running event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; returns when a start that is under way has come to its end."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        delay = LOOK_SECONDS
        while not self._stopping.is_set():
            if await asyncio.to_thread(self._broker.status) is not None:
                self.fault, delay = None, LOOK_SECONDS
            elif await self._start_again():
                continue
            else:
                delay = min(delay * 2, DELAY_MAX)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _start_again(self) -> bool:
        self.fault = "the embedded Kafka has ended"
        _log.error("the embedded Kafka has ended, it is started again", log=str(self._broker.log_file))
        try:
            await asyncio.to_thread(self._broker.ensure)
        except BrokerError as error:
            self.fault = str(error).splitlines()[0]
            _log.exception("the embedded Kafka does not start")
            return False
        return True
