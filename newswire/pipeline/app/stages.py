"""How a role's stage is configured, and the names of the topics that it joins."""

import socket
import uuid
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import orjson

from newswire.pipeline.connection import Connection
from newswire.pipeline.ledger.counters import COUNTED, RECENT
from newswire.pipeline.settings import Settings
from newswire.pipeline.stage import StageConfig
from newswire.pipeline.stage.config import STORE_MEMORY, StoreMemory
from newswire.pipeline.state import STATE_FORMATS
from newswire.pipeline.stories.resequence import NEXT, WAITING

ROLES = ("collect", "prepare", "deduplicate", "analyze", "cluster")

INPUTS = {"collect": "feeds", "prepare": "raw", "deduplicate": "prepared", "analyze": "unique", "cluster": "analyzed"}
OUTPUTS = {
    "collect": ("raw", "dead"),
    "prepare": ("prepared", "outcomes", "dead"),
    "deduplicate": ("unique", "outcomes", "dead"),
    "analyze": ("analyzed", "dead"),
    "cluster": ("enriched", "stories", "outcomes", "dead"),
}


LEDGER_ROWS = {"cluster": (NEXT, WAITING)}
"""Rows besides the counters that the ledger reads, by role."""

STORE_MEMORIES = {"collect": StoreMemory(256 << 10, 4 << 20), "analyze": StoreMemory(16 << 20, 4 << 20)}
"""By role what is not the default, with which many partitions would go on growing for hours. Those of a poller write
much and have files from the first minutes on; those of an analyzer write little, and few files are better."""

CLUSTER_SECONDS = 0.5
"""How long cluster works on one batch: each of its records may release a hundred that waited for it."""


@dataclass(frozen=True)
class Worker:
    """What a worker process is told: the one settings object, its Kafka, its name and the roles that it runs.

    `name` is unique among the workers of a host: the process's state and its place in the groups go by it.
    """

    settings: Settings
    connection: Connection
    name: str
    roles: tuple[str, ...]
    port: int = 0

    @property
    def folder(self) -> Path:
        """The worker's own cache of its state; it can be deleted while the worker is down."""
        return self.settings.state_dir / "workers" / self.settings.namespace / self.name

    def instance(self, role: str) -> str:
        """The worker's name in a group: the same after each start, another one for each host and state folder."""
        place = sha256(str(self.settings.state_dir.absolute()).encode()).hexdigest()[:8]
        return f"{socket.gethostname()}-{place}-{self.name}-{role}"

    @property
    def owner(self) -> str:
        """What tells this worker from one on another host that has all its names by mistake: drawn once, and kept."""
        file = self.folder.parent / f"{self.name}.owner"
        if not file.exists():
            draft = file.with_name(f"{file.name}.new")
            draft.write_text(uuid.uuid4().hex)
            draft.replace(file)
        return file.read_text()


def sequence_of(value: bytes | None) -> int:
    """The place in the wire of a record of `unique`; 0 for what is none.

    Articles that come together stand on several partitions. One that is analysed before its turn waits at cluster for
    those before it.
    """
    try:
        found = orjson.loads(value or b"")["sequence"]
    except (ValueError, TypeError, LookupError):
        return 0
    return found if isinstance(found, int) else 0


def stage_config(worker: Worker, role: str) -> StageConfig:
    """The configuration of a role's stage in this worker."""
    settings = worker.settings
    return StageConfig(
        namespace=settings.namespace,
        name=role,
        bootstrap_servers=worker.connection.bootstrap_servers,
        input_topic=settings.topic(INPUTS[role]),
        outputs=tuple(settings.topic(name) for name in OUTPUTS[role]),
        changelog=settings.topic(f"{role}.changelog"),
        state_dir=worker.folder,
        state_version=STATE_FORMATS[role].version,
        state_oldest=STATE_FORMATS[role].oldest,
        number=sequence_of if role == "analyze" else None,
        work_seconds={"analyze": settings.analyze.work_seconds, "cluster": CLUSTER_SECONDS}.get(role),
        session_timeout_ms=settings.kafka.session_timeout_ms,
        transaction_timeout_ms=settings.kafka.transaction_timeout_ms,
        instance_id=worker.instance(role),
        instance_owner=worker.owner,
        stall_seconds=settings.run.stall_seconds,
        ledger=settings.topic("ledger"),
        ledger_rows=(*COUNTED, *LEDGER_ROWS.get(role, ())),
        ledger_recent=RECENT,
        store_memory=STORE_MEMORIES.get(role, STORE_MEMORY),
        client_options=worker.connection.options,
    )
