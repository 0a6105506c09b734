"""The faults that the service has to survive. Each does its harm, sees to it that it ends, and says what it did."""

import asyncio
import os
import random
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.crash.service import ROLES, Service
from tests.full_disk import full_disk

AFTER_KILL = 15.0
"""Seconds in which the service makes progress again after a kill."""
AFTER_BROKER = 60.0
"""The same after the broker is back."""
GIVEN_UP = 180.0
"""Seconds after which a service that makes no progress is broken for good."""
SESSION_SECONDS = 6.0
ROOM = 4_000


@dataclass(frozen=True)
class Fault:
    """A fault: its share of the rounds in percent, what it does, and the seconds to progress that are its goal."""

    name: str
    share: int
    strike: Callable[[Service], Awaitable[str]]
    goal: float


async def kill_one(service: Service) -> str:
    """SIGKILL of one process: a worker, the parser or the supervisor."""
    name = service.chance.choice((*ROLES, "parser", "supervisor"))
    await _kill(service, name)
    return name


async def kill_two(service: Service) -> str:
    """SIGKILL of two processes at once."""
    names = service.chance.sample((*ROLES, "parser", "supervisor"), 2)
    pids = [await _pid(service, name) for name in names]
    for pid in pids:
        _send(pid, signal.SIGKILL)
    return " and ".join(names)


async def kill_broker(service: Service) -> str:
    """SIGKILL of the broker, and its start on the same data."""
    away = service.chance.uniform(0, 3)
    await asyncio.to_thread(service.kafka.kill)
    await asyncio.sleep(away)
    await asyncio.to_thread(service.kafka.restart)
    return f"away for {away:.1f} s before its start"


async def rebalance(service: Service) -> str:
    """1 -> 3 -> 2 -> 1 hosts that analyze, the leaving ones stopped or killed."""
    others = [service.host(name, "analyze") for name in ("there", "yonder")]
    for other in others:
        other.start()
    for other in others:
        await other.processes()
    await asyncio.sleep(service.chance.uniform(1, 4))
    how = []
    for other in others:
        graceful = service.chance.random() < 0.5
        how.append("stopped" if graceful else "killed")
        await (other.stop() if graceful else other.kill())
        await asyncio.sleep(service.chance.uniform(0, 3))
    return ", ".join(how)


async def zombie(service: Service) -> str:
    """A worker stands still past its session's timeout, another host takes over, then it goes on."""
    role = service.chance.choice(ROLES)
    other = service.host("there", role)
    other.start()
    await other.processes()
    pid = await service.here.pid_of(role)
    away = SESSION_SECONDS + service.chance.uniform(1, 4)
    _send(pid, signal.SIGSTOP)
    await asyncio.sleep(away)
    _send(pid, signal.SIGCONT)
    await asyncio.sleep(service.chance.uniform(0, 2))
    await other.stop()
    return f"{role} for {away:.1f} s"


async def unreachable(service: Service, longest: float = 60.0) -> str:
    """The broker stalls, cuts or delays all connections for a while."""
    mode = service.chance.choice(("stall", "cut", "delay"))
    # The short ones are as interesting as the long ones, and there is time for more of them.
    seconds = min(longest, 5.0 + service.chance.expovariate(1 / 12))
    if mode == "delay":
        service.proxy.delay(service.chance.uniform(0.05, 0.5))
    else:
        getattr(service.proxy, mode)()
    await asyncio.sleep(seconds)
    service.proxy.heal()
    return f"{mode} for {seconds:.1f} s"


async def lose_state(service: Service) -> str:
    """The local state of a role is gone, and is made anew from Kafka."""
    role = service.chance.choice(ROLES)
    pid = await service.here.pid_of(role)
    _send(pid, signal.SIGKILL)
    lost = service.folder / f"lost-{role}-{service.chance.getrandbits(32):x}"
    with suppress(FileNotFoundError):
        service.state_of(role).rename(lost)
    await asyncio.to_thread(shutil.rmtree, lost, True)
    return role


async def fill_disk(service: Service) -> str:
    """No file of the service can grow, its state's and its archive's; then there is room again."""
    seconds = service.chance.uniform(2, 6)
    with full_disk(service.here.pid, ROOM):
        await asyncio.sleep(seconds)
    return f"for {seconds:.1f} s"


FAULTS = (
    Fault("one process killed", 40, kill_one, AFTER_KILL),
    Fault("two processes killed", 10, kill_two, AFTER_KILL),
    Fault("broker killed", 10, kill_broker, AFTER_BROKER),
    Fault("rebalance", 10, rebalance, AFTER_KILL),
    Fault("zombie", 10, zombie, AFTER_KILL),
    Fault("broker unreachable", 10, unreachable, AFTER_BROKER),
    Fault("state folder lost", 5, lose_state, AFTER_KILL),
    Fault("disk full", 5, fill_disk, AFTER_KILL),
)
"""With their shares of `make chaos`; poison records run through all of them."""


def draw(chance: random.Random) -> Fault:
    """A fault by the shares."""
    return chance.choices(FAULTS, [fault.share for fault in FAULTS])[0]


async def _kill(service: Service, name: str) -> None:
    _send(await _pid(service, name), signal.SIGKILL)


async def _pid(service: Service, name: str) -> int | None:
    if name == "supervisor":
        return service.here.pid
    if name == "parser":
        return service.here.parse_worker(await service.here.pid_of("collect"))
    return await service.here.pid_of(name)


def _send(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
