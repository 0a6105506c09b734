"""The embedded broker as a process: started once, found again, recovered, ended."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.check import check_broker
from newswire.pipeline.broker.config import EmbeddedSettings
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.broker.locks import open_lock, try_lock, unlock
from newswire.pipeline.broker.record import load_record
from newswire.pipeline.broker.recovery import CLEAN_END
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.settings import load_settings

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = pytest.mark.broker

# A newswire command: has the broker, tells of it, and releases it when it is told to.
COMMAND = """
import json, sys
from pathlib import Path
import structlog
from newswire.pipeline.broker.embedded import EmbeddedBroker
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
broker = EmbeddedBroker(Path(sys.argv[1]))
running = broker.ensure()
print(json.dumps([running.pid, running.started_here]), flush=True)
sys.stdin.readline()
print(json.dumps(broker.release()), flush=True)
"""
# Any other client: a process with a connection to the broker's port.
CLIENT = """
import socket, sys
link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("true", flush=True)
sys.stdin.readline()
"""


class Other:
    """Another process that runs `program`."""

    def __init__(self, program: str, argument: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(argument)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def told(self) -> Any:
        """The next thing it says."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def go_on(self) -> None:
        """Let it go on to its end."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Kill it, if it still runs."""
        self.process.kill()
        self.process.communicate()


def is_gone(pid: int) -> bool:
    try:
        # A zombie whose parent has not looked yet has ended as well.
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def other() -> Iterator[Callable[[str, object], Other]]:
    """Starts other processes and ends them with the test."""
    started: list[Other] = []

    def start(program: str, argument: object) -> Other:
        started.append(Other(program, argument))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """An empty state folder; a broker that is left on it is ended."""
    yield tmp_path
    EmbeddedBroker(tmp_path).kill()
    shutil.rmtree(tmp_path / "broker", ignore_errors=True)


def test_two_starts_at_once_are_one_broker_that_outlives_its_starter(
    state_dir: Path, other: Callable[[str, object], Other]
) -> None:
    commands = [other(COMMAND, state_dir), other(COMMAND, state_dir)]
    (pid, first_started), (same_pid, second_started) = (command.told() for command in commands)
    assert pid == same_pid
    assert sorted([first_started, second_started]) == [False, True]

    starter, user = commands if first_started else reversed(commands)
    starter.process.send_signal(signal.SIGKILL)
    starter.process.wait()
    user.go_on()
    assert user.told() is False

    broker = EmbeddedBroker(state_dir)
    running = broker.ensure()
    assert (running.pid, running.started_here) == (pid, False)
    assert broker.release() is False
    assert asyncio.run(check_broker(running.bootstrap_servers)) == 1
    assert broker.stop() is True
    assert is_gone(pid)
    assert broker.status() is None
    assert broker.stop() is False


def test_its_starter_stops_it_at_the_end_unless_others_use_it(
    own_kafka: Callable[[], Kafka], other: Callable[[str, object], Other]
) -> None:
    kafka = own_kafka()
    pid, port = kafka.pid, int(kafka.bootstrap_servers.rpartition(":")[2])

    client = other(CLIENT, port)
    client.told()
    assert kafka.broker.release() is False
    client.end()

    kafka.start()
    command = other(COMMAND, kafka.state_dir)
    assert command.told() == [pid, False]
    assert kafka.broker.release() is False
    command.go_on()
    assert command.told() is False

    kafka.start()
    assert kafka.pid == pid
    # Our own connections do not keep it.
    with socket.create_connection(("127.0.0.1", port)):
        assert kafka.broker.release() is True
    assert is_gone(pid)
    assert kafka.broker.release() is False


async def make_topics(kafka: Kafka, namespace: str) -> None:
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=1))


async def produce(kafka: Kafka, topic: str, *values: bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=topic, max_request_size=11 << 20
    )
    async with producer, producer.transaction():
        for value in values:
            await producer.send_and_wait(topic, value)


async def consume(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    async with consumer, asyncio.timeout(120):
        return [(await consumer.getone()).value for _ in range(count)]


async def test_a_killed_broker_comes_back_with_its_data_and_ports(
    own_kafka: Callable[[], Kafka], namespace: str
) -> None:
    kafka = await asyncio.to_thread(own_kafka)
    pid, servers = kafka.pid, kafka.bootstrap_servers
    await make_topics(kafka, namespace)
    values = [b"one", bytes(10 << 20)]
    await produce(kafka, f"{namespace}.raw", *values)
    await asyncio.to_thread(kafka.kill)
    assert is_gone(pid)

    # The next command, which knows only the folder and its stale record.
    running = await asyncio.to_thread(EmbeddedBroker(kafka.state_dir).ensure)
    assert (running.bootstrap_servers, running.started_here) == (servers, True)
    assert running.pid != pid
    assert await consume(kafka, f"{namespace}.raw", 2) == values


def in_recovery(folder: Path) -> list[psutil.Process]:
    mark = str(folder / "recovery.properties")
    return [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or ())]


