"""Which topics a wire has and how each is kept."""

import pytest

from newswire.pipeline.broker.topics import DAY_MS, MINUTE_MS, STAGES, TopicSpec, wire_topics


def by_name(specs: tuple[TopicSpec, ...]) -> dict[str, TopicSpec]:
    return {spec.name: spec for spec in specs}


def test_every_topic_is_there_once() -> None:
    logs = {"raw", "prepared", "unique", "analyzed", "enriched", "outcomes", "dead"}
    tables = {"feeds", "stories", "ledger", *(f"{stage}.changelog" for stage in STAGES)}
    specs = wire_topics("wire")
    assert sorted(spec.name for spec in specs) == sorted(f"wire.{name}" for name in logs | tables)
    assert {spec.name for spec in specs if "compact" in spec.cleanup_policy} == {f"wire.{name}" for name in tables}


def test_what_is_partitioned_alike_has_equal_counts_and_the_rest_has_one() -> None:
    topics = by_name(wire_topics("wire", partitions=5))
    many = {name for name, spec in topics.items() if spec.partitions == 5}
    assert many == {"wire.feeds", "wire.collect.changelog", "wire.unique", "wire.analyze.changelog"}
    assert all(spec.partitions == 1 for name, spec in topics.items() if name not in many)


@pytest.mark.parametrize(
    ("name", "retention_ms"),
    [
        ("raw", 14 * DAY_MS),
        ("prepared", 14 * DAY_MS),
        ("unique", 14 * DAY_MS),
        ("analyzed", 14 * DAY_MS),
        ("enriched", 90 * DAY_MS),
        ("outcomes", 90 * DAY_MS),
        ("dead", 90 * DAY_MS),
        ("stories", 90 * DAY_MS),
        ("cluster.changelog", None),
    ],
)
def test_retention(name: str, retention_ms: int | None) -> None:
    assert by_name(wire_topics("wire"))[f"wire.{name}"].retention_ms == retention_ms


@pytest.mark.parametrize(
    ("retention_ms", "segment_ms"),
    [
        (14 * DAY_MS, DAY_MS),
        (DAY_MS, DAY_MS // 10),
        (5 * MINUTE_MS, MINUTE_MS),
        (1, MINUTE_MS),
    ],
)
def test_segments_are_short_against_the_retention(retention_ms: int, segment_ms: int) -> None:
    topics = by_name(wire_topics("wire", raw_retention_ms=retention_ms, enriched_retention_ms=90 * DAY_MS))
    assert topics["wire.raw"].configs["segment.ms"] == str(segment_ms)
    assert topics["wire.enriched"].configs["segment.ms"] == str(DAY_MS)


def test_a_replay_keeps_everything() -> None:
    specs = wire_topics("old", replay=True)
    assert {spec.retention_ms for spec in specs if "delete" in spec.cleanup_policy} == {-1}
    assert {spec.configs["segment.ms"] for spec in specs if spec.cleanup_policy == "delete"} == {str(DAY_MS)}


def test_the_ledgers_topic_is_small_and_its_newest_records_stay() -> None:
    ledger = by_name(wire_topics("wire", partitions=5))["wire.ledger"]
    assert (ledger.partitions, ledger.cleanup_policy) == (1, "compact")
    assert int(ledger.configs["segment.bytes"]) == 1 << 20
    assert int(ledger.configs["min.compaction.lag.ms"]) >= 5_000, "the time that a reading may take"
    assert int(ledger.configs["delete.retention.ms"]) <= 60_000, "marks of transactions are kept as long"


def test_settings_as_kafka_takes_them() -> None:
    topics = by_name(wire_topics("wire", max_record_bytes=1000))
    raw = topics["wire.raw"].configs
    assert raw["message.timestamp.type"] == "LogAppendTime"
    assert raw["retention.ms"] == str(14 * DAY_MS)
    changelog = topics["wire.deduplicate.changelog"].configs
    assert changelog["cleanup.policy"] == "compact"
    assert changelog["delete.retention.ms"] == str(DAY_MS)
    assert "retention.ms" not in changelog
    assert all(int(spec.configs["max.message.bytes"]) > 1000 for spec in topics.values())
