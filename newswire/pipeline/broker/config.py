"""How the embedded broker is configured: one KRaft node on loopback, small, and made for transactions."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RECORD_OVERHEAD = 1 << 20
"""Bytes on top of the largest record for its key, headers and batch."""

STARTED = "Kafka Server started"
"""What the broker logs once it has joined its cluster.

It takes connections before that, and answers them after a crash from the past: with leaders that are none yet.
"""


@dataclass(frozen=True)
class EmbeddedSettings:
    """What may be chosen of the embedded broker.

    `heap_mb`: the Java heap, MiB. `max_record_bytes`: the largest record value it takes, bytes.
    `start_limit`, `stop_limit`: seconds until a start counts as failed, and until a stop is forced.
    `cache_dir`: where Kafka's jars are kept (None: the user's cache folder). `rehearsal`: the broker learns how it is
    used and writes that to this file when it ends, for those after it (see `aot`).
    """

    heap_mb: int = 256
    max_record_bytes: int = 10 * (1 << 20)
    start_limit: float = 180.0
    stop_limit: float = 30.0
    cache_dir: Path | None = None
    rehearsal: Path | None = None


SESSION_MS = 3_600_000
"""How long a broker may be silent before the cluster gives its partitions no leader.

There is no other broker to lead them, so an early end of the session only does harm: Kafka drops the commit marks of
transactions whose partitions have no leader, and their records can never be read. A machine that slept wakes in time.
"""

RETENTION_CHECK_SECONDS = 60
"""How often the broker looks for records to drop: a retention of minutes is one then."""


def jvm_flags(settings: EmbeddedSettings) -> list[str]:
    """Flags of the Java process."""
    return [
        f"-Xmx{settings.heap_mb}m",
        # All of it resident from the start: begun at 160 MB it still grew by 20 after six minutes at full speed.
        f"-Xms{settings.heap_mb}m",
        # The serial collector fills all of -Xmx with garbage before it clears the old part.
        "-XX:+UseG1GC",
        "-XX:+AlwaysPreTouch",
        "-XX:ParallelGCThreads=1",
        "-XX:ConcGCThreads=1",
        "-Xss512k",
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        # The one class that says "Kafka Server started", see STARTED.
        "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    ]


def jvm_environment() -> dict[str, str]:
    """The environment of the Java process: ours, with few of glibc's arenas, which are as many as threads else."""
    return {**os.environ, "MALLOC_ARENA_MAX": "2"}


def folder_mark(folder: Path) -> str:
    """The argument by which the process of the broker in `folder` is told from any other."""
    return f"-Dnewswire.broker={folder}"


def server_properties(settings: EmbeddedSettings, data: Path, client_port: int, controller_port: int) -> str:
    """The text of the broker's configuration file, for data in `data` and two ports on loopback."""
    largest = settings.max_record_bytes + RECORD_OVERHEAD
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
        "listeners": f"CLIENT://127.0.0.1:{client_port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{client_port},CONTROLLER://127.0.0.1:{controller_port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": _path(data),
        # Topics are made on purpose, with their settings.
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # A feed may pause for months, and a service with it: its positions must still be there.
        "offsets.retention.minutes": 5 * 365 * 24 * 60,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "broker.session.timeout.ms": SESSION_MS,
        # An open transaction of a dead worker blocks every reader of its partitions: look for one each second.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        "transaction.max.timeout.ms": 15 * 60 * 1000,
        # Transactional ids are one a partition of a stage; a paused namespace must find its fences.
        "transactional.id.expiration.ms": 2**31 - 1,
        "message.max.bytes": largest,
        "replica.fetch.max.bytes": largest,
        "log.retention.check.interval.ms": RETENTION_CHECK_SECONDS * 1000,
        # A segment of these is compacted when it is closed, and read whole at a start. Each transaction writes about
        # three times into the one and once into the other, and the default is 100 MB, four times.
        "offsets.topic.segment.bytes": 16 << 20,
        "transaction.state.log.segment.bytes": 16 << 20,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.replica.fetchers": 1,
        "num.recovery.threads.per.data.dir": 2,
        "background.threads": 2,
        "log.cleaner.threads": 1,
        "log.cleaner.dedupe.buffer.size": 16 << 20,
        "log.cleaner.io.buffer.size": 256 << 10,
        # Nobody reads JMX here.
        "metric.reporters": "",
    }
    return _properties(values)


def controller_properties(data: Path, controller_port: int, session_ms: int) -> str:
    """The text of a configuration file for the node without its broker: its controller on the same data."""
    values = {
        "process.roles": "controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
        "listeners": f"CONTROLLER://127.0.0.1:{controller_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": _path(data),
        "broker.session.timeout.ms": session_ms,
        "broker.heartbeat.interval.ms": session_ms // 2,
        "metric.reporters": "",
    }
    return _properties(values)


def _path(folder: Path) -> str:
    # A properties file takes a backslash as an escape.
    return str(folder).replace("\\", "\\\\")


def _properties(values: Mapping[str, object]) -> str:
    return "".join(f"{key}={value}\n" for key, value in values.items())
