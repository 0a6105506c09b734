"""Is a Kafka there? One question, answered in bounded time."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from newswire.pipeline.broker.errors import BrokerUnreachable
from newswire.pipeline.broker.quiet import quiet_aiokafka


async def check_broker(
    bootstrap_servers: str, timeout: float = 10.0, client_options: Mapping[str, Any] | None = None
) -> int:
    """Ask the cluster for its metadata once and return how many brokers it has.

    `bootstrap_servers`: host:port, comma separated. `timeout`: seconds, the longest this takes in all.
    `client_options`: further aiokafka client settings (security_protocol and the like).

    Raises BrokerUnreachable when nothing usable answered in that time.
    """
    reason = "no answer"
    try:
        async with asyncio.timeout(timeout):
            with quiet_aiokafka():
                brokers = await _broker_count(bootstrap_servers, timeout, client_options or {})
        if brokers:
            return brokers
        reason = "it has no broker that is ready"
    except TimeoutError:
        reason = f"no answer in {timeout:g} s"
    except KafkaConnectionError:
        # Its text only repeats the addresses.
        reason = "nothing there takes a connection and answers as Kafka does"
    except (KafkaError, OSError, ValueError, OverflowError) as error:
        reason = str(error) or type(error).__name__
    raise BrokerUnreachable(
        f"no Kafka at {bootstrap_servers}: {reason}. Check bootstrap_servers and that the broker runs "
        "(`newswire broker status` for the embedded one)."
    )


async def _broker_count(bootstrap_servers: str, timeout: float, options: Mapping[str, Any]) -> int:
    settings = {"request_timeout_ms": max(1, int(timeout * 1000)), **options}
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers, **settings)
    try:
        await client.bootstrap()
        return len(client.cluster.brokers())
    finally:
        await client.close()
