"""What can go wrong in a stage, and the one way out: the process ends and its supervisor starts it again."""

# ruff: noqa: N818  # the names say what is the case; "Error" behind each would add nothing

import logging
import os
import sys
from contextlib import suppress
from typing import Final, NoReturn

import structlog

from newswire.pipeline.state import StateUnavailable

EXIT_FATAL: Final = 70
EXIT_DEADLINE: Final = 75


class StageError(Exception):
    """A stage cannot go on; the process has to end."""


class StageMisuse(StageError):
    """The code around the stage broke its contract (an undeclared output, a batch read by nobody)."""


class TopicMismatch(StageError):
    """The topics of a stage do not fit together; the message says what to do."""


class StateMismatch(StageError):
    """State and input position contradict each other; the message says what to do.

    Never answered by starting anew: that would lose records or repeat them.
    """


class StateLocked(StageError):
    """Another process holds this state folder."""


class PlaceTaken(StageError):
    """Another process is this static member of the group; the message says what to do."""


class StateWriteFailed(StageError):
    """The local state could not be written: a full disk, a missing folder, no permission."""


class StateReadFailed(StageError, StateUnavailable):
    """The local state could not be read: damaged, no memory, too many open files."""


class Stuck(StageError):
    """Something was to be done and nothing was committed for too long."""


class PartitionClosed(StageError):
    """Work was submitted to a partition that this process no longer owns; the new owner will do it again."""


class RecordTooLarge(ValueError):
    """One record is over the stage's size limit; raised before anything of it is sent."""


def fatal(error: BaseException, who: str) -> NoReturn:
    """End this process at once with status 70, after one log line that names `who` and `error`.

    Nothing of the running transaction is applied: the next owner's fence aborts it. Callable from any thread.
    """
    with suppress(Exception):
        structlog.get_logger("newswire.stage").critical("fatal", who=who, error=repr(error), exc_info=error)
    for flush in (logging.shutdown, sys.stdout.flush, sys.stderr.flush):
        with suppress(Exception):
            flush()
    os._exit(EXIT_FATAL)
