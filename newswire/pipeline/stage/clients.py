"""The Kafka clients of a stage, and the settings that exactly-once rests on. aiokafka has no types: they end here."""

from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from newswire.pipeline.stage.config import StageConfig
from newswire.pipeline.stage.place import client_id

FETCH_BYTES: Final = 2_000_000
_BATCH_BYTES: Final = 900_000  # a single larger record gets a batch of its own

__all__ = ["FETCH_BYTES", "TopicPartition", "new_consumer", "new_member", "new_producer", "start_fenced"]


def new_producer(config: StageConfig, partition: int) -> Any:
    """The partition's transactional producer, not started."""
    return AIOKafkaProducer(
        bootstrap_servers=config.bootstrap_servers,
        transactional_id=config.transactional_id(partition),
        transaction_timeout_ms=config.transaction_timeout_ms,
        request_timeout_ms=config.transaction_timeout_ms,
        acks="all",
        linger_ms=0,
        max_batch_size=_BATCH_BYTES,
        max_request_size=config.max_record_bytes,
        retry_backoff_ms=20,  # the coordinator answers "concurrent transactions" for a moment after each commit
        **config.client_options,
    )


async def start_fenced(producer: Any) -> None:
    """Start the producer and wait for its producer id: from then on every former owner of the id is fenced."""
    await producer.start()
    await producer._txn_manager.wait_for_pid()


def new_consumer(config: StageConfig) -> Any:
    """The partition's own consumer: assigned and positioned by hand, in no group, only committed records."""
    return AIOKafkaConsumer(
        bootstrap_servers=config.bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=config.fetch_wait_ms,
        auto_offset_reset="none",  # a position outside the log is an error, never a new beginning
        retry_backoff_ms=20,
        max_partition_fetch_bytes=FETCH_BYTES,
        **config.client_options,
    )


def new_member(config: StageConfig) -> Any:
    """The group's member: it gets partitions assigned and reads nothing."""
    return AIOKafkaConsumer(
        bootstrap_servers=config.bootstrap_servers,
        group_id=config.group,
        group_instance_id=config.instance_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        retry_backoff_ms=50,
        session_timeout_ms=config.session_timeout_ms,
        heartbeat_interval_ms=max(300, config.session_timeout_ms // 6),
        rebalance_timeout_ms=config.rebalance_timeout_ms,
        **{**config.client_options, "client_id": client_id(config)},
    )
