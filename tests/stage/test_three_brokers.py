"""A stage on three brokers of which one at a time is killed: nothing lost or repeated, and it goes on meanwhile."""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.kafka_cluster import NODES, KafkaCluster
from tests.stage.harness import Bench

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("NEWSWIRE_TEST_ROUNDS", 3))
PROGRESS = 60.0  # seconds from a broker's death until all that was fed before has come out, at most
FATAL = 70


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    """Three brokers, running."""
    made = KafkaCluster()
    try:
        yield made.start()
    finally:
        made.close()


async def in_sync(cluster: KafkaCluster) -> None:
    """Wait until each partition of the cluster has all its replicas in sync: one broker may die again."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    try:
        async with asyncio.timeout(60):
            while True:
                partitions = [part for topic in await admin.describe_topics(None) for part in topic["partitions"]]
                if all(len(partition["isr"]) == NODES for partition in partitions):
                    return
                await asyncio.sleep(0.2)
    finally:
        await admin.close()


async def test_one_broker_killed_at_a_time(cluster: KafkaCluster, namespace: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("NEWSWIRE_TEST_SEED", time.time()))
    print(f"NEWSWIRE_TEST_SEED={seed}")
    order: list[int] = []
    while len(order) < ROUNDS:  # each in its turn, so that whatever a broker led or coordinated is hit
        order += random.Random(seed).sample(range(NODES), NODES)
    async with Bench(
        cluster.bootstrap_servers, namespace, tmp_path, seed=seed, replicas=NODES, static=True, state_dir=tmp_path
    ) as bench:
        for name in ("a", "b"):
            bench.start(name)
        for number in order[:ROUNDS]:
            node = cluster.nodes[number]
            await bench.caught_up()
            await in_sync(cluster)
            await bench.pause(0.1, 1.0)
            await asyncio.to_thread(cluster.kill, node)
            began = time.monotonic()
            await bench.caught_up(PROGRESS)
            print(f"broker {node.number} killed, caught up after {time.monotonic() - began:.1f} s, {bench.exits}")
            await asyncio.to_thread(cluster.restart, node)
        findings = await bench.finish()
        log = bench.log
    print(f"{bench.fed} records, exits {bench.exits}, {findings}")
    assert findings.faults == 0, log[-4000:]
    assert all(code == FATAL for _, code in bench.exits), log[-4000:]
