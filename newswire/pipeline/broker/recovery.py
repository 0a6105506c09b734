"""After a crash: the dead broker is taken off the cluster's list before its successor starts.

A broker that ends without a word stays listed as the leader of its partitions. Its successor then loads the
transactions that the dead one had promised to commit, waits for the old listing to end, finds its partitions without a
leader in between, and drops the commit marks ("these partitions are likely deleted already"): promised records that no
reader of committed ones ever gets (Kafka 4.4.0: after most kills right behind a commit). So the controller runs alone
first, on the same data, until it has ended the old listing; that also takes less time than waiting for its end would.
"""

import re
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import structlog

from newswire.pipeline.broker.config import STARTED, controller_properties, jvm_environment
from newswire.pipeline.broker.errors import BrokerError

CLEAN_END = ".kafka_cleanshutdown"
"""The file that Kafka leaves in its data when it ends in order, and takes away when it starts."""

_SESSION_MS = 200
_STOP_SECONDS = 10.0
_LOGGED = ("org.apache.kafka.controller.ClusterControlManager", "org.apache.kafka.controller.QuorumController")
_ACTIVE = "Becoming the active controller"
_LISTED = re.compile(
    r"Replayed [^\n]*(?:RegisterBroker|BrokerRegistrationChange)Record[^\n]*\bfenced=(-?1|true|false)\b"
)
_log = structlog.get_logger(__name__)


def ended_in_order(data: Path) -> bool:
    """Whether the last broker on this data was stopped, not killed."""
    return (data / CLEAN_END).exists()


def is_delisted(log: str) -> bool:
    """Whether a controller's log says that it is in charge, and that no broker counts as alive (any more)."""
    changes = _LISTED.findall(log)
    return _ACTIVE in log and STARTED in log and (not changes or changes[-1] in ("1", "true"))


def delist_dead_broker(
    java: Sequence[str], folder: Path, data: Path, controller_port: int, *, lock: int, limit: float
) -> None:
    """Run the controller alone on `data` until the broker that died counts as gone, then stop it.

    `java`: the command with its flags and class path. `lock`: a descriptor the process holds while it lives. `limit`:
    seconds. Raises BrokerError, with the end of the controller's log, when it ends by itself or the time is over.
    """
    begun = time.monotonic()
    properties, log_file = folder / "recovery.properties", folder / "recovery.log"
    properties.write_text(controller_properties(data, controller_port, _SESSION_MS), encoding="utf-8")
    levels = [f"-Dorg.slf4j.simpleLogger.log.{name}=info" for name in _LOGGED]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [java[0], _mark(folder), *levels, *java[1:], "kafka.Kafka", str(properties)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            pass_fds=(lock,),
            start_new_session=True,
            env=jvm_environment(),
        )
    try:
        while not is_delisted(said := log_file.read_text(encoding="utf-8", errors="replace")):
            if process.poll() is not None or time.monotonic() - begun > limit:
                end = "\n".join(said.splitlines()[-20:])
                raise BrokerError(f"cannot recover the embedded Kafka in {data}. The end of {log_file}:\n{end}")
            time.sleep(0.05)
        process.terminate()
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _log.warning("the controller does not end by itself: killed", pid=process.pid)
    finally:
        process.kill()
        process.wait()
    _log.info("took the embedded Kafka that died off its cluster", seconds=round(time.monotonic() - begun, 1))


def end_left_over(folder: Path) -> None:
    """End a recovery whose starter was killed meanwhile; call it while nobody else may start one."""
    mark = _mark(folder)
    for process in psutil.process_iter(["cmdline"]):
        if mark in (process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _mark(folder: Path) -> str:
    return f"-Dnewswire.recovery={folder}"
