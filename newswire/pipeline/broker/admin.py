"""Making a wire's topics on a Kafka, and refusing topics that are there but wrong."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from newswire.pipeline.broker.client import admin_client, existing_topics, has_leaders
from newswire.pipeline.broker.errors import BrokerError, TopicMismatch
from newswire.pipeline.broker.topics import TopicSpec
from newswire.pipeline.closing import close

_log = structlog.get_logger(__name__)


async def ensure_topics(
    bootstrap_servers: str,
    specs: Sequence[TopicSpec],
    client_options: Mapping[str, Any] | None = None,
    *,
    replication_factor: int = 0,
    timeout: float = 60.0,
) -> None:
    """Make the topics that are missing, check those that exist, and return when all are led.

    `replication_factor` 0 takes as many replicas as there are brokers, at most 3. `timeout`: seconds. Safe when
    several hosts do it at once. Raises TopicMismatch when one exists with other partitions or another cleanup policy
    (then nothing was made), BrokerUnreachable, or BrokerError when Kafka refuses one or the time is over.
    """
    async with admin_client(bootstrap_servers, client_options) as client:
        present = await existing_topics(client)
        await _check(client, [spec for spec in specs if spec.name in present], present)
        missing = [spec for spec in specs if spec.name not in present]
        made_by_others = await _create(client, missing, replication_factor)
        present = await _await_leaders(client, specs, timeout)
        if missing:
            await _await_answers(bootstrap_servers, missing, client_options)
        await _check(client, made_by_others, present)


async def _create(client: AIOKafkaAdminClient, specs: Sequence[TopicSpec], replicas: int) -> list[TopicSpec]:
    """Create the topics; those that another host made in the meantime are returned."""
    if not specs:
        return []
    factor = replicas or min(3, len((await client.describe_cluster())["brokers"]))
    # With three replicas one broker may be away, and a write that was confirmed still stands on two.
    safety = {"min.insync.replicas": "2"} if factor >= 3 else {}
    wanted = [NewTopic(spec.name, spec.partitions, factor, topic_configs={**spec.configs, **safety}) for spec in specs]
    answer = await client.create_topics(wanted)
    by_others: list[TopicSpec] = []
    for name, code, message, *_ in answer.topic_errors:
        if code == TopicAlreadyExistsError.errno:
            by_others.extend(spec for spec in specs if spec.name == name)
        elif code:
            raise BrokerError(f"Kafka does not make the topic {name}: {message or for_code(code).__name__}")
    _log.info("made topics", count=len(specs) - len(by_others), replication_factor=factor)
    return by_others


async def _await_leaders(
    client: AIOKafkaAdminClient, specs: Sequence[TopicSpec], timeout: float
) -> dict[str, list[dict[str, Any]]]:
    deadline = time.monotonic() + timeout
    while True:
        present = await existing_topics(client)
        waiting = [spec.name for spec in specs if not has_leaders(present.get(spec.name))]
        if not waiting:
            return present
        if time.monotonic() > deadline:
            raise BrokerError(f"topics without a leader after {timeout:g} s: {', '.join(waiting)}")
        await asyncio.sleep(0.05)


async def _await_answers(
    bootstrap_servers: str, specs: Sequence[TopicSpec], client_options: Mapping[str, Any] | None
) -> None:
    """Return when every partition tells its end: Kafka names a leader before that one leads."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, **(client_options or {}))
    await consumer.start()
    try:
        await consumer.end_offsets([TopicPartition(spec.name, n) for spec in specs for n in range(spec.partitions)])
    finally:
        await close(consumer)


async def _check(
    client: AIOKafkaAdminClient, specs: Sequence[TopicSpec], present: Mapping[str, list[dict[str, Any]]]
) -> None:
    if not specs:
        return
    settings = await _settings_of(client, [spec.name for spec in specs])
    for spec in specs:
        has = len(present[spec.name])
        if has != spec.partitions:
            raise TopicMismatch(
                f"the topic {spec.name} has {has} partitions, the settings say {spec.partitions}, and the number "
                "cannot change under records that are there. Set kafka.partitions to what it was, or use another "
                "--namespace, or delete this namespace's topics if their records may go."
            )
        policy = settings[spec.name].get("cleanup.policy", "")
        if not _serves(policy, spec.cleanup_policy):
            raise TopicMismatch(
                f"the topic {spec.name} has cleanup.policy {policy}, newswire needs {spec.cleanup_policy}: it was not "
                "made by newswire, or it was changed. Set it back with Kafka's tools, or use another --namespace."
            )
        # An operator may have chosen these; a changed setting of ours that has no effect must be seen all the same.
        differ = {key: settings[spec.name].get(key) for key in spec.configs if _differs(spec, settings, key)}
        if differ:
            _log.warning("a topic is kept as it is, not as set", topic=spec.name, is_now=differ)


def _serves(policy: str, wanted: str) -> bool:
    """Whether a topic's cleanup policy does for the wanted one: one that keeps more of a compacted topic does."""
    parts, needed = set(policy.split(",")), set(wanted.split(","))
    return parts <= needed and ("compact" in parts) == ("compact" in needed)


def _differs(spec: TopicSpec, settings: Mapping[str, Mapping[str, str]], key: str) -> bool:
    return settings[spec.name].get(key) != spec.configs[key]


async def _settings_of(client: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    told: dict[str, dict[str, str]] = {}
    for answer in await client.describe_configs(asked):
        for code, message, _kind, name, entries in answer.resources:
            if code:
                raise BrokerError(f"Kafka does not tell the settings of {name}: {message or for_code(code).__name__}")
            told[name] = {entry[0]: entry[1] for entry in entries}
    return told
