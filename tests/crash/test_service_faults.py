"""Each fault of the table strikes the running service; after each one it makes progress and keeps the whole guarantee.

The seed is printed; NEWSWIRE_TEST_SEED sets it. `make chaos` does the same for as long as one likes.
"""

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Kafka
from tests.crash.chaos import one_round, tell
from tests.crash.faults import (
    AFTER_BROKER,
    AFTER_KILL,
    Fault,
    fill_disk,
    kill_broker,
    kill_one,
    lose_state,
    rebalance,
    unreachable,
    zombie,
)
from tests.crash.service import service_under_test

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(600)]

# Twice the goal that `make chaos` holds the service to: other tests run beside this one, often on two cores.
GOAL = 2 * AFTER_KILL

ROUNDS = (
    *(Fault("one process killed", 0, kill_one, GOAL) for _ in range(4)),
    Fault("broker killed", 0, kill_broker, AFTER_BROKER),
    *(Fault("rebalance", 0, rebalance, GOAL) for _ in range(2)),
    Fault("zombie", 0, zombie, GOAL),
    Fault("broker unreachable", 0, partial(unreachable, longest=6.0), AFTER_BROKER),
    Fault("state folder lost", 0, lose_state, GOAL),
    Fault("disk full", 0, fill_disk, GOAL),
)


async def test_the_guarantee_holds_through_every_fault(
    own_kafka: Callable[[], Kafka], namespace: str, tmp_path: Path
) -> None:
    seed = int(os.environ.get("NEWSWIRE_TEST_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed}")
    rounds = random.Random(seed).sample(ROUNDS, len(ROUNDS))
    async with service_under_test(own_kafka(), namespace, tmp_path, seed) as (service, verifier):
        done = []
        for number, fault in enumerate(rounds, 1):
            done.append(await one_round(service, verifier, fault, number))
            tell(done[-1])
        assert done[-1].records > 500
        assert done[-1].strays > 0
        assert not [each for each in done if each.late]
