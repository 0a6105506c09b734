"""The checker where retention has taken raw: it rebuilds it from the archive, and finds as much as with it."""

import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from newswire.pipeline.archive.record import Origin
from newswire.pipeline.archive.write import ArchiveWriter
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.warc import open_warc
from newswire.pipeline.settings import ArchiveSettings, Settings
from newswire.pipeline.supervisor import running_service
from tests.crash.copies import Change, Copied, copy_namespace
from tests.crash.verifying import forget, same, verify
from tests.unit.archive.answers import answer
from tests.unit.feeds.site import rss
from tests.wire import produce, read_topic, wire_settings

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

FEEDS = ("https://a.example/rss", "https://b.example/rss", "https://c.example/rss")
POLLS = 24
KEPT = {"raw": 45, "prepared": 20, "unique": 6, "analyzed": 50}
"""Offsets before which retention takes the records of a copy; unique has several partitions."""


def write_archive(folder: Path, namespace: str) -> None:
    """Polls of three feeds in turn: each gives a new entry and the last two, and now and then one that was changed."""
    archive = ArchiveWriter(folder, namespace, "host", 20_000)
    for number in range(POLLS * len(FEEDS)):
        feed, poll = FEEDS[number % len(FEEDS)], number // len(FEEDS)
        entries = [f"entry{n} report {n} of {feed[8]}" for n in range(max(0, poll - 2), poll + 1)]
        if poll % 5 == 4:
            entries[0] += " corrected"
        before = int(answer(number - len(FEEDS)).at.timestamp()) if poll else None
        archive.write(answer(number, rss(*entries), feed, origin=Origin(feed, None, 1, before, read=True)))
    archive.close()


async def raw_values(folder: Path, settings: Settings) -> list[bytes]:
    """The raw records of the archive; those of every fourth poll are committed after those of the next one."""
    archive, state = open_warc(folder, lambda feed, at: True, ""), MemoryState()
    async with capture_reader(settings) as reader:
        decided = [await reader(one, archive.body(one, 1 << 20), state) for one in archive.items(0)]
    for index in range(0, len(decided) - 1, 4):
        decided[index], decided[index + 1] = decided[index + 1], decided[index]
    return [value for one in decided for _, value in one.records]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def made(kafka: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Settings, int]]:
    """A namespace through which the real service has taken the articles of an archive, and their number."""
    folder = tmp_path_factory.mktemp("rebuilt")
    name = f"v{uuid.uuid4().hex[:8]}"
    settings = wire_settings(
        name, folder / "state", kafka.bootstrap_servers, analyze={"constant_ms": 0.0}, archive={"folder": folder}
    )
    write_archive(folder, name)
    values = await raw_values(folder, settings)
    async with connect(settings) as connection, running_service(settings, connection):
        await produce(settings, "raw", values)
        await read_topic(settings, "outcomes", count=len(values))
    yield settings, len(values)


async def copied(made: Settings, namespace: str, change: Change, folder: Path) -> Settings:
    """A copy of the namespace from which retention has taken, with a copy of its archive in a folder."""
    assert made.kafka.bootstrap_servers is not None
    assert made.archive.folder is not None
    await copy_namespace(made.kafka.bootstrap_servers, made.namespace, namespace, change)
    await forget(made, namespace, KEPT)
    for file in made.archive.folder.glob("*.warc.gz"):
        shutil.copy(file, folder / file.name.replace(made.namespace, namespace))
    write_archive(folder, f"{namespace}-2")  # another wire's files in the same folder
    return made.model_copy(update={"namespace": namespace, "archive": ArchiveSettings(folder=folder)})


def cut(record: Copied) -> list[bytes]:
    """Leave out an enriched record and an outcome."""
    return [] if (record.topic, record.number) in (("enriched", 9), ("outcomes", 12)) else [record.value]


def other_byte(record: Copied) -> list[bytes]:
    """Change a letter of an enriched record and of a prepared one that is kept."""
    if (record.topic, record.number) not in (("enriched", 9), ("prepared", 60)):
        return [record.value]
    at = record.value.index(b'"title":"') + 9
    return [record.value[:at] + b"X" + record.value[at + 1 :]]


def added(record: Copied) -> list[bytes]:
    """Write an enriched record once more, as another one."""
    again = [record.value.replace(b'"sequence":', b'"sequence":1000')] * (
        (record.topic, record.number) == ("enriched", 9)
    )
    return [record.value, *again]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(same, set(), id="none"),
        pytest.param(other_byte, {("different", "enriched"), ("different", "prepared")}, id="changed"),
        pytest.param(added, {("foreign", "enriched")}, id="added"),
    ],
)
async def test_a_wire_without_the_beginning_of_raw(
    made: tuple[Settings, int], namespace: str, tmp_path: Path, change: Change, found: set[tuple[str, str]]
) -> None:
    settings = await copied(made[0], namespace, change, tmp_path)
    report = await verify(settings)
    assert report.partial is None
    assert {(fault.kind, fault.topic) for fault in report.faults} == found
    assert (report.records, report.rebuilt) == (made[1], KEPT["raw"])
    assert report.compared["outcomes"] == made[1]
    assert report.compared["enriched"] == made[1] - (("different", "enriched") in found)
    assert report.compared["prepared"] == made[1] - KEPT["prepared"] - (("different", "prepared") in found)
    assert 0 < report.compared["unique"] < made[1]
    assert report.compared["analyzed"] == made[1] - KEPT["analyzed"]


async def test_what_is_missing_is_found(made: tuple[Settings, int], namespace: str, tmp_path: Path) -> None:
    report = await verify(await copied(made[0], namespace, cut, tmp_path))
    assert report.partial is not None
    assert "record 12 has no outcome" in report.partial
    assert {(fault.kind, fault.topic) for fault in report.faults} == {("missing", "outcomes"), ("missing", "enriched")}


async def test_an_archive_that_lacks_a_poll(made: tuple[Settings, int], namespace: str, tmp_path: Path) -> None:
    settings = await copied(made[0], namespace, same, tmp_path)
    sorted(tmp_path.glob(f"{namespace}-2026*.warc.gz"))[0].unlink()
    report = await verify(settings)
    assert report.holds
    assert report.partial is not None
    assert "record 0, article " in report.partial
    assert "is not in the archive" in report.partial


async def test_analyses_that_are_gone_cannot_be_trusted(
    made: tuple[Settings, int], namespace: str, tmp_path: Path
) -> None:
    report = await verify(await copied(made[0], namespace, same, tmp_path), trust=True)
    assert report.holds
    assert report.partial is not None
    assert "--trust-analysis" in report.partial
