"""Three Kafka nodes as three local processes, each broker and controller, of which one at a time may be killed."""

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from newswire.pipeline.broker.config import STARTED, EmbeddedSettings, jvm_flags, server_properties
from newswire.pipeline.broker.jars import ensure_jars
from newswire.pipeline.broker.java import find_java
from newswire.pipeline.broker.record import choose_ports

NODES = 3
SESSION_MS = 3_000
"""After how long a silent broker loses its partitions to the others; Kafka's own default is 9 s."""

_SETTINGS = EmbeddedSettings(heap_mb=256)
_START_SECONDS = 60.0


@dataclass
class Node:
    """One of the processes; `number` counts from 1, as Kafka's node.id."""

    number: int
    folder: Path
    port: int
    controller_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        """What the process of now, or the last one, wrote."""
        return self.folder / "broker.log"


class KafkaCluster:
    """Three brokers with three replicas of everything, of which two have to confirm a write. Its methods block."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="newswire-kafka-"))
        self.nodes = [Node(number, self._folder / str(number), *choose_ports(None)) for number in range(1, NODES + 1)]
        self._java = [
            str(find_java()),
            *jvm_flags(_SETTINGS),
            "-cp",
            os.pathsep.join(map(str, ensure_jars(_SETTINGS.cache_dir))),
        ]

    @property
    def bootstrap_servers(self) -> str:
        """host:port of all three."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> "KafkaCluster":
        """Format the three folders and start the processes; returns itself when all say that they started."""
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(lambda node: self._format(node, cluster), self.nodes))
        for node in self.nodes:
            self._launch(node)
        for node in self.nodes:
            self._await_started(node)
        return self

    def kill(self, node: Node) -> None:
        """SIGKILL to one; returns when it is gone."""
        assert node.process is not None
        node.process.kill()
        node.process.wait()

    def restart(self, node: Node) -> None:
        """Start one that was killed on its data and ports; returns when it says that it started."""
        self._launch(node)
        self._await_started(node)

    def close(self) -> None:
        """Kill all and remove their folders."""
        for node in self.nodes:
            if node.process is not None:
                self.kill(node)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _format(self, node: Node, cluster: str) -> None:
        node.folder.mkdir()
        properties = self._write_properties(node)
        tool = [*self._java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", properties]
        done = subprocess.run(tool, capture_output=True, text=True, timeout=_START_SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _launch(self, node: Node) -> None:
        with node.log_file.open("wb") as log:
            node.process = subprocess.Popen(
                [*self._java, "kafka.Kafka", self._write_properties(node)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=node.folder,
            )

    def _await_started(self, node: Node) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while STARTED not in (said := node.log_file.read_text(errors="replace")):
            assert node.process is not None
            assert node.process.poll() is None, said[-4000:]
            assert time.monotonic() < deadline, said[-4000:]
            time.sleep(0.1)

    def _write_properties(self, node: Node) -> str:
        text = server_properties(_SETTINGS, node.folder / "data", node.port, node.controller_port)
        values = dict(line.split("=", 1) for line in text.splitlines())
        # A fixed quorum needs no id of each node's folder when it is formatted.
        del values["controller.quorum.bootstrap.servers"]
        values |= {
            "controller.quorum.voters": ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in self.nodes),
            "node.id": str(node.number),
            "broker.session.timeout.ms": str(SESSION_MS),
            "broker.heartbeat.interval.ms": str(SESSION_MS // 6),
            "offsets.topic.replication.factor": str(NODES),
            "transaction.state.log.replication.factor": str(NODES),
            "transaction.state.log.min.isr": "2",
            "default.replication.factor": str(NODES),
            "min.insync.replicas": "2",
        }
        path = node.folder / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in values.items()), encoding="utf-8")
        return str(path)
