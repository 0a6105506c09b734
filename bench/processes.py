"""What processes cost: CPU seconds and resident memory of a service and of its broker."""

from collections.abc import Iterable

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """A process and all of its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time that the processes have spent so far, in seconds."""
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def memory_mib(processes: Iterable[psutil.Process]) -> float:
    """Resident memory of the processes together, in MiB (what they share is counted in each)."""
    return float(sum(process.memory_info().rss for process in processes)) / (1 << 20)
