"""A worker process: builds its roles' stages, runs them until it is told to stop, and dies with its supervisor."""

import asyncio
import importlib
import json
import os
import sys

import structlog

from newswire.pipeline.app.health import StageMetrics, describe, serve_health
from newswire.pipeline.app.stages import ROLES, Worker
from newswire.pipeline.connection import Connection
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage import Stage, StageApp, run_stages

log = structlog.get_logger(__name__)


def encode_order(worker: Worker) -> bytes:
    """The line that a supervisor writes to its worker's standard input: all of the worker's configuration."""
    order = {
        "settings": worker.settings.model_dump(mode="json"),
        "bootstrap_servers": worker.connection.bootstrap_servers,
        "options": dict(worker.connection.options),
        "name": worker.name,
        "roles": worker.roles,
        "port": worker.port,
    }
    return json.dumps(order).encode() + b"\n"


def decode_order(line: bytes) -> Worker:
    """Read what `encode_order` wrote. Raises ValueError when it is something else."""
    order = json.loads(line)
    return Worker(
        settings=Settings.model_validate(order["settings"]),
        connection=Connection(order["bootstrap_servers"], order["options"]),
        name=order["name"],
        roles=tuple(order["roles"]),
        port=order["port"],
    )


def build_stages(app: StageApp, worker: Worker) -> list[Stage]:
    """The stages of the worker's roles. An agents module that cannot be imported fails the start."""
    stages = []
    for role in worker.roles:
        if role not in ROLES:
            raise ValueError(f"unknown role {role!r}: known are {', '.join(ROLES)}")
        stages.append(importlib.import_module(f"newswire.agents.{role}").build(app, worker))
    return stages


async def run_worker(worker: Worker) -> None:
    """Run the worker's stages until SIGTERM, SIGINT or the end of standard input (the supervisor is gone)."""
    run = worker.settings.run
    shutdown = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _watch_parent, shutdown)
    worker.folder.mkdir(parents=True, exist_ok=True)
    if "deduplicate" in worker.roles:
        from newswire.pipeline.duplicates.warm import compile_apart

        await asyncio.to_thread(compile_apart)
    app = StageApp(f"{worker.settings.namespace}-{worker.name}", datadir=str(worker.folder / "faust"))
    stages = build_stages(app, worker)
    server = await serve_health(
        run.host, worker.port, lambda: describe(stages, run.stall_seconds), StageMetrics(stages)
    )
    log.info("worker starts", worker=worker.name, roles=worker.roles, port=worker.port, pid=os.getpid())
    try:
        await run_stages(app, stages, shutdown=shutdown, deadline=run.stop_seconds)
    finally:
        await server.cleanup()
    log.info("worker ends", worker=worker.name, roles=worker.roles)


def _watch_parent(shutdown: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        log.warning("the supervisor is gone")
        shutdown.set()
