"""What a stage is told when it is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple


class StoreMemory(NamedTuple):
    """Bytes of memory for the state on the local disk.

    `write_buffer`: what a store collects before it writes a file. `shared`: what all stores of a process with this
    object take together, however many rows they have.
    """

    write_buffer: int
    shared: int


STORE_MEMORY: Final = StoreMemory(16 << 20, 16 << 20)


@dataclass(frozen=True)
class StageConfig:
    """The settings of one stage; topic names are full names, `*_ms` are milliseconds, all else is seconds or bytes.

    `changelog` has as many partitions as `input_topic` and is compacted. `state_dir` is a cache that can be deleted at
    any time; without it the state is kept in memory and no attempts are counted. `instance_id` makes the member of the
    group a static one: a restart within the session timeout gets its partitions back without a rebalance.
    `instance_owner` is the same after each start of this worker, and no other worker's: with it, a second process with
    the same instance_id does not take the first one's place.
    `fetch_wait_ms` is how long the broker holds a fetch that finds nothing; what else that client asks waits behind it.
    `cache_max_age_s` must be well below the changelog's delete.retention.ms. `ledger` is a compacted topic with one
    partition: the rows whose keys begin with one of `ledger_rows`, and the position, are written there too. So
    are those that begin with one of `ledger_recent`, but not anew when a partition is opened: they are replaced soon.
    `state_version` is that of the format of the state's rows: a state of a later one, or of one before `state_oldest`,
    is refused. `number` reads from a record's value what orders records that came in one millisecond on several
    partitions; it raises nothing. Raises ValueError on settings that contradict each
    other.
    """

    namespace: str
    name: str
    bootstrap_servers: str
    input_topic: str
    outputs: tuple[str, ...]
    changelog: str
    state_dir: Path | None
    batch_max: int = 500
    interval: float = 0.02
    work_seconds: float | None = None
    session_timeout_ms: int = 10_000
    transaction_timeout_ms: int = 30_000
    rebalance_timeout_ms: int = 6_000
    instance_id: str | None = None
    instance_owner: str | None = None
    max_record_bytes: int = 8_000_000
    fetch_wait_ms: int = 500
    stall_seconds: float = 60.0
    attempts_max: int = 3
    cache_max_age_s: float = 20 * 3600
    ledger: str | None = None
    ledger_rows: tuple[bytes, ...] = ()
    ledger_recent: tuple[bytes, ...] = ()
    state_version: int = 1
    state_oldest: int = 1
    number: Callable[[bytes | None], int] | None = None
    store_memory: StoreMemory = STORE_MEMORY
    client_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.batch_max < 1:
            raise ValueError("batch_max must be at least 1")
        if self.changelog in self.outputs:
            raise ValueError("the changelog is written by state.put(), never by emit(): take it out of outputs")
        if self.work_seconds is not None and self.work_seconds >= self.batch_seconds:
            raise ValueError("work_seconds must be below a third of transaction_timeout_ms")

    @property
    def group(self) -> str:
        """The consumer group, which is also the prefix of every name this stage uses."""
        return f"{self.namespace}.{self.name}"

    @property
    def batch_seconds(self) -> float:
        """How long the agent may hold one batch: a third of the transaction timeout, in seconds."""
        return self.transaction_timeout_ms / 3000

    def transactional_id(self, partition: int) -> str:
        """The id that fences every other owner of this input partition, whichever worker it runs in."""
        return f"{self.group}.{self.input_topic}.{partition}"
