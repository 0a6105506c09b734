"""What is written down of an embedded broker, and finding its process again."""

import json
import os
import random
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
    # A zombie only waits for the process that started it to look; it is gone for us.
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
        # The clients' ends: the broker's own list lacks what it has not accepted yet.
        links = psutil.net_connections(kind="tcp")
        return any(_is_open(link, link.raddr, port) and link.pid not in (broker_pid, os.getpid()) for link in links)
    except psutil.Error:
        pass
    try:
        # Where only root may list all connections: the broker's ends, less those whose other end is its own or ours.
        ends = psutil.Process(broker_pid).net_connections(kind="tcp")
        ours = {end.laddr[1] for end in ends + psutil.Process().net_connections(kind="tcp") if end.laddr}
        return any(_is_open(end, end.laddr, port) and end.raddr[1] not in ours for end in ends if end.raddr)
    except psutil.Error:
        return False


def _is_open(link: Any, end: Any, port: int) -> bool:
    return bool(link.status == psutil.CONN_ESTABLISHED and end and end.port == port)
