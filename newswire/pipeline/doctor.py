"""What is wrong with this installation and its Kafka: checks that change nothing, each answered in a line."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from newswire.pipeline.closing import close
from newswire.pipeline.connection import Connection
from newswire.pipeline.settings import Settings

Level = Literal["ok", "warning", "fault"]

PYTHON_MIN = (3, 11)
SPACE_FAULT = 200 << 20
SPACE_WARNING = 2 << 30
"""Bytes free where the state is kept: below the first Kafka soon stops, below the second it soon may."""
CLOCK_LIMIT = 60.0
"""Seconds that clocks may differ by before it is worth a word."""

_BROKER_SECONDS = 5.0
_MADE = datetime(2026, 1, 1, tzinfo=UTC)
_END = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check. `advice` says what to do; it is empty when there is nothing to do."""

    check: str
    level: Level
    text: str
    advice: str = ""


Check = Callable[[Settings], Awaitable[list[Finding]]]


async def examine(settings: Settings, checks: Mapping[str, Check] | None = None) -> list[Finding]:
    """Make every check and return the findings in order. Changes nothing; takes some seconds at most.

    `checks` null takes all. A check that fails by itself is a finding too: nothing is raised.
    """
    findings: list[Finding] = []
    for name, check in (CHECKS if checks is None else checks).items():
        try:
            findings += await check(settings)
        except Exception as error:
            advice = "Report this with the output of `newswire doctor`."
            findings.append(Finding(name, "fault", f"the check failed: {type(error).__name__}: {error}", advice))
    return findings


async def check_python(_: Settings) -> list[Finding]:
    """The Python release, and that every library that newswire asks for is installed."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < PYTHON_MIN:
        wanted = ".".join(map(str, PYTHON_MIN))
        found = Finding("python", "fault", f"Python {version}", f"Install newswire with Python {wanted} or later.")
    else:
        found = Finding("python", "ok", f"Python {version}")
    return [found, check_libraries("newswire")]


def check_libraries(distribution: str) -> Finding:
    """Whether what a distribution requires (without its extras) is installed."""
    advice = "Install newswire again: `make setup` in a checkout."
    try:
        required = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return Finding("libraries", "fault", f"{distribution} is not installed as a package", advice)
    names = [match[0] for line in required if "extra ==" not in line and (match := re.match(r"[\w.-]+", line))]
    absent = [name for name in names if not _is_installed(name)]
    if absent:
        return Finding("libraries", "fault", f"not installed: {', '.join(absent)}", advice)
    return Finding("libraries", "ok", f"{len(names)} installed")


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


async def check_java(settings: Settings) -> list[Finding]:
    """The Java runtime and the jars of the embedded Kafka; nothing when the settings name another Kafka."""
    from newswire.pipeline.broker.errors import BrokerError
    from newswire.pipeline.broker.jars import default_cache_dir, locked_jars

    if settings.kafka.bootstrap_servers is not None:
        return [Finding("java", "ok", "not needed: kafka.bootstrap_servers is set")]
    from newswire.pipeline.broker.java import find_java

    folder = default_cache_dir()
    jars = check_jars(folder, {jar.file_name: jar.sha256 for jar in locked_jars()})
    try:
        java = find_java()
    except BrokerError as error:
        advice = "Install Java 17 or later, or set kafka.bootstrap_servers."
        return [Finding("java", "fault", str(error), advice), jars]
    cache = check_cache(java, [folder / jar.file_name for jar in locked_jars()])
    return [Finding("java", "ok", str(java)), jars, cache]


def check_cache(java: Path, jars: Sequence[Path]) -> Finding:
    """Whether Java's start-up cache for these jars is there, is yet to be made, or could not be made and why."""
    from newswire.pipeline.broker.aot import cache_file, failure_file

    name, cache = "kafka start-up cache", cache_file(java, jars)
    if cache is None:
        return Finding(name, "ok", "none with this Java or before the jars are there")
    if cache.exists():
        return Finding(name, "ok", str(cache))
    failed = failure_file(cache)
    if failed.exists():
        text = failed.read_text(encoding="utf-8", errors="replace").strip()
        return Finding(name, "warning", text, f"Kafka starts slower without. Remove {failed} to have it made again.")
    return Finding(name, "ok", "made at the next start, in half a minute")


