"""A disk that is full for some processes: they can write no file beyond a size. Needs no rights; Linux only.

    with full_disk(service.pid, room=50_000):    # the process and all that it started or starts meanwhile
        ...                                      # RocksDB gets EFBIG, as it would get ENOSPC
    ...                                          # room again

A file that is longer already cannot grow at all, so logs of such a process have to go to a pipe, or `room` has to be
beyond them. Python and Java ignore the signal that comes with the limit; a program that does not is killed by it.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


def limit_files(pid: int, size: int = resource.RLIM_INFINITY) -> None:
    """Let a running process, and what it starts, write no file beyond `size` bytes; one that is gone is no error."""
    with suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


@contextmanager
def full_disk(pid: int, room: int) -> Iterator[None]:
    """For the length of the block, the process and its descendants write no file beyond `room` bytes."""
    _limit_tree(pid, room)
    try:
        yield
    finally:
        _limit_tree(pid, resource.RLIM_INFINITY)


def _limit_tree(pid: int, size: int) -> None:
    # the parent first: what it starts from then on has its limit
    limit_files(pid, size)
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            limit_files(child.pid, size)
