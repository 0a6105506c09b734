"""`newswire run` as a user runs it, in a process of its own, with its embedded broker."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.processes import tree
from newswire.pipeline.broker.embedded import EmbeddedBroker

START_SECONDS = 120.0
STOP_SECONDS = 60.0


class SoakFailed(Exception):  # noqa: N818 - says what is the case
    """The service died, or an article is lost."""


class Service:
    """The running service of one folder: its configuration file, state and log are there."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder = folder
        self.log = folder / "run.log"
        self._config = folder / "newswire.toml"
        self._config.write_text(config)
        self._broker = EmbeddedBroker(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._broker_pid: int | None = None
        self._health = ""
        self.bootstrap_servers = ""

    async def start(self) -> None:
        """Start it and wait until it says that it runs. Raises SoakFailed."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(self._command("run"), stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while (line := self._line_of("service runs")) is None:
            self.check()
            if time.monotonic() > deadline:
                raise SoakFailed(f"the service does not start: see {self.log}")
            await asyncio.sleep(0.2)
        self._health, self.bootstrap_servers = line["health"], line["bootstrap_servers"]

    def check(self) -> None:
        """Raise SoakFailed when the supervisor has ended."""
        assert self._process is not None
        if (status := self._process.poll()) is not None:
            raise SoakFailed(f"newswire run ended with {status}: see {self.log}")

    async def processes(self) -> dict[str, psutil.Process]:
        """The processes by name: supervisor, workers, parser and broker.

        Raises SoakFailed when one of them has ended, even if it was started again.
        """
        self.check()
        assert self._process is not None
        found = {"supervisor": psutil.Process(self._process.pid)}
        for name, row in (await self._ask())["processes"].items():
            if row["restarts"]:
                raise SoakFailed(f"{name} ended with {row['last_exit']} and was started again: see {self.log}")
            if row["pid"] is not None:
                found[name] = psutil.Process(row["pid"])
        if "poller" in found:
            for child in found["poller"].children():
                if "feeds.worker" in " ".join(child.cmdline()):
                    found["parser"] = child
        running = await asyncio.to_thread(self._broker.status)
        if running is None or running.pid != (self._broker_pid or running.pid):
            raise SoakFailed(f"the broker ended: see {self.log}")
        self._broker_pid = running.pid
        return found | {"broker": psutil.Process(running.pid)}

    async def ledger(self) -> dict[str, Any]:
        """What `newswire ledger --json` says. Raises SoakFailed when it does not balance."""
        run = await asyncio.to_thread(
            subprocess.run, self._command("ledger", "--json"), capture_output=True, check=False
        )
        if run.returncode != 0:
            raise SoakFailed(f"newswire ledger ended with {run.returncode}: {run.stderr.decode()[-2000:]}")
        told: dict[str, Any] = json.loads(run.stdout)
        return told

    async def stop(self) -> None:
        """SIGTERM, and wait for the end of it and of its broker. Raises SoakFailed when it does not end well."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            status = await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise SoakFailed(f"the service does not stop: see {self.log}") from None
        await asyncio.to_thread(self._broker.stop)
        if status != 0:
            raise SoakFailed(f"newswire run ended with {status} when told to stop: see {self.log}")

    async def kill(self) -> None:
        """End what is left of it."""
        if self._process is not None and self._process.poll() is None:
            for process in tree(self._process.pid):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            await asyncio.to_thread(self._process.wait)
        await asyncio.to_thread(self._broker.kill)

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "newswire", *arguments, "--config", str(self._config)]

    async def _ask(self) -> Any:
        timeout = aiohttp.ClientTimeout(total=10)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._health) as answer:
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SoakFailed(f"the supervisor does not answer ({error!r}): see {self.log}") from None

    def _line_of(self, event: str) -> dict[str, Any] | None:
        for line in self.log.read_bytes().splitlines():
            if f'"{event}"'.encode() in line:
                told: dict[str, Any] = json.loads(line)
                return told
        return None
