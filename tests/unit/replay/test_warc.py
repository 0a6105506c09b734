"""WARC files as a source: which bodies, in which order, and what the service's own say about their polls."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from newswire.pipeline.archive.index import index_path
from newswire.pipeline.archive.record import Origin
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.items import CaptureError
from newswire.pipeline.replay.linefile import LineFile
from newswire.pipeline.replay.lines import SourceError
from newswire.pipeline.replay.selection import Selection, Span
from newswire.pipeline.replay.sources import open_source
from newswire.pipeline.replay.warc import WarcArchive, WarcCapture
from newswire.pipeline.settings import Settings, TextSettings
from newswire.schemas import RawArticle
from tests.unit.archive.answers import BEGIN, FEED, answer, warcs, writer
from tests.unit.feeds.site import MemoryState, rss

OTHER = "https://b.example/feed"


def opened(path: Path, span: Span | None = None) -> WarcArchive:
    source = open_source(path, Selection(span or Span()), TextSettings())
    assert isinstance(source, WarcArchive)
    return source


def bodies(source: WarcArchive) -> list[bytes]:
    return [source.body(capture, 100_000) for capture in source.items(0)]


def poll(
    number: int, body: bytes, *, feed: str = FEED, added: int = 1, known: int | None = -1, read: bool = True
) -> Any:
    """The answer at minute `number`, when the document of minute `known` (that before) was the last one."""
    minute = number - 1 if known == -1 else known
    read_at = int(answer(minute).at.timestamp()) if minute is not None else None
    return answer(number, body, origin=Origin(feed, None, added, read_at, read=read))


def archived(folder: Path, *answers: Any, name: str = "host", file_max: int = 1_000_000) -> Path:
    archive = writer(folder, name, file_max)
    for one in answers:
        archive.write(one)
    archive.close()
    return folder


def test_bodies_come_by_time_then_file_then_place(tmp_path: Path) -> None:
    archived(tmp_path, poll(1, b"1"), poll(3, b"3"), name="a")
    archived(tmp_path / "deeper", poll(0, b"0", feed=OTHER), poll(2, b"2", feed=OTHER), name="b")
    same = [
        answer(9, b"%d" % number, origin=Origin(f"https://c.example/{number}", None, 1, None, read=True))
        for number in (2, 1)
    ]
    archived(tmp_path, *same, name="z")
    source = opened(tmp_path)
    assert bodies(source) == [b"0", b"1", b"2", b"3", b"2", b"1"]
    assert [capture.index for capture in source.captures] == list(range(6))
    assert [capture.feed for capture in source.captures[:2]] == [OTHER, FEED]
    assert source.fraction == 1.0
    assert [capture.index for capture in source.items(4)] == [4, 5]
    one = opened(warcs(tmp_path)[0])
    assert bodies(one) == [b"1", b"3"]
    span = Span(BEGIN + timedelta(minutes=1), BEGIN + timedelta(minutes=3))
    assert bodies(opened(tmp_path, span)) == [b"1", b"2"]


def test_the_fingerprint_tells_sources_apart_and_needs_no_index(tmp_path: Path) -> None:
    folder = archived(tmp_path / "a", poll(0, b"0"), poll(1, b"1"))
    early = Span(end=BEGIN + timedelta(minutes=2))
    whole, part = opened(folder).fingerprint, opened(folder, early).fingerprint
    assert whole != part
    assert opened(archived(tmp_path / "b", poll(0, b"0"), poll(1, b"x"))).fingerprint != whole
    assert opened(archived(tmp_path / "c", poll(0, b"0"))).fingerprint != whole
    index_path(warcs(folder)[0]).unlink()
    assert opened(folder).fingerprint == whole
    (tmp_path / "moved").mkdir()
    warcs(folder)[0].rename(tmp_path / "moved" / warcs(folder)[0].name)
    assert opened(tmp_path / "moved").fingerprint == whole
    archived(tmp_path / "moved", poll(5, b"5"))  # the service goes on
    assert opened(tmp_path / "moved").fingerprint != whole
    assert opened(tmp_path / "moved", early).fingerprint == part


def test_a_revisit_has_the_body_of_another_file(tmp_path: Path) -> None:
    archived(tmp_path, poll(0, b"a"), poll(1, b"a"), poll(2, b"b"), file_max=1)
    source = opened(tmp_path)
    assert bodies(source) == [b"a", b"a", b"b"]
    assert source.faults == ()
    lost = opened(warcs(tmp_path)[1])
    assert lost.captures == ()
    assert lost.faults == (
        f"{warcs(tmp_path)[1].name}: the revisit record at byte {lost_place(tmp_path)} has its body elsewhere",
    )


def lost_place(folder: Path) -> int:
    return int(index_path(warcs(folder)[1]).read_text().split('"offset":"')[1].split('"')[0])


@pytest.mark.parametrize(
    ("polls", "expected"),
    [
        # a killed process took what it had read last with it, and the next one polled again
        ([(0, None), (1, 0), (2, 0), (3, 2)], [0, 2, 3]),
        ([(0, None), (1, None), (2, None), (3, 2)], [2, 3]),
        ([(0, None), (1, 0), (2, 1), (3, 0), (4, 3)], [0, 3, 4]),  # two of them
        # what the archive lacks (its disk was full) was committed all the same
        ([(0, None), (3, 2), (5, 4)], [0, 3, 5]),
        # a process that lost its partition, stopped and went on: what it still polled was refused
        ([(0, None), (1, 0), (2, 0), (3, 1)], [0, 1, 3]),
        ([(0, None), (1, 0), (2, 1), (3, 0), (4, 2)], [0, 1, 2, 4]),
        # the last one cannot be told
        ([(0, None), (1, 0)], [0, 1]),
    ],
)
def test_a_poll_that_was_never_committed_is_left_out(
    tmp_path: Path, polls: list[tuple[int, int | None]], expected: list[int]
) -> None:
    archived(tmp_path, *(poll(at, b"%d" % at, known=known) for at, known in polls))
    archived(tmp_path, poll(2, b"x", feed=OTHER, known=None))
    bodies_of = [body for body in bodies(opened(tmp_path)) if body != b"x"]
    assert bodies_of == [b"%d" % at for at in expected]


def test_a_body_that_was_no_feed_stays(tmp_path: Path) -> None:
    archived(tmp_path, poll(0, b"0", known=None), poll(1, b"<html>", read=False), poll(2, b"2", known=0))
    assert bodies(opened(tmp_path)) == [b"0", b"<html>", b"2"]


def test_a_feed_that_was_added_again_has_a_new_life(tmp_path: Path) -> None:
    archived(
        tmp_path,
        poll(0, b"0", added=100, known=None),
        poll(1, b"1", added=100, known=0),
        poll(2, b"2", added=200, known=None),  # added again
        poll(3, b"3", added=200, known=2),
        poll(4, b"4", added=300, known=3),  # only its settings were written anew
        poll(5, b"5", added=400, known=None),  # added again, and lost with its process
        poll(6, b"6", added=400, known=None),
    )
    source = opened(tmp_path)
    assert bodies(source) == [b"0", b"1", b"2", b"3", b"4", b"6"]
    lives = [capture.life for capture in source.captures if isinstance(capture, WarcCapture)]
    assert lives == [100, 100, 200, 200, 200, 400]


def test_faults_cost_themselves_and_are_told(tmp_path: Path) -> None:
    archived(tmp_path, poll(0, b"0"), poll(1, b"1"), name="a")
    archived(tmp_path, poll(2, b"2"), poll(3, b"3"), name="b")
    first, second = warcs(tmp_path)
    first.write_bytes(first.read_bytes()[:-5])
    (tmp_path / "none.warc").write_bytes(b"nothing\nof the kind")
    source = opened(tmp_path)
    assert bodies(source) == [b"0", b"2", b"3"]
    assert [fault.split(":")[0] for fault in source.faults] == ["none.warc", first.name]
    data = bytearray(second.read_bytes())
    data[-20] ^= 0x55
    second.write_bytes(data)
    source = opened(tmp_path)  # the index names it still
    *_, last = source.items(0)
    with pytest.raises(CaptureError, match="the record at byte"):
        source.body(last, 100_000)
    second.unlink()
    with pytest.raises(CaptureError, match="No such file"):
        source.body(last, 100_000)


def test_what_is_a_warc_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"manifest\.jsonl: No such file"):
        open_source(tmp_path, Selection(), TextSettings())
    folder = archived(tmp_path / "a", poll(0, b"0"))
    lines = tmp_path / "raw.jsonl"
    lines.write_text("{}\n")
    assert isinstance(open_source(lines, Selection(), TextSettings()), LineFile)
    (folder / "manifest.jsonl").write_text("")
    assert not isinstance(open_source(folder, Selection(), TextSettings()), WarcArchive)
    for content, message in ((b"", "there is no WARC record"), (b"<html>", "the record at byte 0 is no WARC record")):
        file = tmp_path / "x.warc.gz"
        file.write_bytes(content)
        with pytest.raises(SourceError, match=message):
            open_source(file, Selection(), TextSettings())
    with pytest.raises(SourceError, match="No such file"):
        open_source(tmp_path / "missing.warc.gz", Selection(), TextSettings())


async def test_another_tool_s_file_gives_articles(tmp_path: Path) -> None:
    file = tmp_path / "x.warc.gz"
    with file.open("wb") as stream:
        archive = WARCWriter(stream, gzip=True)
        for minute, body in enumerate((rss("a one"), rss("a one"), b"<html>no feed</html>", rss("b two", "a one"))):
            http = StatusAndHeaders("200 OK", [("Content-Type", "text/xml")], protocol="HTTP/1.1")
            dates = {"WARC-Date": f"2026-01-01T00:0{minute}:00Z"}
            record = archive.create_warc_record(
                FEED, "response", io.BytesIO(body), len(body), http_headers=http, warc_headers_dict=dates
            )
            archive.write_record(record)
    source = opened(file)
    found, failed, state = [], 0, MemoryState()
    async with capture_reader(Settings()) as read:
        for capture in source.items(0):
            try:
                decided = await read(capture, source.body(capture, 100_000), state)
            except CaptureError:
                failed += 1
                continue
            assert decided.feed == FEED
            found += [RawArticle.decode(value) for _, value in decided.records]
    assert [(article.title, str(article.observed_at)[14:16]) for article in found] == [("a one", "00"), ("b two", "03")]
    assert failed == 1
