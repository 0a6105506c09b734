"""The topics of a wire: which there are and how each is kept, and making them on a Kafka."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from newswire.pipeline.broker.admin import admin_client, existing_topics
from newswire.pipeline.broker.config import RECORD_OVERHEAD
from newswire.pipeline.broker.errors import BrokerError, TopicMismatch

DAY_MS = 86_400_000
STAGES = ("collect", "prepare", "deduplicate", "analyze", "cluster", "replay")
"""What keeps its state in a changelog `{namespace}.{stage}.changelog`."""

_YEARS_MS = 10 * 365 * DAY_MS
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TopicSpec:
    """How one topic must be.

    `cleanup_policy`: "delete" or "compact". `retention_ms`: milliseconds a record is kept, -1 for ever, None where
    the policy is compact. `extra`: further topic settings of Kafka, by name.
    """

    name: str
    partitions: int
    cleanup_policy: str
    retention_ms: int | None
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def configs(self) -> dict[str, str]:
        """All of its settings as Kafka takes them."""
        kept = {} if self.retention_ms is None else {"retention.ms": str(self.retention_ms)}
        return {"cleanup.policy": self.cleanup_policy, **kept, **self.extra}


def wire_topics(
    namespace: str,
    *,
    partitions: int = 8,
    raw_retention_ms: int = 14 * DAY_MS,
    enriched_retention_ms: int = 90 * DAY_MS,
    max_record_bytes: int = 10 * (1 << 20),
    replay: bool = False,
) -> tuple[TopicSpec, ...]:
    """Every topic of one wire.

    `partitions`: of `feeds` and `unique` and the changelogs that go with them; the rest have one, because the order
    of the wire is the order of a log. `raw_retention_ms` is for raw and what lies between the stages,
    `enriched_retention_ms` for enriched, outcomes and dead. `max_record_bytes`: the largest record value. `replay`:
    keep everything until the namespace is deleted.
    """
    sizes = {"max.message.bytes": str(max_record_bytes + RECORD_OVERHEAD)}
    raw_ms, enriched_ms = (-1, -1) if replay else (raw_retention_ms, enriched_retention_ms)

    def log(name: str, retention_ms: int, count: int = 1, **extra: str) -> TopicSpec:
        # Kafka drops whole segments: one that stays open for its default week would outlive its retention by that.
        settings = {
            **sizes,
            "segment.ms": str(DAY_MS),
            **{key.replace("_", "."): value for key, value in extra.items()},
        }
        return TopicSpec(f"{namespace}.{name}", count, "delete", retention_ms, settings)

    def table(name: str, count: int, delete_retention_ms: int) -> TopicSpec:
        settings = {
            **sizes,
            # Only closed segments are compacted, and a restore reads what is not compacted yet.
            "segment.bytes": str(32 << 20),
            "segment.ms": str(DAY_MS // 24),
            "min.cleanable.dirty.ratio": "0.1",
            "delete.retention.ms": str(delete_retention_ms),
        }
        return TopicSpec(f"{namespace}.{name}", count, "compact", None, settings)

    with_state = {"collect": partitions, "analyze": partitions}
    return (
        # A poller that was away for long must still be told that a feed was removed.
        table("feeds", partitions, _YEARS_MS),
        log("raw", raw_ms, message_timestamp_type="LogAppendTime"),
        log("prepared", raw_ms),
        log("unique", raw_ms, partitions),
        log("analyzed", raw_ms),
        log("enriched", enriched_ms),
        table("stories", 1, 14 * DAY_MS),
        log("outcomes", enriched_ms),
        log("dead", enriched_ms),
        *(table(f"{stage}.changelog", with_state.get(stage, 1), DAY_MS) for stage in STAGES),
    )


async def ensure_topics(
    bootstrap_servers: str,
    specs: Sequence[TopicSpec],
    client_options: Mapping[str, Any] | None = None,
    *,
    replication_factor: int = 0,
    timeout: float = 60.0,
) -> None:
    """Make the topics that are missing, check those that exist, and return when all have their leaders.

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
        waiting = [spec.name for spec in specs if not _has_leaders(present.get(spec.name))]
        if not waiting:
            return present
        if time.monotonic() > deadline:
            raise BrokerError(f"topics without a leader after {timeout:g} s: {', '.join(waiting)}")
        await asyncio.sleep(0.05)


def _has_leaders(partitions: list[dict[str, Any]] | None) -> bool:
    return bool(partitions) and all(partition["leader"] >= 0 for partition in partitions or ())


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
        policy = settings[spec.name].get("cleanup.policy")
        if policy != spec.cleanup_policy:
            raise TopicMismatch(
                f"the topic {spec.name} has cleanup.policy {policy}, newswire needs {spec.cleanup_policy}: it was not "
                "made by newswire, or it was changed. Set it back with Kafka's tools, or use another --namespace."
            )
        # An operator may have chosen these; a changed setting of ours that has no effect must be seen all the same.
        differ = {key: settings[spec.name].get(key) for key in spec.configs if _differs(spec, settings, key)}
        if differ:
            _log.warning("a topic is kept as it is, not as set", topic=spec.name, is_now=differ)


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
