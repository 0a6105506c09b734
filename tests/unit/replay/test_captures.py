"""Captures to articles: the manifest's times decide, whatever the order of its lines."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.folder import open_folder
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.replay.where import Where
from newswire.pipeline.settings import Settings
from newswire.schemas import RawArticle

Given = list[tuple[int, str | None, str | None]]


def folder_of(path: Path, captures: list[tuple[int, dict[str, str]]]) -> Path:
    """A folder with captures of one feed in this order: each its time and its entries, title by guid."""
    path.mkdir()
    manifest = []
    for number, (at, entries) in enumerate(captures):
        items = "".join(f"<item><guid>{guid}</guid><title>{title}</title></item>" for guid, title in entries.items())
        (path / f"{number}.xml").write_text(f"<rss version='2.0'><channel><title>F</title>{items}</channel></rss>")
        manifest.append({"feed": "f", "time": at, "file": f"{number}.xml"})
    (path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in manifest))
    return path


async def decided(folder: Path, where: Where | None = None) -> tuple[Given, dict[str, int]]:
    """The articles that the captures of a folder give, each observed time, id and title, and the sums of the counts."""
    settings, state = Settings(), MemoryState()
    source = open_folder(folder, Selection(where=where))
    given: Given = []
    counts = {"new": 0, "changed": 0, "seen": 0, "skipped": 0}
    async with capture_reader(settings, where) as read:
        for capture in source.items(0):
            found = await read(capture, source.body(capture, settings.collect.body_max), state)
            for _, value in found.records:
                article = RawArticle.decode(value)
                assert article.observed_at is not None
                given.append((int(article.observed_at.timestamp()), article.entry_id, article.title))
            counts = {name: number + getattr(found, name) for name, number in counts.items()}
    return given, counts


CAPTURES: list[tuple[int, dict[str, str]]] = [
    (100, {"a": "A"}),
    (200, {"a": "A, corrected", "b": "B"}),
    (300, {"b": "B", "c": "C"}),
]


async def test_captures_out_of_order_are_decided_as_in_order(tmp_path: Path) -> None:
    in_order = await decided(folder_of(tmp_path / "in-order", CAPTURES))
    shuffled = await decided(folder_of(tmp_path / "shuffled", [CAPTURES[number] for number in (2, 0, 1)]))
    assert in_order == shuffled
    assert in_order == (
        [(100, "a", "A"), (200, "b", "B"), (200, "a", "A, corrected"), (300, "c", "C")],
        {"new": 3, "changed": 1, "seen": 1, "skipped": 0},
    )


async def test_a_capture_that_is_there_twice_gives_nothing_more(tmp_path: Path) -> None:
    once, counts = await decided(folder_of(tmp_path / "once", CAPTURES))
    twice, more = await decided(folder_of(tmp_path / "twice", [*CAPTURES, CAPTURES[1], CAPTURES[0]]))
    assert twice == once
    assert more == {**counts, "seen": counts["seen"] + 3}


async def test_of_captures_at_one_time_the_later_line_is_the_later_one(tmp_path: Path) -> None:
    lines: list[tuple[int, dict[str, str]]] = [(100, {"a": "first"}), (100, {"a": "second"})]
    given, counts = await decided(folder_of(tmp_path / "f", lines))
    assert given == [(100, "a", "first"), (100, "a", "second")]
    assert (counts["new"], counts["changed"]) == (1, 1)


async def test_what_is_not_wanted_is_known_all_the_same(tmp_path: Path) -> None:
    where = Where('title.startsWith("A,") || title == "C"', "raw")
    given, counts = await decided(folder_of(tmp_path / "f", CAPTURES), where)
    assert given == [(200, "a", "A, corrected"), (300, "c", "C")]
    assert counts == {"new": 3, "changed": 1, "seen": 1, "skipped": 2}


def test_times_of_the_manifest_are_the_observed_times(tmp_path: Path) -> None:
    captures: Any = open_folder(folder_of(tmp_path / "f", CAPTURES), Selection()).captures
    assert [capture.at for capture in captures] == [datetime.fromtimestamp(at, UTC) for at, _ in CAPTURES]
