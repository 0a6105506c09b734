"""Chaos: faults drawn by their shares strike the running service, one after the other, for a given time.

Usage: python -m tests.crash.chaos [--minutes 40] [--seed N] [--out FILE] [--table FILE]. Each round strikes at a random
moment, waits for progress, lets the wire come to rest and checks the whole guarantee; the next one goes on from there.
Prints a line a round and a summary; appends rounds to FILE as JSON lines and a row to the table. Ends with 1 when the
guarantee was broken or progress came later than its goal; the folder with the logs is kept then.
"""

import argparse
import asyncio
import json
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from newswire.pipeline.verify import Verifier
from newswire.version import __version__
from tests.conftest import Kafka
from tests.crash.faults import GIVEN_UP, Fault, draw
from tests.crash.service import Broken, Service, service_under_test

TABLE = Path("tests/crash/CHAOS.md")
HEAD = """\
# Rounds of `make chaos`

Each round: a fault strikes the running service under load, it makes progress again, comes to rest, and the whole
guarantee is checked against the oracle. `slowest` is the longest time to progress after a kill (of anything but the
broker) and after the broker was back, in seconds.

| day | seed | minutes | rounds | by fault | broken | raw records | slowest |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Round:
    """One round: what struck, how long progress took, and what was compared in all so far."""

    number: int
    fault: str
    what: str
    seconds: float
    goal: float
    records: int
    strays: int

    @property
    def late(self) -> bool:
        """Whether progress came later than its goal."""
        return self.seconds > self.goal


async def one_round(service: Service, verifier: Verifier, fault: Fault, number: int) -> Round:
    """Strike at a random moment, wait for progress and for rest, check. Raises Broken."""
    await asyncio.sleep(service.chance.uniform(0.2, 2.5))
    what = await fault.strike(service)
    seconds = await service.progress(GIVEN_UP)
    report = await service.quiet(verifier)
    return Round(number, fault.name, what, round(seconds, 1), fault.goal, report.records, report.strays)


def tell(done: Round) -> None:
    """A line for a person."""
    late = f"  LATE (goal {done.goal:.0f} s)" if done.late else ""
    print(
        f"round {done.number:3}  {done.fault:22} {done.what:32} progress after {done.seconds:5.1f} s{late}"
        f"  {done.records} records hold",
        flush=True,
    )


async def chaos(folder: Path, seed: int, minutes: float, out: Path | None) -> tuple[list[Round], str | None]:
    """Rounds for so many minutes; with what broke, if anything did."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the harness's own clients lose their broker too
    kafka = Kafka().start()
    rounds: list[Round] = []
    chance = random.Random(seed)
    try:
        async with service_under_test(kafka, f"chaos{seed}", folder, seed) as (service, verifier):
            end = time.monotonic() + 60 * minutes
            while time.monotonic() < end:
                fault = draw(chance)
                try:
                    done = await one_round(service, verifier, fault, len(rounds) + 1)
                except Broken as error:
                    return rounds, f"{fault.name}: {error}"
                rounds.append(done)
                tell(done)
                if out is not None:
                    with out.open("a") as lines:
                        lines.write(json.dumps({"seed": seed, **asdict(done)}) + "\n")
    finally:
        kafka.close()
    return rounds, None


def add_row(table: Path, seed: int, minutes: float, rounds: list[Round], broken: str | None) -> None:
    """Append a run to the table of runs."""
    text = table.read_text() if table.exists() else HEAD
    kinds = Counter(done.fault for done in rounds)
    slowest: dict[float, float] = defaultdict(float)
    for done in rounds:
        slowest[done.goal] = max(slowest[done.goal], done.seconds)
    cells = (
        f"{datetime.now(UTC):%Y-%m-%d} ({__version__})",
        str(seed),
        f"{minutes:.0f}",
        str(len(rounds)),
        ", ".join(f"{name} {number}" for name, number in kinds.most_common()),
        broken or "0",
        str(rounds[-1].records if rounds else 0),
        " / ".join(f"{seconds:.1f} (goal {goal:.0f})" for goal, seconds in sorted(slowest.items())),
    )
    table.write_text(text + "| " + " | ".join(cells) + " |\n")


def main() -> int:
    """Run, print, and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--out", type=Path, help="a file for the rounds, as JSON lines")
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="newswire-chaos-"))
    rounds, broken = asyncio.run(chaos(folder, options.seed, options.minutes, options.out))
    add_row(options.table, options.seed, options.minutes, rounds, broken)
    late = ", ".join(str(done.number) for done in rounds if done.late)
    print(f"{len(rounds)} rounds, {'the guarantee holds' if broken is None else f'BROKEN: {broken}'}")
    print(f"progress {f'LATE in round {late}' if late else 'within its goal in each of them'}")
    if broken is not None or late:
        print(f"logs: {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
