"""What can be replayed, and in which order."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from newswire.pipeline.feeds.identity import raw_article_id
from newswire.pipeline.replay.folder import CaptureFolder
from newswire.pipeline.replay.items import CaptureError
from newswire.pipeline.replay.linefile import LineFile
from newswire.pipeline.replay.lines import SourceError, open_lines, read_lines
from newswire.pipeline.replay.selection import Selection, Span
from newswire.pipeline.replay.sources import open_source
from newswire.pipeline.replay.where import Where
from newswire.pipeline.settings import TextSettings
from newswire.schemas import RawArticle

TEXT = TextSettings()


def folder_of(path: Path, *lines: Any) -> Path:
    path.mkdir(exist_ok=True)
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    (path / "manifest.jsonl").write_text("".join(text + "\n" for text in texts))
    return path


def opened(path: Path, selection: Selection | None = None) -> CaptureFolder:
    source = open_source(path, selection or Selection(), TEXT)
    assert isinstance(source, CaptureFolder)
    return source


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_captures_come_by_time_then_line(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path / "f",
        {"feed": "late", "time": 300, "file": "a"},
        {"feed": "b", "time": "1970-01-01T00:03:20+00:00", "file": "b"},
        {"feed": "a", "time": 200.0, "file": "c"},
        {"feed": "early", "time": "1970-01-01T01:01:40+01:00", "file": "d.gz"},
    )
    captures = opened(folder).captures
    assert [(c.index, c.line, c.feed, c.at) for c in captures] == [
        (0, 4, "early", moment(100)),
        (1, 2, "b", moment(200)),
        (2, 3, "a", moment(200)),
        (3, 1, "late", moment(300)),
    ]
    assert [c.feed for c in opened(folder, Selection(Span(moment(200), moment(300)))).captures] == ["b", "a"]


def test_bad_lines_of_the_manifest_cost_themselves(tmp_path: Path) -> None:
    good = {"feed": "f", "time": 1, "file": "x"}
    bad = [
        "",
        "nonsense",
        "[]",
        {**good, "feed": ""},
        {**good, "file": 7},
        {**good, "time": True},
        {**good, "time": "May"},
    ]
    bad += [{**good, "time": 1e30}, {**good, "time": "2026-01-01T00:00:00"}, {**good, "file": "x\0"}]
    source = opened(folder_of(tmp_path / "f", *bad, good))
    assert len(source.captures) == 1
    assert len(source.faults) == len(bad)
    assert source.faults[1].startswith("manifest.jsonl line 2: not JSON")


def test_a_byte_order_mark_costs_no_capture(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "f", "\ufeff" + json.dumps({"feed": "f", "time": 1, "file": "x"}))
    assert (len(opened(folder).captures), opened(folder).faults) == (1, ())


def test_enrich_s_and_replay_s_records_are_the_same_after_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "raw.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"title": "a"}\n{"title": "b"}\n')
    source = open_source(file, Selection(), TEXT)
    assert isinstance(source, LineFile)
    with open_lines(file) as stream:
        assert (
            [line.value for line in source.items(0)]
            == list(read_lines(stream))
            == [b'{"title": "a"}', b'{"title": "b"}']
        )
    assert [line.value for line in source.items(1)] == [b'{"title": "b"}']


def test_files_outside_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = folder_of(tmp_path / "f")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "in").write_text("<rss/>")
    names = ["../secret", str(tmp_path / "secret"), "link", "in/../../secret", "in"]
    folder_of(folder, *({"feed": "f", "time": 1, "file": name} for name in names))
    source = opened(folder)
    assert [capture.file.name for capture in source.captures] == ["in"]
    assert all("outside the folder" in fault for fault in source.faults)
    assert len(source.faults) == 4


def test_bodies_are_read_within_their_limit(tmp_path: Path) -> None:
    names = ["plain", "packed.gz", "broken.gz", "missing", "bomb.gz"]
    folder = folder_of(tmp_path / "f", *({"feed": "f", "time": 1, "file": name} for name in names))
    (folder / "plain").write_bytes(b"body")
    (folder / "packed.gz").write_bytes(gzip.compress(b"body"))
    (folder / "broken.gz").write_bytes(gzip.compress(b"body" * 99)[:-9])
    (folder / "bomb.gz").write_bytes(gzip.compress(bytes(10_000_000)))
    source = opened(folder)
    plain, packed, *bad = source.captures
    assert source.body(plain, 4) == source.body(packed, 4) == b"body"
    for capture in bad:
        with pytest.raises(CaptureError):
            source.body(capture, 100)


def test_json_lines_keep_order_and_bytes(tmp_path: Path) -> None:
    lines = [
        b'{ "title": "one", "feed_url": "https://a.example/f", "observed_at": "2026-01-02T00:00:00Z" }',
        b"no json",
        b'{"feed_url": "https://b.example/f"}',
        b'{"title": "two", "observed_at": "2026-01-01T00:00:00Z"}',
    ]
    file = tmp_path / "raw.jsonl.gz"
    file.write_bytes(gzip.compress(b"\n".join(lines)))
    source = open_source(file, Selection(), TEXT)
    assert isinstance(source, LineFile)
    items = list(source.items(0))
    assert [item.value for item in items] == lines
    assert [item.feed for item in items] == ["https://a.example/f", "", "https://b.example/f", ""]
    assert items[0].key == raw_article_id(RawArticle.decode(lines[0])).encode()
    assert [item.key is None for item in items] == [False, True, True, False]
    assert [item.index for item in source.items(2)] == [2, 3]
    assert source.fraction == 1.0
    part = open_source(file, Selection(Span(begin=datetime(2026, 1, 2, tzinfo=UTC))), TEXT)
    assert isinstance(part, LineFile)
    assert [item.value for item in part.items(0)] == [lines[0], None, None, None]


def test_a_fingerprint_tells_sources_apart(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("a\n")
    second.write_text("b\n")
    folder = folder_of(tmp_path / "f", {"feed": "f", "time": 1, "file": "x"})
    selections = [
        Selection(),
        Selection(Span(end=datetime(2026, 1, 1, tzinfo=UTC))),
        Selection(feeds=frozenset({"f"})),
        Selection(where=Where("title == 'a'", "raw")),
        Selection(where=Where("title == 'b'", "raw")),
    ]
    prints = [open_source(path, one, TEXT).fingerprint for one in selections for path in (first, second, folder)]
    assert len(set(prints)) == 15
    assert open_source(first, Selection(), TEXT).fingerprint == prints[0]
    assert open_source(folder / "manifest.jsonl", Selection(), TEXT).fingerprint == prints[2]


def test_what_is_no_source_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        open_source(tmp_path / "missing", Selection(), TEXT)
    with pytest.raises(SourceError, match=r"manifest\.jsonl: No such file"):
        open_source(tmp_path, Selection(), TEXT)


def test_only_the_captures_of_wanted_feeds(tmp_path: Path) -> None:
    feeds = ("a", "https://user:secret@b.example/rss", "c")
    folder = folder_of(tmp_path / "f", *({"feed": feed, "time": 1, "file": "x"} for feed in feeds))
    source = opened(folder, Selection(feeds=frozenset({"a", "https://b.example/rss"})))
    assert [capture.feed for capture in source.captures] == [*feeds[:2]]
    with pytest.raises(SourceError, match=r"no capture of feed 'd'; it has: a, c, https://b\.example/rss"):
        opened(folder, Selection(feeds=frozenset({"a", "d"})))


def test_only_the_lines_that_are_wanted(tmp_path: Path) -> None:
    lines = [
        b'{"feed_url": "a", "title": "one", "language": "en"}',
        b'{"feed_url": "a", "title": "two"}',
        b'{"feed_url": "b", "title": "three", "language": "en"}',
        b"poison",
        b'{"feed_url": "a"}',
    ]
    file = tmp_path / "raw.jsonl"
    file.write_bytes(b"\n".join(lines))

    def given(selection: Selection) -> list[int]:
        source = open_source(file, selection, TEXT)
        assert isinstance(source, LineFile)
        return [line.index for line in source.items(0) if line.value is not None]

    assert given(Selection(feeds=frozenset({"a"}))) == [0, 1, 4]
    assert given(Selection(feeds=frozenset({"a", "b"}))) == [0, 1, 2, 4]
    assert given(Selection(where=Where("language == 'en'", "raw"))) == [0, 2]
    assert given(Selection(where=Where("language == null", "raw"))) == [1]
    assert given(Selection(feeds=frozenset({"a"}), where=Where("title != 'two'", "raw"))) == [0]
