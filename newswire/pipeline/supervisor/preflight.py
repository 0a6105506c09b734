"""Whether this code can go on with what stands in a namespace: asked before the first worker is started.

Two things may come from another version of newswire: the state of a stage, and records on their way between stages.
A stage that found the first would end and be started again for ever; a record of a newer version would become a dead
letter without an outcome, and, with a sequence number, hold up all that come after it. A record of `raw` is another
thing: anybody may write there, so one of a version that nobody knows is a dead letter, which can be retried later.
"""

from collections.abc import Iterator, Mapping, Sequence

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from newswire.pipeline.app.stages import INPUTS
from newswire.pipeline.broker.errors import BrokerError, StateUnreadable
from newswire.pipeline.connection import Connection
from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.stage.position import OTHER_VERSION, POSITION_KEY, InputPosition
from newswire.pipeline.state import STATE_FORMATS
from newswire.schemas import AnalyzedArticle, PreparedArticle, UniqueArticle
from newswire.schemas.common import ContractError, parse_object
from newswire.schemas.versions import is_newer

BETWEEN = {"prepared": PreparedArticle.NAME, "unique": UniqueArticle.NAME, "analyzed": AnalyzedArticle.NAME}
"""The topics that only stages write, and the contract that this code knows of each."""


async def check_namespace(connection: Connection, namespace: str, roles: Sequence[str]) -> None:
    """Return when these roles can go on in the namespace, or begin there.

    Raises StateUnreadable, whose message says in a line what stands there and what to do, and BrokerError.
    """
    faults = await find_unreadable(connection, namespace, roles)
    if faults:
        raise StateUnreadable(f"namespace {namespace!r} cannot be gone on with: {'; '.join(faults)}")


async def find_unreadable(connection: Connection, namespace: str, roles: Sequence[str]) -> list[str]:
    """What these roles could not read, a phrase each with what to do. Raises BrokerError."""
    try:
        async with open_reader(connection.bootstrap_servers, connection.options) as reader:
            topics = [topic for role in roles for topic in (f"{role}.changelog", INPUTS[role])]
            bounds = await reader.bounds([p for topic in topics for p in reader.partitions(f"{namespace}.{topic}")])
            return [fault for role in roles for fault in await _examine(reader, bounds, namespace, role)]
    except KafkaError as error:
        raise BrokerError(f"the state of namespace {namespace!r} cannot be looked at: {error}") from error


async def _examine(reader: LogReader, bounds: Mapping[TopicPartition, range], namespace: str, role: str) -> list[str]:
    offsets: dict[int, int] = {}
    positions: list[InputPosition] = []
    for partition in reader.partitions(f"{namespace}.{role}.changelog"):
        record = await reader.newest(partition, bounds[partition], lambda record: record.key == POSITION_KEY)
        if record is None:
            continue
        try:
            position = InputPosition.decode(record.value)
        except (ValueError, KeyError, TypeError):
            return [f"the changelog {partition.topic} has a position that is none of newswire's: {OTHER_VERSION}"]
        offsets[partition.partition] = position.offset
        positions.append(position)
    faults = list(_other_versions(role, positions))
    topic = INPUTS[role]
    if topic in BETWEEN and not faults:
        for partition in reader.partitions(f"{namespace}.{topic}"):
            there = bounds[partition]
            waiting = range(max(there.start, offsets.get(partition.partition, 0)), there.stop)
            last = await reader.newest(partition, waiting, lambda _: True)
            if last is not None and (schema := _newer(last.value, BETWEEN[topic])) is not None:
                return [
                    f"records wait on {partition.topic} that a newer newswire wrote ({schema}; this version reads"
                    f" {BETWEEN[topic]}): run that one until `newswire ledger` shows nothing in flight, or stay with it"
                ]
    return faults


def _other_versions(role: str, positions: Sequence[InputPosition]) -> Iterator[str]:
    """The first state of a stage that cannot be read; its partitions have one version, but for an upgrade half done."""
    version, oldest = STATE_FORMATS[role]
    for position in positions:
        if not oldest <= position.version <= version:
            yield f"the state of {role} {position.explain_version(range(oldest, version + 1))}: {OTHER_VERSION}"
            return


def _newer(value: bytes | None, name: str) -> str | None:
    """The schema of a record, if it is a later version of the contract than `name`."""
    try:
        schema = parse_object(value).get("schema")
    except ContractError:
        return None
    return str(schema) if is_newer(schema, name) else None
