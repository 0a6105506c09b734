"""The service: its plan of processes, a lock against a second one, and one health endpoint over all of them."""

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import structlog

from newswire.pipeline.app.health import serve_health
from newswire.pipeline.app.stages import ROLES, Worker
from newswire.pipeline.connection import Connection
from newswire.pipeline.settings import Settings
from newswire.pipeline.supervisor.child import Child, ChildState
from newswire.pipeline.supervisor.preflight import check_namespace

log = structlog.get_logger(__name__)


class AlreadyRunning(BlockingIOError):  # noqa: N818 - says what is the case
    """The same processes run already on this state folder."""


class Service:
    """The running processes of one namespace on this host."""

    def __init__(self, children: Sequence[Child], connection: Connection, port: int) -> None:
        self._children = children
        self._connection = connection
        self.port = port

    @property
    def processes(self) -> tuple[ChildState, ...]:
        """The processes as they are now."""
        return tuple(child.state for child in self._children)

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether there is a Kafka and every process runs and makes progress, and what to show of each."""
        states = self.processes
        fault = self._connection.fault()
        healthy = fault is None and all(state.healthy for state in states)
        rows = {
            state.name: {
                "roles": state.roles,
                "pid": state.pid,
                "health": f"http://127.0.0.1:{state.port}/health",
                "restarts": state.restarts,
                "last_exit": state.last_exit,
                "healthy": state.healthy,
                "stages": state.stages,
            }
            for state in states
        }
        return healthy, {"status": "ok" if healthy else "not healthy", "kafka": fault or "ok", "processes": rows}


def plan(settings: Settings, roles: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Which roles share which process; with `roles`, only those, a process each. Raises ValueError for unknown ones."""
    named = roles or [role for group in settings.run.processes.values() for role in group]
    unknown = [role for role in named if role not in ROLES]
    if unknown:
        raise ValueError(f"unknown role {unknown[0]!r}: known are {', '.join(ROLES)}")
    if roles:
        return {role: (role,) for role in roles}
    return dict(settings.run.processes)


@asynccontextmanager
async def running_service(
    settings: Settings, connection: Connection, roles: Sequence[str] = ()
) -> AsyncIterator[Service]:
    """Run the processes of a service while the block lasts; at its end all of them are stopped together.

    `roles` runs these alone, a process each. Raises AlreadyRunning when one of them runs already on the state folder,
    StateUnreadable when another version of newswire left what this one cannot read, ValueError for an unknown role,
    OSError when the port is taken.
    """
    processes = plan(settings, roles)
    with ExitStack() as locks:
        for name in processes:
            locks.enter_context(_lock(settings, name))
        await check_namespace(connection, settings.namespace, [role for group in processes.values() for role in group])
        port = settings.run.port or _free_port(settings.run.host)
        children = [
            Child(Worker(settings, connection, name, group, _port(settings, port, index)))
            for index, (name, group) in enumerate(processes.items(), start=1)
        ]
        service = Service(children, connection, port)
        server = await serve_health(settings.run.host, port, service.health)
        tasks = [asyncio.create_task(child.run(), name=child.worker.name) for child in children]
        try:
            yield service
        finally:
            await asyncio.gather(*(child.stop() for child in children))
            await asyncio.gather(*tasks)
            await server.cleanup()


@contextlib.contextmanager
def _lock(settings: Settings, name: str) -> Any:
    folder = settings.state_dir / "workers" / settings.namespace
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"process {name!r} of namespace {settings.namespace!r} runs already on {settings.state_dir}: "
                "stop it, or give this one a state_dir of its own"
            ) from None
        yield
    finally:
        os.close(handle)


def _port(settings: Settings, base: int, index: int) -> int:
    return base + index if settings.run.port else _free_port(settings.run.host)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
