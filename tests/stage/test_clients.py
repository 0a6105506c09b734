"""A consumer that is closed while its broker cannot be reached."""

import asyncio
from pathlib import Path

import psutil
import pytest

from newswire.pipeline.closing import close
from newswire.pipeline.stage.clients import TopicPartition, new_consumer
from tests.conftest import Kafka
from tests.stage.harness import create_topics
from tests.stage.worker import WorkerSpec

pytestmark = pytest.mark.broker


async def test_a_consumer_whose_fetch_waits_to_be_tried_again_closes_and_cancels_nobody(
    kafka: Kafka, namespace: str, tmp_path: Path
) -> None:
    topic = f"{namespace}.raw"
    await create_topics(kafka.bootstrap_servers, {topic: (1, {})})
    before = len(psutil.Process().net_connections())
    failed = 0
    for _ in range(5):
        async with kafka.proxy() as proxy:
            consumer = new_consumer(WorkerSpec(namespace, proxy.address, tmp_path / "log").config())
            await consumer.start()
            consumer.assign([TopicPartition(topic, 0)])
            await consumer.seek_to_beginning(TopicPartition(topic, 0))
            assert not await consumer.getmany(timeout_ms=200)
            proxy.cut()
            await asyncio.sleep(0.3)
            failed += isinstance(await close(consumer), asyncio.CancelledError)
    assert failed, "aiokafka closes such a consumer without a fault now: close() need not know of it"
    await asyncio.sleep(0.1)
    assert len(psutil.Process().net_connections()) <= before
