"""Locks between processes: flock on a file, which the kernel frees when the last holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newswire.pipeline.broker.errors import BrokerError


def open_lock(path: Path) -> int:
    """Open (and make) the lock file and return its descriptor, not inherited by programs that are started."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock if it is free now; shared holders do not exclude one another. True if it was taken."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Free the lock, also for children that share the descriptor, and close it."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock; False where the file does not exist."""
    if not path.exists():
        return False
    descriptor = open_lock(path)
    try:
        # Shared, so that two who look at the same moment do not take each other for the holder.
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path, limit: float, what: str) -> Iterator[None]:
    """Hold the lock within the block; wait for it at most `limit` seconds.

    Raises BrokerError, naming `what` the other holder is doing, when it was not free in that time.
    """
    descriptor = open_lock(path)
    try:
        deadline = time.monotonic() + limit
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise BrokerError(f"another newswire command is {what} ({path} is locked for {limit:g} s already)")
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)
