"""What a running service takes: memory and descriptors of its processes, and its disk."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.processes import cpu_seconds

MIB = 1 << 20
TABLES = (".changelog", ".feeds", ".ledger", ".stories")


@dataclass(frozen=True)
class Sample:
    """One look. `at`: seconds since the phase began.

    `memory`: MiB resident by process; `descriptors`: open ones by process; `disk`: MiB by kind (see `disk_use`).
    `cpu`: seconds that the service, the soak itself, and all that runs on the machine have spent. `raw`, `outcomes`:
    records so far; `oldest`: age in seconds of the oldest record that raw keeps.
    """

    at: float
    memory: Mapping[str, float]
    descriptors: Mapping[str, int]
    disk: Mapping[str, float]
    cpu: Mapping[str, float]
    raw: int
    outcomes: int
    oldest: float


def memory_use(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """Resident MiB by process."""
    return {name: process.memory_info().rss / MIB for name, process in processes.items()}


def descriptor_use(processes: Mapping[str, psutil.Process]) -> dict[str, int]:
    """Open file descriptors by process."""
    return {name: process.num_fds() for name, process in processes.items()}


def cpu_use(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """CPU seconds so far: of the service's processes, of this one, and of the whole machine."""
    machine = psutil.cpu_times()
    idle = machine.idle + getattr(machine, "iowait", 0.0)
    own = sum(psutil.Process().cpu_times()[:2])
    return {"service": cpu_seconds(processes.values()), "soak": own, "machine": sum(machine) - idle}


def disk_use(folder: Path, namespace: str) -> dict[str, float]:
    """Allocated MiB of a state folder by kind.

    `logs` are the topics that retention bounds, `tables` the compacted ones, `kafka` the broker's own (group offsets,
    transactions, metadata), `workers` the caches of the stages.
    """
    sizes = {"logs": 0.0, "tables": 0.0, "kafka": 0.0, "workers": _allocated(folder / "workers")}
    for topic in (folder / "broker" / "data").iterdir():
        sizes[_kind(topic.name.rpartition("-")[0], namespace)] += _allocated(topic)
    return sizes


def _kind(topic: str, namespace: str) -> str:
    if not topic.startswith(f"{namespace}."):
        return "kafka"
    return "tables" if topic.endswith(TABLES) else "logs"


def _allocated(folder: Path) -> float:
    """MiB of the blocks of all files in a folder; an index file of Kafka is 10 MB long and nearly all of it a hole."""
    total = 0
    for path, _, files in os.walk(folder):
        for file in files:
            with suppress(FileNotFoundError):  # deleted meanwhile
                total += Path(path, file).stat().st_blocks * 512
    return total / MIB