def check_jars(folder: Path, sums: Mapping[str, str]) -> Finding:
    """Whether the jars (file name to SHA-256) are in the folder. What is missing or damaged is fetched at a start."""
    absent = [name for name in sums if not (folder / name).is_file()]
    damaged = [name for name in sums if name not in absent and _sha256(folder / name) != sums[name]]
    if not absent and not damaged:
        return Finding("kafka jars", "ok", f"{len(sums)} in {folder}, checksums right")
    parts = [f"{len(absent)} of {len(sums)} missing"] * bool(absent) + [f"damaged: {', '.join(damaged)}"] * bool(
        damaged
    )
    return Finding(
        "kafka jars",
        "warning",
        f"{'; '.join(parts)} in {folder}",
        "They are fetched at the next start, which needs the network: `newswire broker start`.",
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


async def check_model(settings: Settings) -> list[Finding]:
    """The model's files and their checksums, and what stands in its place."""
    from newswire.pipeline.analysis import huggingface
    from newswire.pipeline.analysis.concepts import Concepts
    from newswire.pipeline.analysis.encoder import MODEL_FOLDER, verify
    from newswire.pipeline.analysis.results import ModelError

    if settings.analyze.constant_ms is not None:
        advice = "Remove analyze.constant_ms: it is for load tests."
        return [Finding("model", "warning", "analyze.constant_ms is set: no topics, no entities", advice)]
    folder = settings.analyze.model or MODEL_FOLDER
    others = [model for model in (settings.analyze.entities, settings.analyze.topics) if model is not None]
    try:
        verify(folder)
        if settings.analyze.second_level:
            Concepts.load(folder)
        for model in others:
            huggingface.verify(model)
    except ModelError as error:
        return [Finding("model", "fault", str(error), "Without a model nothing is analysed.")]
    return [Finding("model", "ok", ", ".join((f"{folder.name}, checksums right", *others)))]


async def check_state(settings: Settings) -> list[Finding]:
    """That the state folder (or the folder it will be made in) can be written, and the space that is free there."""
    folder = settings.state_dir.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    advice = "Give this user the right to write there, or set state_dir."
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            now, stamp = time.time(), os.fstat(file.fileno()).st_mtime
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return [Finding("state folder", "fault", f"{settings.state_dir} cannot be written: {error}", advice)]
    return [judge_space(settings.state_dir, free), judge_clock(now, stamp)]


def judge_space(folder: Path, free: int) -> Finding:
    """What to say of so many bytes free in the state folder."""
    text = f"{folder}, {free / (1 << 30):.1f} GiB free"
    if free < SPACE_FAULT:
        return Finding("state folder", "fault", text, "Free some space: Kafka stops when the disk is full.")
    if free < SPACE_WARNING:
        return Finding("state folder", "warning", text, "Free some space, or shorten kafka.raw_retention_seconds.")
    return Finding("state folder", "ok", text)


def judge_clock(now: float, stamp: float) -> Finding:
    """What to say of this machine's clock, and of the time that its disk gives a file written now (Unix seconds)."""
    moment = datetime.fromtimestamp(now, UTC)
    text = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    if not _MADE < moment < _END:
        return Finding("clock", "fault", text, "Set the clock: times of articles and retention depend on it.")
    if abs(now - stamp) > CLOCK_LIMIT:
        text += f", and the state folder's is {stamp - now:+.0f} s away"
        return Finding("clock", "warning", text, "Let both machines follow a time server.")
    return Finding("clock", "ok", text)


async def check_kafka(settings: Settings) -> list[Finding]:
    """That Kafka answers, that the namespace's topics are as they must be, and that its records are not of tomorrow."""
    from newswire.pipeline.broker.check import check_broker
    from newswire.pipeline.broker.embedded import EmbeddedBroker
    from newswire.pipeline.broker.errors import BrokerError

    if settings.kafka.bootstrap_servers is not None:
        connection = Connection(settings.kafka.bootstrap_servers, settings.kafka.client)
        advice = "Start that Kafka, or correct kafka.bootstrap_servers and kafka.client."
    else:
        running = EmbeddedBroker(settings.state_dir).status()
        if running is None:
            return [Finding("kafka", "ok", "the embedded one does not run; the commands that need it start it")]
        connection = Connection(running.bootstrap_servers)
        advice = f"Look into {running.log_file}, then `newswire broker stop` and `newswire broker start`."
    try:
        count = await check_broker(connection.bootstrap_servers, _BROKER_SECONDS, connection.options)
    except BrokerError as error:
        return [Finding("kafka", "fault", str(error), advice)]
    answers = Finding("kafka", "ok", f"{count} broker{'s' * (count > 1)} at {connection.bootstrap_servers}")
    return [answers, *await _check_topics(settings, connection)]


async def _check_topics(settings: Settings, connection: Connection) -> list[Finding]:
    from newswire.pipeline.broker.admin import ensure_topics
    from newswire.pipeline.broker.client import admin_client, existing_topics
    from newswire.pipeline.broker.errors import BrokerError
    from newswire.pipeline.broker.topics import wire_topics

    specs = wire_topics(settings.namespace, partitions=settings.kafka.partitions)
    try:
        async with admin_client(connection.bootstrap_servers, connection.options) as client:
            present = set(await existing_topics(client))
        there = [spec for spec in specs if spec.name in present]
        # Given only what exists it makes nothing, and checks all of it.
        await ensure_topics(connection.bootstrap_servers, there, connection.options)
    except BrokerError as error:
        return [Finding("topics", "fault", str(error), "Do as the line says; nothing was changed.")]
    if not there:
        text = f"none of the namespace {settings.namespace} yet; the first start makes them"
        return [Finding("topics", "ok", text)]
    if len(there) < len(specs):
        absent = ", ".join(sorted({spec.name for spec in specs} - present))
        return [Finding("topics", "warning", f"missing: {absent}", "The next start of `newswire run` makes them.")]
    ahead = await _check_stamps(settings, connection)
    written = await _check_versions(settings, connection)
    return [Finding("topics", "ok", f"{len(specs)} of the namespace {settings.namespace}"), *written, ahead]


async def _check_stamps(settings: Settings, connection: Connection) -> Finding:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    # `raw` carries the broker's own times: one that lies ahead of us tells that the clocks differ.
    limit = int((time.time() + CLOCK_LIMIT) * 1000)
    partition = TopicPartition(settings.topic("raw"), 0)
    consumer = AIOKafkaConsumer(**connection.options, bootstrap_servers=connection.bootstrap_servers, group_id=None)
    await consumer.start()
    try:
        later = (await consumer.offsets_for_times({partition: limit}))[partition]
    finally:
        await close(consumer)
    if later is None:
        return Finding("broker clock", "ok", "no record of raw is from the future")
    text = f"records of raw are over {CLOCK_LIMIT:g} s ahead of this machine"
    return Finding("broker clock", "warning", text, "Let this machine and the brokers follow a time server.")


async def _check_versions(settings: Settings, connection: Connection) -> list[Finding]:
    from newswire.pipeline.app.stages import ROLES
    from newswire.pipeline.broker.errors import BrokerError
    from newswire.pipeline.supervisor.preflight import find_unreadable

    try:
        faults = await find_unreadable(connection, settings.namespace, ROLES)
    except BrokerError as error:
        return [Finding("state", "fault", str(error), "Look at the broker, and ask again.")]
    advice = "`newswire run` refuses to start until then."
    return [Finding("state", "fault", fault, advice) for fault in faults] or [
        Finding("state", "ok", "all of it is of this version of newswire, or none is there")
    ]


CHECKS: dict[str, Check] = {
    "python": check_python,
    "java": check_java,
    "model": check_model,
    "state folder": check_state,
    "kafka": check_kafka,
}
