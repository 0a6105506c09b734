"""`newswire run` as a process of its own, as a service manager would have it, with its log in a file."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
import psutil

START_SECONDS = 60.0


class Host:
    """One supervisor with its worker processes, on a state folder of its own."""

    def __init__(self, name: str, config: Path, servers: str, log: Path, roles: tuple[str, ...] = ()) -> None:
        """`config`: the configuration file; `roles` runs these alone."""
        self.name = name
        self.log = log
        self._command = [sys.executable, "-m", "newswire", "run", "--config", str(config), "--broker", servers]
        self._command += [part for role in roles for part in ("--role", role)]
        self._process: subprocess.Popen[bytes] | None = None
        self._health: str | None = None

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; its log goes through a pipe, so that a full disk of the service is none of the log's."""
        self._health = None
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        threading.Thread(target=self._keep_log, args=(self._process.stderr,), daemon=True).start()

    async def processes(self) -> Mapping[str, int]:
        """The worker processes that run now, by name; waits until the supervisor answers."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            body = await self._ask()
            if body is not None:
                return {name: row["pid"] for name, row in body["processes"].items() if row["pid"] is not None}
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} does not answer: see {self.log}")
            await asyncio.sleep(0.1)

    async def pid_of(self, name: str) -> int:
        """A worker's process; waits while it is being started again."""
        deadline = time.monotonic() + START_SECONDS
        while (pid := (await self.processes()).get(name)) is None:
            assert time.monotonic() < deadline, f"{name} is not started again: see {self.log}"
            await asyncio.sleep(0.1)
        return pid

    def parse_worker(self, poller: int) -> int | None:
        """The parser process of a poller, when it has one."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(poller).children():
                if any("feeds.worker" in part for part in child.cmdline()):
                    return int(child.pid)
        return None

    def ensure(self) -> bool:
        """Start it again if it has ended; whether it had."""
        if self._process is not None and self._process.poll() is None:
            return False
        self.start()
        return True

    async def stop(self) -> int:
        """SIGTERM; the exit code, -9 when it did not end in time."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL the supervisor and every process of it, as a power cut would."""
        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            family = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        await asyncio.to_thread(self._process.wait, 30)

    async def _end(self, number: int, seconds: float = 25.0) -> int:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        try:
            return await asyncio.to_thread(self._process.wait, seconds)
        except subprocess.TimeoutExpired:
            await self.kill()
            return -signal.SIGKILL

    async def _ask(self) -> Any:
        if self._health is None:
            return None
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._health) as answer:
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None

    def _keep_log(self, pipe: BinaryIO) -> None:
        with self.log.open("ab", buffering=0) as log, pipe:
            for line in pipe:
                log.write(line)
                if b'"service runs"' in line:
                    self._health = json.loads(line)["health"]
