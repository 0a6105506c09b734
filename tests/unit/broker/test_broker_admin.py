"""Making, checking, listing and deleting a wire's topics on a real broker."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.testing import capture_logs

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.client import admin_client, existing_topics
from newswire.pipeline.broker.errors import BrokerError, BrokerUnreachable, TopicMismatch
from newswire.pipeline.broker.namespaces import delete_namespace, list_namespaces
from newswire.pipeline.broker.topics import wire_topics

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = pytest.mark.broker


@pytest.fixture
async def wire(kafka: Kafka, namespace: str) -> AsyncIterator[str]:
    """A namespace with its topics (3 partitions), deleted at the end."""
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=3))
    yield namespace
    await delete_namespace(kafka.bootstrap_servers, namespace)


async def names(kafka: Kafka, namespace: str) -> set[str]:
    async with admin_client(kafka.bootstrap_servers) as client:
        return {name for name in await existing_topics(client) if name.startswith(f"{namespace}.")}


async def test_all_topics_are_made_and_doing_it_again_changes_nothing(kafka: Kafka, wire: str) -> None:
    specs = wire_topics(wire, partitions=3)
    with capture_logs() as logs:
        await ensure_topics(kafka.bootstrap_servers, specs)
    assert logs == []
    async with admin_client(kafka.bootstrap_servers) as client:
        present = await existing_topics(client)
    assert {spec.name: spec.partitions for spec in specs} == {spec.name: len(present[spec.name]) for spec in specs}


async def test_hosts_that_make_them_at_once_do_not_disturb_each_other(kafka: Kafka, namespace: str) -> None:
    specs = wire_topics(namespace, partitions=2)
    await asyncio.gather(*(ensure_topics(kafka.bootstrap_servers, specs) for _ in range(4)))
    assert await names(kafka, namespace) == {spec.name for spec in specs}
    await delete_namespace(kafka.bootstrap_servers, namespace)


async def test_another_partition_count_is_refused(kafka: Kafka, wire: str) -> None:
    with pytest.raises(TopicMismatch, match=rf"{wire}\.feeds has 3 partitions, .* 4.*kafka\.partitions"):
        await ensure_topics(kafka.bootstrap_servers, wire_topics(wire, partitions=4))


async def test_another_cleanup_policy_is_refused(kafka: Kafka, wire: str) -> None:
    stories = next(spec for spec in wire_topics(wire) if spec.name == f"{wire}.stories")
    for policy in ("delete", "compact"):  # a changelog that Kafka deletes from would be state that is lost
        with pytest.raises(
            TopicMismatch, match=rf"stories has cleanup\.policy compact,delete, newswire needs {policy}"
        ):
            await ensure_topics(kafka.bootstrap_servers, [dataclasses.replace(stories, cleanup_policy=policy)])


async def test_a_table_that_keeps_more_is_left_as_it_is(kafka: Kafka, namespace: str) -> None:
    stories = next(spec for spec in wire_topics(namespace) if spec.name == f"{namespace}.stories")
    await ensure_topics(kafka.bootstrap_servers, [dataclasses.replace(stories, cleanup_policy="compact")])
    with capture_logs() as logs:
        await ensure_topics(kafka.bootstrap_servers, [stories])
    assert [(log["topic"], log["is_now"]) for log in logs] == [(stories.name, {"cleanup.policy": "compact"})]
    await delete_namespace(kafka.bootstrap_servers, namespace)


async def test_a_setting_that_has_no_effect_is_said(kafka: Kafka, wire: str) -> None:
    with capture_logs() as logs:
        await ensure_topics(kafka.bootstrap_servers, wire_topics(wire, partitions=3, enriched_retention_ms=1))
    assert {log["topic"] for log in logs} == {f"{wire}.{name}" for name in ("enriched", "stories", "outcomes", "dead")}


async def test_what_kafka_refuses_is_one_clear_error(kafka: Kafka, namespace: str) -> None:
    raw = next(spec for spec in wire_topics(namespace) if spec.name.endswith(".raw"))
    wrong = dataclasses.replace(raw, extra={"segment.ms": "none"})
    with pytest.raises(BrokerError, match=rf"does not make the topic {namespace}\.raw.*segment\.ms"):
        await ensure_topics(kafka.bootstrap_servers, [wrong])
    with pytest.raises(BrokerError, match="does not make the topic"):
        await ensure_topics(kafka.bootstrap_servers, [raw], replication_factor=3)


async def test_a_namespace_goes_with_its_topics_and_groups(kafka: Kafka, wire: str) -> None:
    group, alike = f"{wire}.prepare", f"{wire}2.prepare"
    await ensure_topics(kafka.bootstrap_servers, wire_topics(f"{wire}2", partitions=1))
    for name in (group, alike):
        await commit(kafka, f"{wire}.raw", name)
    assert {wire, f"{wire}2"} <= set(await list_namespaces(kafka.bootstrap_servers))

    assert await delete_namespace(kafka.bootstrap_servers, wire) == len(wire_topics(wire))
    assert await names(kafka, wire) == set()
    assert wire not in await list_namespaces(kafka.bootstrap_servers)
    async with admin_client(kafka.bootstrap_servers) as client:
        groups = {row[0] for row in await client.list_consumer_groups()}
    assert group not in groups
    assert alike in groups
    assert await delete_namespace(kafka.bootstrap_servers, wire) == 0
    # And it can be made anew at once.
    await ensure_topics(kafka.bootstrap_servers, wire_topics(wire, partitions=1))
    await delete_namespace(kafka.bootstrap_servers, f"{wire}2")


async def commit(kafka: Kafka, topic: str, group: str) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, group_id=group, enable_auto_commit=False)
    async with consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.commit({partition: 0})


async def test_a_namespace_in_use_is_not_deleted(kafka: Kafka, wire: str) -> None:
    consumer = AIOKafkaConsumer(f"{wire}.raw", bootstrap_servers=kafka.bootstrap_servers, group_id=f"{wire}.prepare")
    async with consumer:
        with pytest.raises(BrokerError, match=rf"{wire} is in use by the groups {wire}\.prepare"):
            await delete_namespace(kafka.bootstrap_servers, wire, timeout=0.5)
    assert len(await names(kafka, wire)) == len(wire_topics(wire))


async def test_without_a_broker_each_says_so() -> None:
    nowhere = "127.0.0.1:1"
    for attempt in (ensure_topics(nowhere, []), list_namespaces(nowhere), delete_namespace(nowhere, "wire")):
        with pytest.raises(BrokerUnreachable):
            await attempt
