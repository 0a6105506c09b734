"""The topics of a wire: which there are and how each is kept. Pure data; `admin` makes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from newswire.pipeline.broker.config import RECORD_OVERHEAD

MINUTE_MS = 60_000
DAY_MS = 86_400_000
LEDGER_READ_MS = 10_000
"""How long the reading of the ledger's topic may take: a record that came since may not yet have replaced one in it."""
STAGES = ("collect", "prepare", "deduplicate", "analyze", "cluster", "replay")
"""What keeps its state in a changelog `{namespace}.{stage}.changelog`."""

_YEARS_MS = 10 * 365 * DAY_MS


@dataclass(frozen=True)
class TopicSpec:
    """How one topic must be.

    `cleanup_policy`: "delete", "compact" or "compact,delete". `retention_ms`: milliseconds a record is kept, -1 for
    ever, None where the policy is compact alone. `extra`: further topic settings of Kafka, by name.
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


def segment_ms(retention_ms: int) -> int:
    """How long a log's segment takes records, in milliseconds.

    Kafka drops whole segments, so a record outlives its retention by that: a tenth of it, from a minute to a day.
    """
    return DAY_MS if retention_ms < 0 else min(DAY_MS, max(MINUTE_MS, retention_ms // 10))


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
    `enriched_retention_ms` for enriched, stories, outcomes and dead. `max_record_bytes`: the largest record value.
    `replay`: keep everything until the namespace is deleted.
    """
    sizes = {"max.message.bytes": str(max_record_bytes + RECORD_OVERHEAD)}
    raw_ms, enriched_ms = (-1, -1) if replay else (raw_retention_ms, enriched_retention_ms)

    def log(name: str, retention_ms: int, count: int = 1, **extra: str) -> TopicSpec:
        settings = {
            **sizes,
            "segment.ms": str(segment_ms(retention_ms)),
            **{key.replace("_", "."): value for key, value in extra.items()},
        }
        return TopicSpec(f"{namespace}.{name}", count, "delete", retention_ms, settings)

    def table(
        name: str, count: int, delete_retention_ms: int, retention_ms: int | None = None, **extra: str
    ) -> TopicSpec:
        settings = {
            **sizes,
            # Only closed segments are compacted, and a restore reads what is not compacted yet.
            "segment.bytes": str(32 << 20),
            "segment.ms": str(DAY_MS // 24),
            "min.cleanable.dirty.ratio": "0.1",
            "delete.retention.ms": str(delete_retention_ms),
            **{key.replace("_", "."): value for key, value in extra.items()},
        }
        policy = "compact" if retention_ms is None else "compact,delete"
        return TopicSpec(f"{namespace}.{name}", count, policy, retention_ms, settings)

    with_state = {"collect": partitions, "analyze": partitions}
    return (
        # A poller that was away for long must still be told that a feed was removed.
        table("feeds", partitions, _YEARS_MS),
        log("raw", raw_ms, message_timestamp_type="LogAppendTime"),
        log("prepared", raw_ms),
        log("unique", raw_ms, partitions),
        log("analyzed", raw_ms),
        log("enriched", enriched_ms),
        # The newest state of each story for as long as the articles that name it; no story is ever taken back.
        table("stories", 1, 14 * DAY_MS, enriched_ms),
        log("outcomes", enriched_ms),
        log("dead", enriched_ms),
        # Every transaction of every stage writes here and the ledger reads all of it: small segments, cleaned often.
        # Transaction marks outlive their records by the deletion time, and are most of the log where it is long.
        table(
            "ledger",
            1,
            LEDGER_READ_MS,
            segment_bytes=str(1 << 20),
            min_compaction_lag_ms=str(LEDGER_READ_MS),
        ),
        *(table(f"{stage}.changelog", with_state.get(stage, 1), DAY_MS) for stage in STAGES),
    )
