"""The demo, the whole product at once: as a user runs it, and with every process of the service killed in its midst."""

import asyncio
import io
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from rich.console import Console

from newswire.pipeline.connection import Connection
from newswire.pipeline.demo.catalogue import ARTICLES
from newswire.pipeline.demo.doors import real_doors
from newswire.pipeline.demo.driver import Doors, demo_settings, run_demo
from newswire.pipeline.settings import Settings, load_settings
from newswire.pipeline.supervisor import Service, running_service

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_the_demo_ends_by_itself_and_its_ledger_balances(kafka: "Kafka", tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "newswire", "demo"],
        env={
            "PATH": os.environ["PATH"],
            "NEWSWIRE_STATE_DIR": str(tmp_path),
            "NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        },
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "it balances" in done.stdout
    assert "people:" in done.stdout
    assert "topics:" in done.stdout


async def kill_each_once(service: Service, chance: random.Random, killed: list[str]) -> None:
    """SIGKILL every process of the service once, and the parse worker below the poller, at random moments."""
    names = [state.name for state in service.processes]
    for name in chance.sample([*names, "parser"], len(names) + 1):
        await asyncio.sleep(chance.uniform(1.0, 4.0))
        poller = next(state.pid for state in service.processes if "collect" in state.roles)
        pid = next((state.pid for state in service.processes if state.name == name), None)
        if name == "parser" and poller is not None:
            below = psutil.Process(poller).children()
            pid = below[0].pid if below else None
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            killed.append(name)


@pytest.mark.parametrize("seed", [3])
async def test_every_process_killed_once_in_the_demo_loses_nothing(
    kafka: "Kafka", namespace: str, tmp_path: Path, seed: int
) -> None:
    print(f"seed {seed}")
    killed: list[str] = []

    @asynccontextmanager
    async def serve(settings: Settings, connection: Connection) -> AsyncIterator[Service]:
        async with running_service(settings, connection) as service:
            killing = asyncio.create_task(kill_each_once(service, random.Random(seed), killed))
            yield service
            await killing

    settings = load_settings(
        state_dir=tmp_path,
        kafka={"bootstrap_servers": kafka.bootstrap_servers, "session_timeout_ms": 6000},
        run={"restart_delay_min": 0.1, "restart_delay_max": 1.0},
    )
    doors = real_doors()
    told = io.StringIO()
    await run_demo(
        demo_settings(settings, namespace),
        Doors(connect=doors.connect, serve=serve, read_ledger=doors.read_ledger),
        Console(file=told, width=120),
        limit=150.0,
    )
    assert {"poller", "wire", "analyzer"} <= set(killed)
    assert "it balances" in told.getvalue()
    collected = next(line for line in told.getvalue().splitlines() if line.startswith("all ")).split()[1]
    assert int(collected) == ARTICLES + 1
