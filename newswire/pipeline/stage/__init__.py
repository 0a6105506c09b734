"""Exactly once: Faust agents over an in-memory channel, Kafka transactions underneath."""

from newswire.pipeline.stage.app import StageApp
from newswire.pipeline.stage.batch import Batch
from newswire.pipeline.stage.config import StageConfig
from newswire.pipeline.stage.errors import (
    PartitionClosed,
    PlaceTaken,
    RecordTooLarge,
    StageError,
    StageMisuse,
    StateLocked,
    StateMismatch,
    StateReadFailed,
    StateWriteFailed,
    Stuck,
    TopicMismatch,
    fatal,
)
from newswire.pipeline.stage.membership import Stage
from newswire.pipeline.stage.partition import Partition
from newswire.pipeline.stage.progress import StageProgress
from newswire.pipeline.stage.records import InputRecord, State
from newswire.pipeline.stage.runner import run_stages

__all__ = [
    "Batch",
    "InputRecord",
    "Partition",
    "PartitionClosed",
    "PlaceTaken",
    "RecordTooLarge",
    "Stage",
    "StageApp",
    "StageConfig",
    "StageError",
    "StageMisuse",
    "StageProgress",
    "State",
    "StateLocked",
    "StateMismatch",
    "StateReadFailed",
    "StateWriteFailed",
    "Stuck",
    "TopicMismatch",
    "fatal",
    "run_stages",
]
