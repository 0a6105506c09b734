"""Faults of the network between a worker and its broker, for the break tests' series."""

from collections.abc import Mapping
from typing import Literal

from tests.proxy import Proxy
from tests.stage.harness import Bench

OUTAGE = (5.0, 7.0)  # seconds, after the first; the benches' sessions last 2
PROGRESS = 60.0  # seconds from the end of an outage until all works again, at most

Mode = Literal["stall", "cut", "delay"]


async def unreachable(bench: Bench, proxies: Mapping[str, Proxy], *, mode: Mode, rounds: int) -> None:
    """One of two workers cannot reach the broker for longer than its session lasts; then neither can."""
    for name in ("a", "b"):
        bench.start(name)
    for _ in range(rounds):
        for away in ([proxies[bench.random.choice("ab")]], list(proxies.values())):
            await bench.caught_up()
            await bench.pause(0.1, 1.0)
            for proxy in away:
                worsen(proxy, mode, bench.random.uniform(0.1, 1.0))
            await bench.pause(1.0, 1.5)
            stood = bench.complete
            await bench.pause(*OUTAGE)
            if len(away) == 1:
                await bench.caught_up()  # only the other can see to that
            elif mode != "delay":
                assert bench.complete == stood, "a worker that cannot reach the broker committed"
            for proxy in away:
                proxy.heal()
            await bench.caught_up(PROGRESS)


def worsen(proxy: Proxy, mode: Mode, seconds: float) -> None:
    """Put a proxy into a mode; `seconds` is by how much it delays."""
    if mode == "stall":
        proxy.stall()
    elif mode == "cut":
        proxy.cut()
    else:
        proxy.delay(seconds)
