"""An admin connection to a Kafka whose absence is a clear error, and the two questions every caller asks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from newswire.pipeline.broker.check import check_broker
from newswire.pipeline.broker.errors import BrokerError


@asynccontextmanager
async def admin_client(
    bootstrap_servers: str, client_options: Mapping[str, Any] | None = None, timeout: float = 10.0
) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client, closed at the end of the block.

    `client_options`: further aiokafka client settings. `timeout`: seconds to find the broker. Raises
    BrokerUnreachable when none answers, BrokerError when Kafka refuses or fails a request made in the block.
    """
    await check_broker(bootstrap_servers, timeout, client_options)
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **(client_options or {}))
    try:
        await client.start()
        yield client
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerError(f"Kafka at {bootstrap_servers}: {str(error) or type(error).__name__}") from error
    finally:
        await client.close()


async def existing_topics(client: AIOKafkaAdminClient) -> dict[str, list[dict[str, Any]]]:
    """Every topic of the cluster with its partitions as Kafka describes them (`partition`, `leader`, ...)."""
    # All of them: asking for one by name would make it on a broker that creates topics by itself.
    topics = await client.describe_topics(None)
    return {topic["topic"]: topic["partitions"] for topic in topics if not topic["error_code"]}


def has_leaders(partitions: list[dict[str, Any]] | None) -> bool:
    """Whether a topic is there and each of its partitions has a leader."""
    return bool(partitions) and all(partition["leader"] >= 0 for partition in partitions or ())
