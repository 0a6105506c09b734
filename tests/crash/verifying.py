"""Verifying a namespace that nobody works on, and letting retention take from its topics."""

from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from newswire.pipeline.analysis.opening import open_analysis
from newswire.pipeline.connection import Connection
from newswire.pipeline.settings import Settings
from newswire.pipeline.verify import Report, open_verifier
from tests.crash.copies import Copied


async def verify(settings: Settings, namespace: str | None = None, *, trust: bool = False) -> Report:
    """A verification of a namespace that nobody works on; an open transaction is one that lasts a second."""
    kafka = settings.kafka.model_copy(update={"transaction_timeout_ms": 3_000})
    settings = settings.model_copy(update={"namespace": namespace or settings.namespace, "kafka": kafka})
    assert settings.kafka.bootstrap_servers is not None
    with open_analysis(settings.analyze, pytest.fail) as runner:
        connection = Connection(settings.kafka.bootstrap_servers, {})
        async with open_verifier(settings, connection, None if trust else runner) as verifier:
            return await verifier.advance()


async def forget(settings: Settings, namespace: str, before: Mapping[str, int]) -> None:
    """Let retention take what stands before an offset of topics, in each of their partitions; -1 takes all."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    try:
        for told in await admin.describe_topics([f"{namespace}.{topic}" for topic in before]):
            topic = told["topic"]
            taken = RecordsToDelete(before_offset=before[topic.removeprefix(f"{namespace}.")])
            for partition in told["partitions"]:
                await admin.delete_records({TopicPartition(topic, partition["partition"]): taken})
    finally:
        await admin.close()


def same(record: Copied) -> list[bytes]:
    """No change to a copy."""
    return [record.value]
