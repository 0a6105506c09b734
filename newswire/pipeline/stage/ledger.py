"""What a stage puts on the ledger's topic with each transaction: the rows of its state that say how far it is.

The topic has one partition, and a transaction writes to it in one batch of records. A stage's records stand there
before it commits, so before the next stage can read what it passed on. Any beginning of the log up to a stable offset
is therefore a cut in which no stage is ahead of what it was given.
"""

from collections.abc import Mapping

from newswire.pipeline.stage.config import StageConfig
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.stage.records import OutputRecord
from newswire.pipeline.stage.store import StateStore


def position_key(stage: str, partition: int) -> bytes:
    """The key on the ledger's topic of the position of a stage's partition."""
    return f"{stage}/{partition}/position".encode()


def row_key(stage: str, partition: int, life: str, key: bytes = b"") -> bytes:
    """The key of another row; without one what all of them begin with. `life` is that of the position.

    A state that was deleted and begun again has another life, and leaves its old rows behind.
    """
    return f"{stage}/{partition}/life/{life}/".encode() + key


def changed_rows(
    config: StageConfig, partition: int, position: InputPosition, writes: Mapping[bytes, bytes | None]
) -> list[OutputRecord]:
    """Those of the written rows that belong on the ledger's topic."""
    rows = [
        OutputRecord(row_key(config.name, partition, position.life, key), value)
        for key, value in writes.items()
        if key.startswith((*config.ledger_rows, *config.ledger_recent))
    ]
    if POSITION_KEY in writes:
        rows.append(OutputRecord(position_key(config.name, partition), writes[POSITION_KEY]))
    return rows


def standing_rows(
    config: StageConfig, partition: int, position: InputPosition, store: StateStore
) -> list[OutputRecord]:
    """All rows of the state that belong on the ledger's topic for longer than a short time."""
    rows = {key: value for prefix in config.ledger_rows for key, value in store.scan(prefix)}
    return changed_rows(config, partition, position, {**rows, POSITION_KEY: position.encode()})
