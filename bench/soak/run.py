"""One phase: start the service, load it, look at it, and balance its ledger at the end."""

import asyncio
import random
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.soak.load import ClosedLoop, Load, OpenLoop
from bench.soak.phases import FEEDS, Phase
from bench.soak.sample import Sample, cpu_use, descriptor_use, disk_use, memory_use
from bench.soak.service import Service, SoakFailed
from bench.soak.watch import Latency, Watch
from bench.soak.wire import Wire, served
from newswire.pipeline.connection import Connection
from newswire.pipeline.feeds.topic import write_feeds
from newswire.pipeline.settings import Settings, load_settings
from newswire.schemas import FeedSettings

SAMPLE_SECONDS = 5.0
TICK = 0.02
FIRST_SECONDS = 120.0
DRAIN_SECONDS = 180.0


@dataclass(frozen=True)
class Run:
    """What a phase of `seconds` gave; times are seconds since its first outcome. `held_back`: see OpenLoop."""

    phase: Phase
    seconds: float
    rate: float
    samples: tuple[Sample, ...]
    latencies: tuple[Latency, ...]
    held_back: int


async def run_phase(phase: Phase, rate: float, seconds: float, folder: Path) -> Run:
    """Run it at `rate` articles a second (0: as fast as they are done) for so many seconds after its first outcome.

    The state of the service goes when it has ended well. Raises SoakFailed.
    """
    chance = random.Random(phase.name)
    load: Load = OpenLoop(rate, chance) if rate else ClosedLoop()
    wire, service = Wire(FEEDS, phase.entries, chance), Service(folder, phase.config(folder))
    settings = load_settings(folder / "newswire.toml")
    try:
        async with served(wire) as urls:
            await service.start()
            await write_feeds(
                Connection(service.bootstrap_servers, {}),
                settings,
                {url: FeedSettings(url=url, added_at=datetime.now(UTC)) for url in urls},
            )
            async with Watch(service.bootstrap_servers, settings.namespace) as watch:
                releasing = asyncio.create_task(_release(wire, load, watch))
                try:
                    began = await _first_outcome(service, watch, releasing)
                    samples = await _sample(service, settings, watch, releasing, began, seconds)
                finally:
                    releasing.cancel()
                await _drain(service, wire, watch)
            await _balance(service, wire)
        await service.stop()
    finally:
        await service.kill()
    shutil.rmtree(folder)
    latencies = tuple(Latency(one.at - began, one.milliseconds) for one in watch.latencies)
    held_back = load.held_back if isinstance(load, OpenLoop) else 0
    return Run(phase, seconds, rate, tuple(samples), latencies, held_back)


async def _release(wire: Wire, load: Load, watch: Watch) -> None:
    while True:
        wire.release(load.due(time.monotonic(), wire.released - watch.outcomes))
        await asyncio.sleep(TICK)


async def _first_outcome(service: Service, watch: Watch, releasing: asyncio.Task[None]) -> float:
    deadline = time.monotonic() + FIRST_SECONDS
    while not watch.outcomes:
        _check(service, watch, releasing)
        if time.monotonic() > deadline:
            raise SoakFailed(f"no outcome in {FIRST_SECONDS:.0f} s: see {service.log}")
        await asyncio.sleep(0.1)
    return time.monotonic()


async def _sample(
    service: Service, settings: Settings, watch: Watch, releasing: asyncio.Task[None], began: float, seconds: float
) -> list[Sample]:
    samples: list[Sample] = []
    while (now := time.monotonic() - began) < seconds:
        _check(service, watch, releasing)
        processes = await service.processes()
        disk = await asyncio.to_thread(disk_use, service.folder, settings.namespace)
        oldest = await watch.oldest_seconds()
        samples.append(
            Sample(
                at=now,
                memory=memory_use(processes),
                descriptors=descriptor_use(processes),
                disk=disk,
                cpu=cpu_use(processes),
                raw=watch.raw,
                outcomes=watch.outcomes,
                oldest=oldest,
            )
        )
        await asyncio.sleep(max(0.0, began + len(samples) * SAMPLE_SECONDS - time.monotonic()))
    return samples


async def _drain(service: Service, wire: Wire, watch: Watch) -> None:
    """Wait until every released article is collected and has its outcome."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while not wire.released == watch.raw == watch.outcomes:
        service.check()
        if time.monotonic() > deadline:
            counts = f"{wire.released} articles released, {watch.raw} collected, {watch.outcomes} outcomes"
            raise SoakFailed(f"{counts}: see {service.log}")
        await asyncio.sleep(0.2)


async def _balance(service: Service, wire: Wire) -> None:
    total = (await service.ledger())["total"]
    if total["collected"] != wire.released or total["in_flight"]:
        raise SoakFailed(
            f"{wire.released} articles released, the ledger has {total['collected']} collected and"
            f" {total['in_flight']} in flight"
        )


def _check(service: Service, watch: Watch, releasing: asyncio.Task[None]) -> None:
    service.check()
    for task in (watch.task, releasing):
        if task is not None and task.done():
            task.result()
