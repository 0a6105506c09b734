"""One process at a time in a static member's place of the group.

Kafka gives the place to whoever asks last, and the one that lost it asks again as soon as it notices: two processes
with one instance_id would take it from each other for ever. So each looks before it asks: a place that another owner
holds is waited for as long as a session lasts, and if it is then still held, its holder lives and this process ends.
"""

import asyncio
import time
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from newswire.pipeline.stage.config import StageConfig
from newswire.pipeline.stage.errors import PlaceTaken

_LOOK_EVERY: Final = 0.3
_START_SECONDS: Final = 30.0
_CHECK_SECONDS: Final = 5.0
_ID_LENGTHS: Final = (22, 36)  # of the id that Kafka puts behind a static member's name, in its versions
_log = structlog.get_logger("newswire.stage")


def client_id(config: StageConfig) -> str:
    """What this process calls itself at the broker: how its place is told from another one's."""
    name = str(config.client_options.get("client_id", "newswire"))
    return f"{name}-{config.instance_owner}" if config.instance_owner else name


async def wait_for_place(config: StageConfig) -> None:
    """Return when this worker's place is free or its own from a former life.

    Raises PlaceTaken if another process is alive in it, and KafkaError or TimeoutError if the broker cannot be asked.
    """
    if config.instance_id is None or config.instance_owner is None:
        return
    session = config.session_timeout_ms / 1000
    deadline = time.monotonic() + session * 1.5 + 1  # a dead one is given up after a session
    while (holder := await _ask(config, _START_SECONDS)) is not None:
        if time.monotonic() > deadline:
            raise _taken(config, holder)
        await asyncio.sleep(_LOOK_EVERY)


async def check_place(config: StageConfig) -> None:
    """Raise PlaceTaken if another process has got this worker's place; a broker that does not tell is no reason to."""
    if config.instance_id is None or config.instance_owner is None:
        return
    try:
        holder = await _ask(config, _CHECK_SECONDS)
    except (KafkaError, OSError, TimeoutError) as error:
        _log.warning("the group does not tell who holds the place", stage=config.group, error=repr(error))
        return
    if holder is not None:
        raise _taken(config, holder)


def _taken(config: StageConfig, host: str) -> PlaceTaken:
    return PlaceTaken(
        f"another process, at {host}, is {config.instance_id} in the group {config.group}: end it, or give this one"
        " another host name or state folder"
    )


async def _ask(config: StageConfig, seconds: float) -> str | None:
    """The host of another owner that holds the place, None if there is none."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await _look(config)
            except KafkaError as error:
                if not error.retriable:
                    raise
            await asyncio.sleep(_LOOK_EVERY)  # a coordinator that is just beginning


async def _look(config: StageConfig) -> str | None:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=config.bootstrap_servers, **config.client_options)
    try:
        await admin.start()
        (answer,) = await admin.describe_consumer_groups([config.group])
    finally:
        await admin.close()
    code, _group, _state, _kind, _protocol, members, *_ = answer.groups[0]
    if code:
        raise for_code(code)(f"group {config.group}")
    for member, client, host, *_ in members:
        if is_instance(member, config.instance_id or "") and client != client_id(config):
            return str(host).lstrip("/")
    return None


def is_instance(member_id: str, instance_id: str) -> bool:
    """Whether Kafka gave this id to the static member of that name."""
    name, rest = member_id[: len(instance_id) + 1], member_id[len(instance_id) + 1 :]
    return name == f"{instance_id}-" and len(rest) in _ID_LENGTHS
