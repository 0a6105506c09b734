"""The wires that stand on a Kafka: listing them, and deleting one with all that belongs to it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupIdNotFound,
    GroupLoadInProgressError,
    NonEmptyGroup,
    NotCoordinatorForGroupError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.admin import DeleteGroupsRequest

from newswire.pipeline.broker.client import admin_client, existing_topics
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.broker.topics import STAGES, wire_topics

_PAUSE = 0.2
# The coordinator of a fresh or restarted broker needs a moment.
_PASSING = (GroupLoadInProgressError, GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError)
_log = structlog.get_logger(__name__)


async def list_namespaces(bootstrap_servers: str, client_options: Mapping[str, Any] | None = None) -> list[str]:
    """The namespaces that have a wire, or what is left of one, on this Kafka, sorted.

    Raises BrokerUnreachable or BrokerError.
    """
    async with admin_client(bootstrap_servers, client_options) as client:
        names = await existing_topics(client)
    # The name of a changelog is ours; `shop.raw` could be anybody's.
    parts = (name.split(".") for name in names)
    return sorted({part[0] for part in parts if len(part) == 3 and part[1] in STAGES and part[2] == "changelog"})


async def groups_with_members(
    bootstrap_servers: str, namespace: str, client_options: Mapping[str, Any] | None = None, *, timeout: float = 10.0
) -> list[str]:
    """The consumer groups named `{namespace}.…` that have members now, sorted: stages that run, and subscribers.

    A member that was killed counts until its session times out. Raises BrokerUnreachable or BrokerError.
    """
    deadline = time.monotonic() + timeout
    async with admin_client(bootstrap_servers, client_options) as client:
        # one by one: of an answer about several aiokafka 0.14 decodes the second wrongly (it takes version 3 for 2)
        names = await _groups(client, namespace, deadline)
        answers = [await client.describe_consumer_groups([name]) for name in names]
    # a group is error, name, state, protocol type, protocol, members
    found = [group for (answer,) in answers for group in answer.groups]
    return [name for _, name, _, _, _, members in found if members]


async def delete_namespace(
    bootstrap_servers: str,
    namespace: str,
    client_options: Mapping[str, Any] | None = None,
    *,
    timeout: float = 30.0,
) -> int:
    """Delete a namespace's topics with all their records, and the consumer groups named `{namespace}.…`.

    Returns how many topics were deleted (0 if there were none; doing it again is no error). `timeout`: seconds, also
    the wait for members that were killed to leave their groups. Raises BrokerError when a group is still in use (then
    no topic was deleted) or Kafka refuses, BrokerUnreachable when none answers.
    """
    deadline = time.monotonic() + timeout
    async with admin_client(bootstrap_servers, client_options) as client:
        await _delete_groups(client, namespace, deadline)
        # By their exact names: others may have topics that begin alike.
        wanted = sorted({spec.name for spec in wire_topics(namespace)} & set(await existing_topics(client)))
        if not wanted:
            return 0
        answer = await client.delete_topics(wanted)
        for name, code in answer.topic_error_codes:
            if code and code != UnknownTopicOrPartitionError.errno:
                raise BrokerError(f"Kafka does not delete the topic {name}: {for_code(code).__name__}")
        # Gone from the metadata, so that the namespace can be made anew at once.
        while left := set(wanted) & set(await existing_topics(client)):
            _give_up_after(deadline, f"Kafka still shows deleted topics: {', '.join(sorted(left))}")
            await asyncio.sleep(_PAUSE)
    _log.info("deleted a namespace", namespace=namespace, topics=len(wanted))
    return len(wanted)


async def _delete_groups(client: AIOKafkaAdminClient, namespace: str, deadline: float) -> None:
    remaining: Sequence[str] = await _groups(client, namespace, deadline)
    while remaining:
        again = []
        for group in remaining:
            error = await _delete_group(client, group)
            if error is None or error is GroupIdNotFound:
                continue
            if error not in (NonEmptyGroup, *_PASSING):
                raise BrokerError(f"Kafka does not delete the group {group}: {error.__name__}")
            again.append(group)
        remaining = again
        if remaining:
            _give_up_after(
                deadline, f"{namespace} is in use by the groups {', '.join(remaining)}. Stop what runs on it first."
            )
            await asyncio.sleep(_PAUSE)


async def _groups(client: AIOKafkaAdminClient, namespace: str, deadline: float) -> list[str]:
    while True:
        try:
            groups = await client.list_consumer_groups()
            return sorted(group[0] for group in groups if group[0].startswith(f"{namespace}."))
        except _PASSING as error:
            _give_up_after(deadline, f"Kafka does not list its groups: {error}")
            await asyncio.sleep(_PAUSE)


async def _delete_group(client: AIOKafkaAdminClient, group: str) -> type[Exception] | None:
    try:
        coordinator = await client.find_coordinator(group)
        # The admin client has no method for it, but its connection and the request are there.
        answer = await client._send_request(DeleteGroupsRequest([group]), coordinator)
    except _PASSING as error:
        return type(error)
    code = answer.results[0][1]
    return for_code(code) if code else None


def _give_up_after(deadline: float, reason: str) -> None:
    if time.monotonic() > deadline:
        raise BrokerError(reason)