def test_a_recovery_that_was_left_alone_is_ended_by_the_next_start(
    own_kafka: Callable[[], Kafka], other: Callable[[str, object], Other]
) -> None:
    kafka = own_kafka()
    kafka.kill()
    starter = other(COMMAND, kafka.state_dir)
    deadline = time.monotonic() + 60
    while not (left := in_recovery(kafka.broker.folder)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    starter.process.send_signal(signal.SIGKILL)
    starter.process.wait()
    kafka.start()
    assert all(is_gone(process.pid) for process in left)
    assert asyncio.run(check_broker(kafka.bootstrap_servers)) == 1


async def test_it_moves_when_its_ports_are_taken(own_kafka: Callable[[], Kafka], namespace: str) -> None:
    kafka = await asyncio.to_thread(own_kafka)
    before = load_record(kafka.broker.folder / "record.json")
    assert before is not None
    await make_topics(kafka, namespace)
    await asyncio.to_thread(kafka.broker.stop)
    with (
        socket.create_server(("127.0.0.1", before.client_port)),
        socket.create_server(("127.0.0.1", before.controller_port)),
    ):
        await asyncio.to_thread(kafka.restart)
    after = load_record(kafka.broker.folder / "record.json")
    assert after is not None
    assert not {before.client_port, before.controller_port} & {after.client_port, after.controller_port}
    # It leads its partitions and takes records: it has found its own controller at the new port.
    await produce(kafka, f"{namespace}.raw", b"moved")
    assert await consume(kafka, f"{namespace}.raw", 1) == [b"moved"]


def newswire(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "newswire", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_shows_and_stops_a_broker_that_another_process_started(own_kafka: Callable[[], Kafka]) -> None:
    kafka = own_kafka()
    shown = newswire("broker", "status", "--json", "--state-dir", kafka.state_dir)
    assert shown.returncode == 0, shown.stderr
    facts = json.loads(shown.stdout)
    assert (facts["state"], facts["pid"]) == ("running", kafka.pid)
    assert facts["bootstrap_servers"] == kafka.bootstrap_servers

    stopped = newswire("broker", "stop", "--state-dir", kafka.state_dir)
    assert (stopped.returncode, stopped.stdout) == (0, "stopped\n"), stopped.stderr
    assert kafka.broker.status() is None

    shown = newswire("broker", "status", "--state-dir", kafka.state_dir)
    assert (shown.returncode, shown.stdout.split()) == (1, ["state", "not", "running"])
    assert newswire("broker", "start", "--state-dir", kafka.state_dir / "broker" / "record.json").returncode == 2


@pytest.mark.parametrize(("crashed", "log"), [(False, "broker.log"), (True, "recovery.log")])
def test_a_failed_start_shows_the_log_and_where_it_is(state_dir: Path, crashed: bool, log: str) -> None:
    data = state_dir / "broker" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\ncluster.id=none\nnode.id=77\n")
    if not crashed:
        (data / CLEAN_END).touch()
    broker = EmbeddedBroker(state_dir)
    with pytest.raises(BrokerError) as failure:
        broker.ensure()
    assert str(broker.folder / log) in str(failure.value)
    assert "77" in str(failure.value)
    assert broker.status() is None


def test_a_failed_format_shows_what_java_said(state_dir: Path) -> None:
    broker = EmbeddedBroker(state_dir, settings=EmbeddedSettings(heap_mb=1))
    with pytest.raises(BrokerError, match="cannot format") as failure:
        broker.ensure()
    assert str(broker.log_file) in str(failure.value)
    assert "heap" in str(failure.value)
    assert not (broker.folder / "data").exists()


def test_no_second_broker_on_a_folder_that_is_in_use(state_dir: Path) -> None:
    folder = state_dir / "broker"
    folder.mkdir()
    held = open_lock(folder / "alive.lock")
    assert try_lock(held)
    try:
        with pytest.raises(BrokerError, match=r"alive\.lock is held"):
            EmbeddedBroker(state_dir, settings=EmbeddedSettings(start_limit=0.2)).ensure()
    finally:
        unlock(held)


def test_who_waits_for_another_start_gives_up_with_a_word(state_dir: Path) -> None:
    folder = state_dir / "broker"
    folder.mkdir()
    held = open_lock(folder / "start.lock")
    assert try_lock(held)
    try:
        begun = time.monotonic()
        with pytest.raises(BrokerError, match="another newswire command is starting or stopping"):
            EmbeddedBroker(state_dir, settings=EmbeddedSettings(start_limit=0.1, stop_limit=0.1)).ensure()
        assert time.monotonic() - begun < 10
    finally:
        unlock(held)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match="cannot run the embedded Kafka in"):
        EmbeddedBroker(tmp_path / "file").ensure()


async def test_a_command_whose_broker_ends_says_so_with_the_disk_and_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5 << 20))
    settings = load_settings(state_dir=tmp_path)

    async def lose_the_broker() -> None:
        async with connect(settings, topics=False):
            await asyncio.to_thread(EmbeddedBroker(tmp_path).kill)
            raise BrokerError("the connection is closed")

    with pytest.raises(BrokerError, match=r"Kafka ended\. .* only 5 MiB free: make room there.*broker\.log"):
        await lose_the_broker()
