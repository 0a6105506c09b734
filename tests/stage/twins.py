"""Two processes that want one static member's place in the group, for the break tests' series."""

import signal

from tests.stage.harness import Bench

FATAL = 70
ENDS = 15.0  # seconds within which the one too many has to end; the benches' sessions last 2


async def replaced(bench: Bench, *, rounds: int) -> None:
    """A static worker stands still, as on a host that is lost; its replacement starts elsewhere; then it goes on.

    Every second time its session has ended before. It has to end, and its replacement has to stay.
    """
    bench.start("b")
    bench.start("a0", instance="a")
    for turn in range(rounds):
        await bench.caught_up()
        await bench.pause(0.1, 1.0)
        zombie, successor = bench.workers.pop(f"a{turn}"), f"a{turn + 1}"
        zombie.send(signal.SIGSTOP)
        if turn % 2:
            await bench.caught_up()  # only the other can see to that
        bench.start(successor, instance="a")
        await bench.serves(successor, 0)
        await bench.pause(0.0, 1.0)
        zombie.send(signal.SIGCONT)
        bench.exits.append((zombie.spec.name, await zombie.ended(ENDS)))
        await bench.caught_up()
        assert bench.workers[successor].exit_code is None
        assert successor not in dict(bench.exits)


async def twins(bench: Bench, *, rounds: int) -> None:
    """A second worker is wrongly given the first one's name in the group: it ends, and says why."""
    first = bench.start("a")
    for _ in range(rounds):
        await bench.caught_up()
        twin = bench.start("twin", instance="a")
        del bench.workers["twin"]
        assert await twin.ended(ENDS) == FATAL
        bench.exits.append(("twin", FATAL))
        await bench.caught_up()
        assert first.exit_code is None
    assert bench.log.count("PlaceTaken") >= rounds


async def twins_at_once(bench: Bench, *, rounds: int) -> None:
    """Both start at the same moment, and again whenever they end: one of them comes to stay and works.

    If the broker has them in one rebalance, it answers one with an error that tells nothing: that one ends with 1.
    """
    names = ("a", "twin")
    for _ in range(rounds):
        for name in names:
            bench.start(name, instance="a")
        await bench.caught_up()
        await bench.pause(1.0, 2.0)
        before = dict(bench.workers)
        await bench.pause(ENDS / 2, ENDS / 2)
        await bench.caught_up()
        stayed = [name for name in names if bench.workers[name] is before[name]]
        assert len(stayed) == 1
        for name in names:
            await bench.end(name, signal.SIGKILL)
