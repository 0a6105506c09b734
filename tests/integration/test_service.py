"""The service as `newswire run` runs it: the same bytes as `enrich`, whatever is killed, and a clean stop."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from newswire.pipeline.broker.connect import connect
from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.supervisor import AlreadyRunning, Service, running_service
from tests.unit.stories.articles import article
from tests.wire import enrich, enriched_of, produce, raw_lines, read_topic, wire_settings

pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def ended(service: Service, name: str, pid: int, seconds: float = 60.0) -> None:
    """Wait until a process other than `pid` runs under the name."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = next(state for state in service.processes if state.name == name)
        if state.pid not in (None, pid):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} was not started again in {seconds:.0f} s")


async def test_the_service_gives_the_same_bytes_as_enrich(kafka: Any, namespace: str, tmp_path: Path) -> None:
    lines = raw_lines(200)
    expected = enrich(lines)
    settings = wire_settings(namespace, tmp_path, kafka.bootstrap_servers, analyze={"constant_ms": 0.0})
    async with connect(settings) as connection, running_service(settings, connection):
        await produce(settings, "raw", lines)
        outcomes = [json.loads(value) for value in await read_topic(settings, "outcomes", count=len(lines))]
        enriched = await read_topic(settings, "enriched")
    assert enriched == enriched_of(expected)
    assert len(outcomes) == len(lines)
    assert sorted(outcome["position"] for outcome in outcomes) == list(range(len(lines)))
    ended_otherwise = [json.loads(line) for line in expected if line not in set(enriched)]
    assert Counter(o["outcome"] for o in ended_otherwise) == Counter(
        o["outcome"] for o in outcomes if o["outcome"] not in ("emitted", "updated")
    )
    assert {"duplicate", "seen", "rejected", "dead", "updated"} <= {outcome["outcome"] for outcome in outcomes}


async def test_a_thousand_articles_that_waited_for_one_come_out_though_the_worker_dies(
    kafka: Any, namespace: str, tmp_path: Path
) -> None:
    settings = wire_settings(namespace, tmp_path, kafka.bootstrap_servers, run={"processes": {"wire": ["cluster"]}})
    records = [article(number, f"{number} ships in harbour {number}").encode() for number in range(1, 1_501)]
    async with connect(settings) as connection, running_service(settings, connection, ["cluster"]) as service:
        await produce(settings, "analyzed", [*records[1:], records[0]])
        await read_topic(settings, "outcomes", count=1)
        (state,) = service.processes
        assert state.pid is not None
        os.kill(state.pid, signal.SIGKILL)
        await ended(service, state.name, state.pid)
        outcomes = await read_topic(settings, "outcomes", count=len(records))
        enriched = await read_topic(settings, "enriched")
    assert len(outcomes) == len(records)
    assert [json.loads(value)["sequence"] for value in enriched] == list(range(1, len(records) + 1))


async def test_a_worker_that_stands_still_is_killed_and_its_work_goes_on(
    kafka: Any, namespace: str, tmp_path: Path
) -> None:
    settings = wire_settings(namespace, tmp_path, kafka.bootstrap_servers, run={"stall_seconds": 10.0})
    records = [article(number, f"{number} ships in harbour {number}").encode() for number in range(1, 41)]
    async with connect(settings) as connection, running_service(settings, connection, ["cluster"]) as service:
        await produce(settings, "analyzed", records[:20])
        await read_topic(settings, "outcomes", count=20)
        async with aiohttp.ClientSession() as session:
            await _healthy(session, f"http://127.0.0.1:{service.port}/health")
        (before,) = service.processes
        assert before.pid is not None
        os.kill(before.pid, signal.SIGSTOP)
        await produce(settings, "analyzed", records[20:])
        await ended(service, before.name, before.pid)
        (after,) = service.processes
        assert (after.restarts, after.last_exit) == (before.restarts + 1, -signal.SIGKILL)
        outcomes = await read_topic(settings, "outcomes", count=len(records))
        enriched = await read_topic(settings, "enriched")
    assert len(outcomes) == len(records)
    assert [json.loads(value)["sequence"] for value in enriched] == list(range(1, len(records) + 1))


async def test_analyzers_on_other_hosts_change_nothing_but_the_speed(
    kafka: Any, namespace: str, tmp_path: Path
) -> None:
    lines = raw_lines(200, seed=5)
    here, there = (
        wire_settings(namespace, tmp_path / host, kafka.bootstrap_servers, analyze={"constant_ms": 5.0})
        for host in ("here", "there")
    )
    async with (
        connect(here) as connection,
        running_service(here, connection) as service,
        running_service(there, connection, ["analyze"]) as other,
    ):
        await _shared(here.kafka.partitions, service, other)
        await produce(here, "raw", lines, pause=0.01)
        outcomes = await read_topic(here, "outcomes", count=len(lines))
        enriched = await read_topic(here, "enriched")
    assert len(outcomes) == len(lines)
    assert enriched == enriched_of(enrich(lines))


