"""The stage under faults: whatever dies, each record stands on the topics exactly once, and the state is right.

Each series has a namespace of its own and all selected ones run side by side, since most of their time is waiting for
group sessions to end. The seed is printed; NEWSWIRE_TEST_SEED sets it, NEWSWIRE_TEST_ROUNDS the rounds.
"""

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.stage.config import StoreMemory
from tests.conftest import DOORS, Kafka
from tests.stage.checker import Findings
from tests.stage.harness import COMPACTING, PATIENCE, Bench, Worker
from tests.stage.outages import unreachable
from tests.stage.twins import replaced, twins, twins_at_once

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(1200)]

ROUNDS = int(os.environ.get("NEWSWIRE_TEST_ROUNDS", 5))
LONG_ROUNDS = max(1, ROUNDS // 5)  # of those that take long
AT_ONCE = 5
FENCED = 70
SMALL = StoreMemory(64 << 10, 256 << 10)


@dataclass
class Series:
    """One kind of fault: the rounds and what the bench is like.

    `fenced` is the least number of exits with 70; `refused` says that the broker may refuse a worker that starts, which
    then ends with 1; `own_broker` gives the rounds a broker of their own, which they may end; `doors` are the workers
    that reach the shared one through a proxy each, by name; `broken` says that the checker must find faults.
    """

    rounds: Callable[..., Awaitable[None]]
    bench: dict[str, Any] = field(default_factory=dict)
    fenced: int = 0
    refused: bool = False
    own_broker: bool = False
    doors: str = ""
    broken: bool = False


@dataclass
class Report:
    """What came of a series."""

    findings: Findings
    exits: list[tuple[str, int]]
    fed: int
    seconds: float
    log: str


async def kills(bench: Bench) -> None:
    """SIGKILL at a random moment, while starting too; the worker is started again."""
    for _ in range(ROUNDS):
        bench.start("a")
        await bench.caught_up()
        await bench.pause(0.05, 1.5)
        assert await bench.end("a", signal.SIGKILL) == -signal.SIGKILL
        bench.start("a")
        await bench.pause(0.0, 0.8)
        await bench.end("a", signal.SIGKILL)


async def stops(bench: Bench) -> None:
    """SIGTERM: a clean end each time."""
    for _ in range(ROUNDS):
        bench.start("a")
        await bench.caught_up()
        await bench.pause(0.05, 1.5)
        assert await bench.end("a") == 0


async def lost_folders(bench: Bench) -> None:
    """The state folder is deleted between two lives."""
    for _ in range(ROUNDS):
        bench.start("a")
        await bench.caught_up()
        await bench.end("a", bench.random.choice([signal.SIGKILL, signal.SIGTERM]))
        shutil.rmtree(bench.state_dir("a"))


async def outgrown(bench: Bench) -> None:
    """A state many times as large as what a store may keep in memory: kills, clean ends and lost folders."""
    for turn in range(ROUNDS):
        bench.start("a")
        await bench.caught_up()
        await bench.pause(0.05, 1.5)
        await bench.end("a", bench.random.choice([signal.SIGKILL, signal.SIGTERM]))
        if turn % 2:
            shutil.rmtree(bench.state_dir("a"))
        bench.start("a")
        await bench.pause(0.0, 1.5)
        await bench.end("a", signal.SIGKILL)
    bench.start("a")
    await bench.caught_up()
    held = sum(file.stat().st_size for file in bench.state_dir("a").rglob("*") if file.is_file())
    assert held > 50 * SMALL.shared, held


async def rebalances(bench: Bench, signum: int) -> None:
    """Workers join and leave, 1 -> 3 -> 2 -> 1."""
    bench.start("a")
    for _ in range(ROUNDS):
        await bench.caught_up()
        for name in ("b", "c"):
            since = bench.readies(name)
            bench.start(name)
            await bench.serves(name, since)
        for name in bench.random.sample(["a", "b", "c"], 2):
            code = await bench.end(name, signum)
            assert code == (0 if signum == signal.SIGTERM else -signum)
            await bench.caught_up()
        if "a" not in bench.workers:
            last = next(iter(bench.workers))
            since = bench.readies("a")
            bench.start("a")
            await bench.serves("a", since)
            await bench.end(last, signum)


async def zombies(bench: Bench) -> None:
    """One of two workers stands still until the other has all its partitions, then goes on."""
    bench.start("a")
    bench.start("b")
    await bench.caught_up()
    for turn in range(ROUNDS):
        name = "ab"[turn % 2]
        frozen = bench.workers[name]
        await bench.pause(0.1, 1.0)
        frozen.send(signal.SIGSTOP)
        await bench.caught_up()  # only the other can see to that
        since = bench.readies(name)
        frozen.send(signal.SIGCONT)
        await bench.serves(name, since)
        await bench.caught_up()


async def zombies_at(bench: Bench, point: str) -> None:
    """A worker stands still at a named point of a step until the other has its partitions, then goes on."""
    bench.start("b")
    await bench.caught_up()
    for _ in range(ROUNDS):
        starting = point in {"before_fence", "after_fence", "after_offset", "after_restore"}
        frozen = bench.start("a", pause_at=point, pause_count=1 if starting else bench.random.randint(4, 20))
        await frozen.stopped()
        await bench.caught_up()  # only the other can see to that
        since = bench.readies("a")
        del bench.workers["a"]  # not started again: the next round starts its own
        frozen.send(signal.SIGCONT)
        await bench.wakes(frozen, since)
        if frozen.exit_code is not None:
            bench.exits.append(("a", frozen.exit_code))
        await bench.caught_up()
        await frozen.end(bench.random.choice([signal.SIGKILL, signal.SIGTERM]))


async def unfenced_zombies(bench: Bench) -> None:
    """The negative control: a worker whose transactional id is its own, stopped before the end of a transaction.

    It goes on once another has written the transaction's records again. Whoever ends first does no harm: another turn.
    """
    bench.start("b")
    await bench.caught_up()
    for _ in range(ROUNDS):
        frozen = bench.start("a", pause_at="before_end", pause_count=bench.random.randint(4, 20))
        await frozen.stopped()
        await _comes(bench.overtaken, frozen)
        frozen.send(signal.SIGCONT)
        harm = await _comes(bench.repeated, frozen)
        await bench.end("a", signal.SIGKILL)
        if harm:
            return


async def _comes(sight: Callable[[], Awaitable[bool]], running: Worker, seconds: float = 30.0) -> bool:
    """Whether something is seen within `seconds` (as long as a transaction may be open) while a worker runs."""
    deadline = time.monotonic() + seconds
    while True:
        over = running.exit_code is not None or time.monotonic() > deadline
        if await sight():
            return True
        if over:
            return False
        await asyncio.sleep(0.1)


async def broker_kills(bench: Bench, broker: EmbeddedBroker) -> None:
    """SIGKILL to the broker, a moment of nothing, and a start on the same data."""
    for name in ("a", "b"):
        bench.start(name)
    for _ in range(ROUNDS):
        await bench.caught_up()
        await bench.pause(0.1, 1.0)
        await asyncio.to_thread(broker.kill)
        await bench.pause(0.5, 3.0)
        await asyncio.to_thread(broker.restart)
    await bench.caught_up()


async def exceptions(bench: Bench) -> None:
    """The agent raises: the process ends at once with 70, and the next one, where the fault is gone, loses nothing."""
    for _ in range(ROUNDS):
        poison = bench.fed + bench.random.randint(5, 60)
        await bench.start("a", raise_at=poison).ended()
        await bench.caught_up()
        await bench.workers.pop("a").end(signal.SIGKILL)


SERIES = {
    "broker killed": Series(broker_kills, {"state_dir": Path()}, refused=True, own_broker=True),
    "kill": Series(kills, {"state_dir": Path(), "static": True}),
    "kill, state in memory, changelog compacted": Series(kills, {"changelog": COMPACTING}),
    "term": Series(stops, {"state_dir": Path()}),
    "state folder deleted": Series(lost_folders, {"state_dir": Path(), "static": True}),
    "state larger than memory": Series(
        outgrown, {"state_dir": Path(), "static": True, "ballast": 32_000, "store_memory": SMALL}
    ),
    "rebalance": Series(partial(rebalances, signum=signal.SIGTERM), {"state_dir": Path()}),
    "rebalance by kill": Series(partial(rebalances, signum=signal.SIGKILL)),
    "zombie": Series(zombies, {"state_dir": Path()}, fenced=1),
    "exception": Series(exceptions, {"static": True}, fenced=ROUNDS),
    "static zombie replaced": Series(
        partial(replaced, rounds=2 * LONG_ROUNDS), {"state_dir": Path(), "static": True}, fenced=2 * LONG_ROUNDS
    ),
    "static twins": Series(partial(twins, rounds=LONG_ROUNDS), {"state_dir": Path(), "static": True}, fenced=1),
    "static twins at once": Series(
        partial(twins_at_once, rounds=LONG_ROUNDS), {"state_dir": Path(), "static": True}, fenced=1, refused=True
    ),
    "negative control": Series(unfenced_zombies, {"own_ids": True}, broken=True),
    **{
        f"broker unreachable, {mode}": Series(
            partial(unreachable, mode=mode, rounds=LONG_ROUNDS), {"state_dir": Path(), "static": True}, doors="ab"
        )
        for mode in ("stall", "cut", "delay")
    },
    **{
        f"zombie {point}": Series(partial(zombies_at, point=point), fenced=fenced)
        for point, fenced in {
            "before_fence": 0,
            "after_fence": 0,
            "after_offset": 0,
            "after_restore": 0,
            "before_begin": ROUNDS,
            "before_end": ROUNDS,
            "after_commit": 0,
        }.items()
    },
}


@pytest.fixture(scope="module")
def seed() -> int:
    """The seed of all random choices."""
    return int(os.environ.get("NEWSWIRE_TEST_SEED", time.time()))


@pytest.fixture(scope="module")
def reports(
    request: pytest.FixtureRequest, kafka: Kafka, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Report | Exception]:
    """What came of the selected series, run side by side."""
    chosen: list[str] = [
        str(item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function.__name__ == "test_each_record_exactly_once"
    ]
    print(f"NEWSWIRE_TEST_SEED={seed}")
    folder = tmp_path_factory.mktemp("faults")
    return asyncio.run(_run_all(chosen, kafka, folder, seed))


async def _run_all(names: list[str], kafka: Kafka, folder: Path, seed: int) -> dict[str, Report | Exception]:
    gate = asyncio.Semaphore(AT_ONCE)
    doors = iter(range(DOORS))

    async def run(name: str) -> Report | Exception:
        async with gate:
            series, began = SERIES[name], time.monotonic()
            namespace = f"f{seed:x}{random.randbytes(3).hex()}"
            own = EmbeddedBroker(folder / namespace) if series.own_broker else None
            servers = (await asyncio.to_thread(own.ensure)).bootstrap_servers if own else kafka.bootstrap_servers
            proxies = {worker: kafka.proxy(next(doors)) for worker in series.doors}
            addresses = {worker: proxy.address for worker, proxy in proxies.items()}
            number = seed + list(SERIES).index(name)
            bench = Bench(servers, namespace, folder, seed=number, doors=addresses, **series.bench)
            try:
                async with AsyncExitStack() as stack:
                    for proxy in proxies.values():
                        await stack.enter_async_context(proxy)
                    await stack.enter_async_context(bench)
                    given = (own,) if own else (proxies,) if proxies else ()
                    await series.rounds(bench, *given)
                    findings = await bench.finish(10.0 if series.broken else PATIENCE)
                report = Report(findings, bench.exits, bench.fed, time.monotonic() - began, bench.log)
                print(f"{name}: {report.fed} records, exits {report.exits}, {report.seconds:.0f} s, {findings}")
                return report
            except Exception as error:
                error.add_note(f"series {name}, seed {seed}, exits {bench.exits}, log:\n{bench.log[-4000:]}")
                return error
            finally:
                if own:
                    await asyncio.to_thread(own.kill)
                    shutil.rmtree(folder / namespace)

    return dict(zip(names, await asyncio.gather(*map(run, names)), strict=True))


@pytest.mark.parametrize("name", SERIES)
def test_each_record_exactly_once(name: str, reports: dict[str, Report | Exception]) -> None:
    report, series = reports[name], SERIES[name]
    if isinstance(report, Exception):
        raise report
    assert report.fed > 100
    if series.broken:
        assert report.findings.repeated + report.findings.bad_sequence > 0
        return
    assert report.findings.faults == 0, report.log[-4000:]
    assert sum(code == FENCED for _, code in report.exits) >= series.fenced
    allowed = {FENCED, 1} if series.refused else {FENCED}
    assert {code for _, code in report.exits} <= allowed, (report.exits, report.log[-4000:])
