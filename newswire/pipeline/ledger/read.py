"""Reading a namespace's books from Kafka: each stage's counters and position from its changelog, and raw's backlog."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from newswire.pipeline.ledger.balance import STAGES, Books, Ledger, StageBook, balance
from newswire.pipeline.ledger.counters import PREFIX, read_counts
from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.stories.resequence import HELD, NEXT
from newswire.schemas import RawRetry
from newswire.schemas.common import ContractError, parse_object
from newswire.schemas.versions import is_family

WRITERS = ("collect", "replay")


async def read_ledger(bootstrap_servers: str, options: Mapping[str, Any], namespace: str) -> Ledger:
    """The ledger of a namespace as it stands; the service may run meanwhile. Raises BrokerError."""
    async with open_reader(bootstrap_servers, options) as reader:
        return balance(await read_books(reader, namespace))


async def read_books(reader: LogReader, namespace: str) -> Books:
    """Everything that the ledger is made of.

    The order matters: what the writers wrote, then the stages from the last to the first, then `raw`; each reading
    is later than those that it is compared with from above, so that what moves meanwhile can only be under way.
    """
    written = {}
    for writer in WRITERS:
        counts, _ = await _read_stage(reader, namespace, writer)
        wrote = {feed: row["out"] for feed, row in counts.counts.items() if row.get("out")}
        if wrote:
            written[writer] = wrote
    stages: dict[str, StageBook] = {}
    offset: int | None = None
    for stage in reversed(STAGES):
        stages[stage], offset = await _read_stage(reader, namespace, stage)
    backlog, faults = await _read_backlog(reader, namespace, offset)
    return Books(stages, backlog, written, faults)


async def _read_stage(reader: LogReader, namespace: str, stage: str) -> tuple[StageBook, int | None]:
    """The stage's book, and the next offset that it will take (of a stage with one partition)."""
    sums: dict[str, Counter[str]] = {}
    records: int | None = None
    offset: int | None = None
    waiting, released = 0, 0
    for partition in reader.partitions(f"{namespace}.{stage}.changelog"):
        rows = await reader.table(partition, _is_counted)
        for feed, row in read_counts(iter(rows.items())).items():
            sums.setdefault(feed, Counter()).update(row)
        if POSITION_KEY in rows:
            position = InputPosition.decode(rows[POSITION_KEY])
            records = (records or 0) + position.records
            offset = position.offset
        waiting += sum(key.startswith(HELD) for key in rows)
        released += int(rows[NEXT]) - 1 if NEXT in rows else 0
    if stage != "cluster":
        return StageBook(sums, records), offset
    return StageBook(sums, records, waiting, released), offset


def _is_counted(key: bytes) -> bool:
    return key.startswith((PREFIX, HELD)) or key in (POSITION_KEY, NEXT)


async def _read_backlog(
    reader: LogReader, namespace: str, offset: int | None
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The articles of `raw` from an offset on, by feed, and whether some of them are gone."""
    backlog: Counter[str] = Counter()
    faults: tuple[str, ...] = ()
    for partition in reader.partitions(f"{namespace}.raw"):
        oldest = await reader.start(partition)
        if oldest > (offset or 0):
            faults = (f"raw was deleted up to offset {oldest}, but prepare stands at {offset or 0}: articles are lost",)
        async for record in reader.records(partition, offset):
            feed = _feed_of(record.value)
            if feed is not None:
                backlog[feed] += 1
    return dict(backlog), faults


def _feed_of(value: bytes | None) -> str | None:
    """The feed that prepare will count a record for; None for a retry, which is no new article."""
    try:
        fields = parse_object(value)
    except ContractError:
        return ""
    if is_family(fields.get("schema"), RawRetry.NAME):
        return None
    feed = fields.get("feed_url")
    return feed if isinstance(feed, str) else ""