async def _shared(partitions: int, *services: Service, seconds: float = 60.0) -> None:
    """Wait until each service has partitions of analyze, all of them together."""
    deadline = time.monotonic() + seconds
    while True:
        stages = [state.stages for service in services for state in service.processes if "analyze" in state.roles]
        shares = [len(stage["analyze"]["partitions_ready"]) if stage else 0 for stage in stages]
        if min(shares) > 0 and sum(shares) == partitions:
            return
        assert time.monotonic() < deadline, shares
        await asyncio.sleep(0.1)


async def test_a_second_service_on_the_same_state_is_refused(kafka: Any, namespace: str, tmp_path: Path) -> None:
    settings = wire_settings(namespace, tmp_path, kafka.bootstrap_servers)
    async with connect(settings) as connection, running_service(settings, connection, ["prepare"]):
        with pytest.raises(AlreadyRunning, match="runs already"):
            async with running_service(settings, connection, ["prepare"]):
                pass


async def test_run_serves_health_and_metrics_and_stops_on_sigterm(kafka: Any, namespace: str, tmp_path: Path) -> None:
    config = tmp_path / "newswire.toml"
    config.write_text(
        f'namespace = "{namespace}"\nstate_dir = "{tmp_path}"\n[analyze]\nconstant_ms = 0.0\n'
        '[run]\nport = 0\n[run.processes]\nwire = ["prepare", "deduplicate", "analyze", "cluster"]\n'
    )
    log = tmp_path / "run.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "newswire", "run", "--config", str(config), "--broker", kafka.bootstrap_servers],
            stderr=stderr,
        )
    try:
        url = await _logged(log, "service runs", "health")
        async with aiohttp.ClientSession() as session:
            state = await _healthy(session, url)
            wire = state["processes"]["wire"]["health"]
            stages = (await _healthy(session, wire, "stages"))["stages"]
            assert set(stages) == {"prepare", "deduplicate", "analyze", "cluster"}
            async with session.get(wire.replace("/health", "/metrics")) as answer:
                assert 'newswire_stage_records_total{stage="prepare"}' in await answer.text()
        began = time.monotonic()
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
        assert time.monotonic() - began < 20
    finally:
        process.kill()
        process.wait()


async def test_workers_end_when_their_supervisor_is_killed(kafka: Any, namespace: str, tmp_path: Path) -> None:
    config = tmp_path / "newswire.toml"
    config.write_text(
        f'namespace = "{namespace}"\nstate_dir = "{tmp_path}"\n[run]\nport = 0\n[run.processes]\nwire = ["prepare"]\n'
    )
    log = tmp_path / "run.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "newswire", "run", "--config", str(config), "--broker", kafka.bootstrap_servers],
            stderr=stderr,
        )
    worker = int(await _logged(log, "worker starts", "pid"))
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and Path(f"/proc/{worker}").exists():  # noqa: ASYNC110 - a process has no event
        await asyncio.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()


def test_a_broker_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "newswire", "run", "--broker", "127.0.0.1:9"],
        env={"PATH": "/usr/bin:/bin", "NEWSWIRE_STATE_DIR": str(tmp_path), "NEWSWIRE_RUN__PORT": "0"},
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert b"no Kafka at 127.0.0.1:9" in done.stderr
    assert b"Traceback" not in done.stderr


async def _logged(log: Path, event: str, field: str, seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if line.startswith("{") and json.loads(line).get("event") == event:
                return json.loads(line)[field]
        await asyncio.sleep(0.1)
    raise AssertionError(f"no {event!r} in the log: {log.read_text()[-2000:]}")


async def _healthy(session: aiohttp.ClientSession, url: str, field: str = "processes", seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            async with session.get(url) as answer:
                body = await answer.json()
                if answer.status == 200 and body.get(field):
                    return body
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.1)
    raise AssertionError(f"{url} is not healthy")


async def test_an_embedded_kafka_that_dies_under_the_service_is_started_again(tmp_path: Path) -> None:
    settings = wire_settings(
        "kept",
        tmp_path,
        "",
        kafka={"bootstrap_servers": None, "session_timeout_ms": 6000},
        analyze={"constant_ms": 0.0},
    )
    lines = raw_lines(60, seed=8)
    broker = EmbeddedBroker(tmp_path)
    async with connect(settings, keep=True) as connection, running_service(settings, connection) as service:
        reachable = settings.model_copy(
            update={"kafka": settings.kafka.model_copy(update={"bootstrap_servers": connection.bootstrap_servers})}
        )
        await produce(reachable, "raw", lines[:30])
        await read_topic(reachable, "outcomes", count=30)
        first = broker.status()
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        faults = set()
        async with asyncio.timeout(120):
            while (now := await asyncio.to_thread(broker.status)) is None or now.pid == first.pid:
                faults.add(service.health()[1]["kafka"])
                await asyncio.sleep(0.05)
            while service.health()[1]["kafka"] != "ok":  # noqa: ASYNC110 - it is asked for, as a monitor does
                await asyncio.sleep(0.1)
        assert "the embedded Kafka has ended" in faults
        await produce(reachable, "raw", lines[30:])
        await read_topic(reachable, "outcomes", count=60, seconds=120)
        enriched = await read_topic(reachable, "enriched")
    assert enriched == enriched_of(enrich(lines))
    assert broker.status() is None
