"""Fixtures for tests with a real broker. Mark such tests `broker`."""

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from newswire.pipeline.broker.embedded import Running
from tests.proxy import ProxiedBroker, Proxy

DOORS = 8


class Kafka:
    """An embedded broker on a folder of its own, for one or many tests; with DOORS ways to it through a proxy."""

    def __init__(self) -> None:
        # Not under tmp_path: pytest keeps that, and a broker's data is large.
        self.state_dir = Path(tempfile.mkdtemp(prefix="newswire-kafka-"))
        self.broker = ProxiedBroker(self.state_dir, DOORS)
        self.running: Running | None = None

    def start(self) -> "Kafka":
        """Start it, or find it running. Returns itself."""
        self.running = self.broker.ensure()
        return self

    @property
    def bootstrap_servers(self) -> str:
        """host:port of the broker; the same through kill and restart."""
        assert self.running is not None
        return self.running.bootstrap_servers

    def proxy(self, number: int = 0) -> Proxy:
        """A proxy before the broker, for clients that start at its address; enter each number once at a time."""
        return self.broker.proxy(number)

    @property
    def pid(self) -> int:
        """The broker's process; another one after a restart."""
        assert self.running is not None
        return self.running.pid

    def kill(self) -> None:
        """SIGKILL, as a crash; returns when the process is gone."""
        self.broker.kill()

    def restart(self) -> None:
        """Start it again (stopping it first if it runs) on the same data and ports; returns when it answers."""
        self.running = self.broker.restart()

    def close(self) -> None:
        """End it and remove its folder."""
        try:
            self.broker.kill()
        finally:
            shutil.rmtree(self.state_dir, ignore_errors=True)


@pytest.fixture(autouse=True)
def fresh_logs() -> None:
    """Logs as structlog makes them by itself: a command that was tested before has set up its own."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """One broker for all tests; do not kill it (see own_kafka). Keep apart by `namespace`."""
    broker = Kafka()
    try:
        yield broker.start()
    finally:
        broker.close()


@pytest.fixture
def own_kafka() -> Iterator[Callable[[], Kafka]]:
    """Makes brokers of the test's own, started, which it may kill and restart: `broker = own_kafka()`."""
    made: list[Kafka] = []

    def make() -> Kafka:
        made.append(Kafka())
        return made[-1].start()

    try:
        yield make
    finally:
        for broker in made:
            broker.close()


@pytest.fixture
def namespace() -> str:
    """A namespace no other test has."""
    return f"t{uuid.uuid4().hex[:12]}"
