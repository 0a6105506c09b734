"""The embedded broker: one Apache Kafka node as a process of its own, found again by whoever comes next.

Everything stands in `state_dir/broker`: the data, the record (ports, pid), the log, and three lock files. `start.lock`
is held while somebody starts or stops the broker; `alive.lock` by the broker process itself, inherited, for as long as
it lives; `users.lock`, shared, by each newswire command that uses it.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog

from newswire.pipeline.broker.aot import aot_flags, learning_flags
from newswire.pipeline.broker.client import admin_client, existing_topics, has_leaders
from newswire.pipeline.broker.config import (
    STARTED,
    EmbeddedSettings,
    folder_mark,
    jvm_environment,
    jvm_flags,
    server_properties,
)
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.broker.jars import ensure_jars
from newswire.pipeline.broker.java import find_java
from newswire.pipeline.broker.locks import exclusive, is_locked, open_lock, try_lock, unlock
from newswire.pipeline.broker.record import (
    Record,
    choose_ports,
    find_process,
    load_record,
    others_connected,
    save_record,
)
from newswire.pipeline.broker.recovery import delist_dead_broker, end_left_over, ended_in_order

_TAIL_LINES = 20
_PORT_ATTEMPTS = 3
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Running:
    """A broker that runs: where it answers, its process, whether the asking object started it, and its log."""

    bootstrap_servers: str
    pid: int
    started_here: bool
    log_file: Path


class EmbeddedBroker:
    """The broker of one state folder. Every method blocks; from async code call it with `asyncio.to_thread`.

    An object belongs to one thread at a time. Several objects, in any processes, may name one folder: there is one
    broker for all of them.
    """

    def __init__(self, state_dir: Path, *, settings: EmbeddedSettings | None = None) -> None:
        """`state_dir`: the folder that holds (or will hold) `broker/`. Nothing is done before a method is called."""
        self.folder = state_dir.absolute() / "broker"
        self.log_file = self.folder / "broker.log"
        self._settings = settings or EmbeddedSettings()
        self._data = self.folder / "data"
        self._record_file = self.folder / "record.json"
        self._alive_lock = self.folder / "alive.lock"
        self._child: subprocess.Popen[bytes] | None = None
        self._use: int | None = None

    def ensure(self) -> Running:
        """Have a broker that answers, and count as one of its users until `release`.

        The one that runs on the folder is used; else one is started, on the data and the ports of the last.
        Raises BrokerError, with the log's path and its end, when none answers within the start limit.
        """
        # Before the lock: a first fetch of the jars and the first cache take long, and two at once do no harm.
        command = None if self.status() else self._java_command()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._starting_or_stopping():
                running = self._answering() or self._start(command or self._java_command())
                if self._use is None:
                    self._use = open_lock(self.folder / "users.lock")
                    try_lock(self._use, shared=True)
        except OSError as error:
            raise BrokerError(f"cannot run the embedded Kafka in {self.folder}: {error}") from error
        return running

    def status(self) -> Running | None:
        """The broker that runs on the folder now, answering or still starting; None if there is none."""
        if not is_locked(self._alive_lock):
            return None
        record = load_record(self._record_file)
        process = find_process(self.folder, record)
        if record is None or process is None:
            return None
        return Running(
            f"127.0.0.1:{record.client_port}",
            process.pid,
            self._child is not None and self._child.pid == process.pid,
            self.log_file,
        )

    def release(self) -> bool:
        """Stop using the broker; stop it if this object started it and nobody else uses it. True if it was stopped.

        Others are newswire commands that hold the users' lock, and any process with a connection to its port.
        Raises BrokerError if it cannot be stopped.
        """
        if self._use is None:
            return False
        with self._starting_or_stopping():
            use, self._use = self._use, None
            alone = try_lock(use)
            unlock(use)
            running = self.status()
            if running is None or not running.started_here:
                return False
            if not alone or others_connected(running.pid, _port(running)):
                _log.info("the embedded Kafka stays: others use it", bootstrap_servers=running.bootstrap_servers)
                return False
            return self._end(running, signal.SIGTERM)

    def stop(self) -> bool:
        """Stop the broker, whoever uses it: SIGTERM, then SIGKILL after the stop limit. True if there was one.

        Raises BrokerError if it cannot be stopped.
        """
        return self._end_locked(signal.SIGTERM)

    def kill(self) -> bool:
        """End the broker at once with SIGKILL, as a crash would; for tests. True if there was one."""
        return self._end_locked(signal.SIGKILL)

    def restart(self) -> Running:
        """Stop the broker if it runs and start it again on the same data and ports. Raises as `ensure`."""
        self.stop()
        return self.ensure()

    def _answering(self) -> Running | None:
        """The broker that runs, once it answers; None if there is none, or it was on its way out."""
        running = self.status()
        try:
            if running is not None:
                self._await_ready(running.bootstrap_servers)
        except _EndedError:
            return None
        return running

    def _end_locked(self, how: signal.Signals) -> bool:
        if not self.folder.exists():
            return False
        with self._starting_or_stopping():
            running = self.status()
            return self._end(running, how) if running else False

    def _starting_or_stopping(self) -> AbstractContextManager[None]:
        limit = self._settings.start_limit + self._settings.stop_limit
        return exclusive(self.folder / "start.lock", limit, "starting or stopping the embedded Kafka")

    def _java_command(self) -> list[str]:
        java, jars = find_java(), ensure_jars(self._settings.cache_dir)
        learnt = [] if self._settings.rehearsal else aot_flags(java, jars)
        return [str(java), *jvm_flags(self._settings), *learnt, "-cp", os.pathsep.join(map(str, jars))]

    def _start(self, command: list[str]) -> Running:
        alive = open_lock(self._alive_lock)
        try:
            begun = time.monotonic()
            end_left_over(self.folder)
            # Held for a moment by a broker that is ending, or a format whose starter was killed.
            while not try_lock(alive):
                if time.monotonic() - begun > self._settings.start_limit:
                    raise BrokerError(f"{self._alive_lock} is held by a process that is no broker; end that process")
                time.sleep(0.1)
            for attempt in range(1, _PORT_ATTEMPTS + 1):
                try:
                    running = self._launch(command, alive)
                    break
                except _PortTakenError:
                    # Somebody took the port between our look and the broker's bind.
                    if attempt == _PORT_ATTEMPTS:
                        raise
            _log.info(
                "started the embedded Kafka",
                bootstrap_servers=running.bootstrap_servers,
                pid=running.pid,
                seconds=round(time.monotonic() - begun, 1),
            )
            return running
        finally:
            os.close(alive)

    def _launch(self, command: list[str], alive: int) -> Running:
        kept = load_record(self._record_file)
        ports = choose_ports(kept)
        if kept is not None and ports[0] != kept.client_port:
            _log.warning("the embedded Kafka moves: its port is taken", port=kept.client_port, now=ports[0])
        if not self._data.exists():
            self._format(command, ports, alive)
        elif not ended_in_order(self._data):
            limit = self._settings.start_limit
            delist_dead_broker(command, self.folder, self._data, ports[1], lock=alive, limit=limit)
        properties = self._write_properties("server.properties", self._data, ports)
        # Written before the process is there, so that one whose starter dies now can still be reached.
        save_record(self._record_file, Record(*ports))
        if self.log_file.exists():
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        rehearsal = self._settings.rehearsal
        learns = [] if rehearsal is None else learning_flags(rehearsal)
        with self.log_file.open("wb") as log:
            child = subprocess.Popen(
                [command[0], folder_mark(self.folder), *learns, *command[1:], "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                pass_fds=(alive,),
                start_new_session=True,
                env=jvm_environment(),
            )
        self._child = child
        save_record(self._record_file, Record(*ports, child.pid, psutil.Process(child.pid).create_time()))
        try:
            self._await_ready(f"127.0.0.1:{ports[0]}", child)
        except BaseException:
            # Also on Ctrl-C: a broker that was not waited for would be nobody's.
            child.kill()
            child.wait()
            raise
        return Running(f"127.0.0.1:{ports[0]}", child.pid, True, self.log_file)

    def _write_properties(self, name: str, data: Path, ports: tuple[int, int]) -> Path:
        path = self.folder / name
        path.write_text(server_properties(self._settings, data, *ports), encoding="utf-8")
        return path

    def _format(self, command: list[str], ports: tuple[int, int], alive: int) -> None:
        # In a folder that becomes the data by a rename: a format that was killed must not look like data.
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        properties = self._write_properties("format.properties", draft, ports)
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        tool = [*command, "kafka.tools.StorageTool", "format", "--standalone"]
        # An id that begins with a dash would be read as an option.
        tool += [f"--cluster-id={cluster}", "--config", str(properties)]
        limit = self._settings.start_limit
        try:
            # With the lock, so that nobody formats beside it if this process is killed meanwhile.
            done = subprocess.run(
                tool, capture_output=True, text=True, timeout=limit, cwd=self.folder, pass_fds=(alive,), check=False
            )
        except subprocess.TimeoutExpired as error:
            raise BrokerError(f"formatting {draft} for the embedded Kafka took over {limit:g} s") from error
        if done.returncode:
            self.log_file.write_text(done.stdout + done.stderr, encoding="utf-8")
            raise BrokerError(f"cannot format {draft} for the embedded Kafka.\n{self._log_tail()}")
        draft.rename(self._data)

    def _await_ready(self, bootstrap_servers: str, child: subprocess.Popen[bytes] | None = None) -> None:
        """Return when the broker answers. While we start it as `child`, the alive lock is held by us as well."""
        deadline = time.monotonic() + self._settings.start_limit
        while time.monotonic() < deadline:
            if child.poll() is not None if child else not is_locked(self._alive_lock):
                tail = self._log_tail()
                kind = _PortTakenError if "BindException" in tail or "Address already in use" in tail else _EndedError
                raise kind(f"the embedded Kafka ended while starting.\n{tail}")
            if self._says_started() and _in_own_loop(bootstrap_servers):
                return
            time.sleep(0.1)
        raise BrokerError(
            f"the embedded Kafka did not answer at {bootstrap_servers} in {self._settings.start_limit:g} s.\n"
            + self._log_tail()
        )

    def _says_started(self) -> bool:
        try:
            return STARTED in self.log_file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            # Somebody removed the log of a broker that runs; then its answers have to do.
            return True

    def _log_tail(self) -> str:
        try:
            lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            return f"Its log cannot be read: {error}"
        return "\n".join([f"The end of its log, {self.log_file}:", *lines[-_TAIL_LINES:]])

    def _end(self, running: Running, how: signal.Signals) -> bool:
        try:
            process = psutil.Process(running.pid)
            process.send_signal(how)
            if not self._gone(process):
                _log.warning("the embedded Kafka does not end by itself: killed", pid=running.pid)
                process.kill()
                if not self._gone(process):
                    raise BrokerError(f"the embedded Kafka, process {running.pid}, does not end even when killed")
        except psutil.NoSuchProcess:
            pass
        except psutil.Error as error:
            raise BrokerError(f"cannot stop the embedded Kafka, process {running.pid}: {error}") from error
        if self._child is not None and self._child.pid == running.pid:
            self._child.wait()
            self._child = None
        return True

    def _gone(self, process: psutil.Process) -> bool:
        """Wait, at most the stop limit, until the process is gone and has freed its lock."""
        deadline = time.monotonic() + self._settings.stop_limit
        # A zombie is gone: it stays one for as long as the process lives that started the broker.
        while is_locked(self._alive_lock) or (process.is_running() and process.status() != psutil.STATUS_ZOMBIE):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


class _EndedError(BrokerError):
    """The broker process is gone that was expected to answer."""


class _PortTakenError(_EndedError):
    """It is gone because somebody has its port."""


def _port(running: Running) -> int:
    return int(running.bootstrap_servers.rpartition(":")[2])


def _in_own_loop(bootstrap_servers: str) -> bool:
    """Whether the broker leads all of its partitions; asked in a thread, as the caller's may have an event loop."""
    with ThreadPoolExecutor(1, "broker-ready") as thread:
        return thread.submit(lambda: asyncio.run(_leads_all(bootstrap_servers))).result()


async def _leads_all(bootstrap_servers: str) -> bool:
    try:
        async with admin_client(bootstrap_servers, timeout=5.0) as client:
            return all(has_leaders(partitions) for partitions in (await existing_topics(client)).values())
    except BrokerError:
        return False
