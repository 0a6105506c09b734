"""One worker process under supervision: started again with a growing delay whenever it ends."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog

from newswire.pipeline.app.stages import Worker
from newswire.pipeline.app.worker import encode_order
from newswire.pipeline.settings import RunSettings

log = structlog.get_logger(__name__)

PROBE_SECONDS = 5.0

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "1000000"}
"""The C library would raise this limit by itself, and then keep what the building of an index needed for a moment: a
third more memory with a million articles."""


@dataclass(frozen=True)
class ChildState:
    """What can be said of a process now; `pid` is null while it waits to be started again.

    `healthy` and `stages` are what its own health endpoint last said (not healthy before it has answered).
    """

    name: str
    roles: tuple[str, ...]
    pid: int | None
    port: int
    restarts: int
    last_exit: int | None
    healthy: bool
    stages: Mapping[str, Any]


class Child:
    """Keeps one worker process running until `stop`.

    It ends with status 0 only when told to; every other end is logged and followed by a start after a delay that
    doubles from `restart_delay_min` to `restart_delay_max` seconds, and falls back once a process has lived for the
    longest delay. A process that does not answer on its health endpoint for `stall_seconds` is killed: one that is
    stopped or stuck outside its own watchdogs cannot end itself.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._run: RunSettings = worker.settings.run
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._restarts = 0
        self._last_exit: int | None = None
        self._healthy = False
        self._stages: Mapping[str, Any] = {}

    @property
    def state(self) -> ChildState:
        """The process as it is now."""
        process = self._process
        pid = process.pid if process is not None and process.returncode is None else None
        return ChildState(
            name=self.worker.name,
            roles=self.worker.roles,
            pid=pid,
            port=self.worker.port,
            restarts=self._restarts,
            last_exit=self._last_exit,
            healthy=self._healthy and pid is not None,
            stages=self._stages,
        )

    async def run(self) -> None:
        """Start the process, and start it again, until `stop` is called."""
        delay = self._run.restart_delay_min
        while not self._stopping.is_set():
            began = time.monotonic()
            await self._start()
            status = await self._watch()
            self._last_exit = status
            if self._stopping.is_set():
                return
            lived = time.monotonic() - began
            if lived > self._run.restart_delay_max:
                delay = self._run.restart_delay_min
            log.warning("worker ended", worker=self.worker.name, status=status, lived=round(lived, 1), delay=delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            self._restarts += 1
            delay = min(delay * 2, self._run.restart_delay_max)

    async def stop(self) -> None:
        """Ask the process to finish its transaction and end; kill it after `stop_seconds`."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self._run.stop_seconds)
        except TimeoutError:
            log.error("worker does not stop, killed", worker=self.worker.name, pid=process.pid)
            process.kill()
            await process.wait()

    async def _start(self) -> None:
        # A session of its own: Ctrl-C reaches the supervisor alone, which then stops its workers in order.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "newswire",
            "worker",
            stdin=asyncio.subprocess.PIPE,
            env=ALLOCATOR | os.environ,
            start_new_session=True,
        )
        self._process = process
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(encode_order(self.worker))
            await process.stdin.drain()
        log.info("worker started", worker=self.worker.name, pid=process.pid, roles=self.worker.roles)
        if self._stopping.is_set():
            process.terminate()

    async def _watch(self) -> int:
        assert self._process is not None
        process = self._process
        ended = asyncio.create_task(process.wait())
        answered = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while not ended.done():
                # Often until the first answer, so that the service is known to be up when it is.
                await asyncio.wait([ended], timeout=PROBE_SECONDS if self._healthy else PROBE_SECONDS / 10)
                if ended.done() or self._stopping.is_set():
                    break
                if await self._probe(session):
                    answered = time.monotonic()
                silent = time.monotonic() - answered
                if silent > self._run.stall_seconds:
                    log.error("worker does not answer, killed", worker=self.worker.name, silent=round(silent, 1))
                    process.kill()
        self._healthy = False
        return await ended

    async def _probe(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"http://{self._run.host}:{self.worker.port}/health") as answer:
                body = await answer.json()
                self._healthy, self._stages = answer.status == HTTPStatus.OK, body["stages"]
        except (aiohttp.ClientError, TimeoutError, ValueError):
            self._healthy = False
            return False
        return True
