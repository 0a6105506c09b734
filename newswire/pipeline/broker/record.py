"""What is written down of an embedded broker, and finding its process again."""

import json
import os
import random
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from newswire.pipeline.broker.config import folder_mark

# Below the ports that systems hand out for outgoing connections, so that nobody is given ours while the broker is down.
_PORTS = range(20_000, 32_000)
# Start times are computed from the boot time, which follows the clock; a reused pid differs by far more.
_SAME_START = 5.0


@dataclass(frozen=True)
class Record:
    """The record file of a broker: its two ports, and, once started, its pid and start time (Unix seconds)."""

    client_port: int
    controller_port: int
    pid: int | None = None
    started: float | None = None


def load_record(path: Path) -> Record | None:
    """The record at `path`, or None where there is none that can be read (a damaged one is written anew)."""
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def save_record(path: Path, record: Record) -> None:
    """Write the record so that a reader sees the old one or the new one, never a part. Raises OSError."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")
    draft.replace(path)


def find_process(folder: Path, record: Record | None) -> psutil.Process | None:
    """The living process of the broker in `folder`, or None.

    The record's pid counts only with the start time that was written with it. A starter that was killed before it
    could write them leaves a broker all the same: that one is found by the folder's name on its command line.
    """
    if record is not None and record.pid is not None and record.started is not None:
        process = _living(record.pid, record.started)
        if process is not None:
            return process
    mark = folder_mark(folder)
    for process in psutil.process_iter(["cmdline"]):
        if mark in (process.info["cmdline"] or ()):
            return _living(process.pid)
    return None


def _living(pid: int, started: float | None = None) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        same = started is None or abs(process.create_time() - started) < _SAME_START
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def choose_ports(kept: Record | None) -> tuple[int, int]:
    """Two free ports on loopback: the record's if they are free, so that clients find the broker again, else others.

    Raises OSError when none is free.
    """
    if kept is not None and _is_free(kept.client_port) and _is_free(kept.controller_port):
        return kept.client_port, kept.controller_port
    free = (port for port in random.sample(_PORTS, len(_PORTS)) if _is_free(port))
    try:
        return next(free), next(free)
    except StopIteration:
        raise OSError(f"no free port on 127.0.0.1 between {_PORTS.start} and {_PORTS.stop}") from None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the broker binds: connections of its last life that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def others_connected(broker_pid: int, port: int) -> bool:
    """Whether a process that is neither the broker nor this one has an open connection to the broker's port."""
    try:
        links = psutil.Process(broker_pid).net_connections(kind="tcp")
        ours = {link.laddr.port for link in (*links, *psutil.Process().net_connections(kind="tcp")) if link.laddr}
    except psutil.Error:
        return False
    # The broker's ends of its connections, whose other end is neither its own nor ours.
    return any(
        link.status == psutil.CONN_ESTABLISHED and link.laddr.port == port and link.raddr.port not in ours
        for link in links
    )
