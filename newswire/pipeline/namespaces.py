"""What the namespaces on a Kafka are, and removing one with what its workers keep on this machine."""

import shutil
from dataclasses import dataclass

from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.broker.locks import is_locked
from newswire.pipeline.broker.namespaces import delete_namespace, groups_with_members, list_namespaces
from newswire.pipeline.connection import Connection
from newswire.pipeline.ledger.balance import balance
from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.ledger.read import read_books
from newswire.pipeline.replay.writer import PROGRESS, Progress
from newswire.pipeline.settings import Settings

DELETE_SECONDS = 15.0
"""How long members that were killed have to leave their groups: a little more than their session timeout."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A namespace: the replay that made it (None: none did), what its ledger counts, and the groups at work on it.

    `collected` counts the articles that ever stood on its raw, `enriched` those emitted or updated.
    """

    namespace: str
    replay: Progress | None
    collected: int
    enriched: int
    in_use_by: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What it is, in words."""
        if self.replay is None:
            return "live"
        state = "finished" if self.replay.finished else "unfinished"
        return f"replay of {self.replay.origin or 'an unknown source'}, {state}"


async def survey(connection: Connection) -> list[Overview]:
    """All namespaces, by name. Reads each one's changelogs. Raises BrokerError."""
    at = (connection.bootstrap_servers, connection.options)
    async with open_reader(*at) as reader:
        return [await _look_at(reader, connection, name) for name in await list_namespaces(*at)]


async def _look_at(reader: LogReader, connection: Connection, namespace: str) -> Overview:
    row = None
    for partition in reader.partitions(f"{namespace}.replay.changelog"):
        row = (await reader.table(partition, lambda key: key == PROGRESS)).get(PROGRESS)
    total = balance(await read_books(reader, namespace)).total
    groups = await groups_with_members(connection.bootstrap_servers, namespace, connection.options)
    return Overview(
        namespace=namespace,
        replay=Progress.model_validate_json(row) if row is not None else None,
        collected=total.collected,
        enriched=total.outcomes["emitted"] + total.outcomes["updated"],
        in_use_by=tuple(groups),
    )


async def remove(settings: Settings, connection: Connection, namespace: str) -> int:
    """Delete a namespace: its topics, its groups, and the caches of its workers under the state folder.

    Returns how many topics there were. Raises BrokerError when somebody works on it (then nothing is deleted).
    """
    folder = settings.state_dir / "workers" / namespace
    running = sorted(lock.stem for lock in folder.glob("*.lock") if is_locked(lock))
    if running:
        raise BrokerError(f"{namespace} is in use on this machine by {', '.join(running)}. Stop what runs on it first.")
    deleted = await delete_namespace(
        connection.bootstrap_servers, namespace, connection.options, timeout=DELETE_SECONDS
    )
    shutil.rmtree(folder, ignore_errors=True)
    return deleted
