"""What the archive writes: records that any WARC tool reads, in files of its own, whole whatever the disk does."""

import errno
import gzip
import itertools
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from newswire.pipeline.archive import write
from newswire.pipeline.archive.index import index_path
from newswire.pipeline.archive.read import list_entries, read_body
from newswire.pipeline.archive.record import payload_digest
from tests.unit.archive.answers import BEGIN, FEED, answer, entries, warcs, writer

# argv: folder, bytes of the file at which the process is killed (0: not by itself); writes answers, and says after each
# how many there are
CHILD = """
import os, random, signal, sys
from pathlib import Path
from newswire.pipeline.archive import write
from tests.unit.archive.answers import answer, writer

limit = int(sys.argv[2])
whole = write._write

def mortal(output, data):
    place = os.lseek(output.fileno(), 0, os.SEEK_CUR)
    if limit and place + len(data) > limit:
        output.write(data[:limit - place])
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(output, data)

write._write = mortal
archive = writer(Path(sys.argv[1]), file_max=10**9)
noise = random.Random(1)
for number in range(500):
    archive.write(answer(number, noise.randbytes(200_000)))
    print(number + 1, flush=True)
"""

# argv: folder; the limit takes a part of the fourth record, as a full disk does
LIMITED = """
import random, resource, sys
from pathlib import Path
from tests.unit.archive.answers import answer, writer

archive = writer(Path(sys.argv[1]), "host")
noise = random.Random(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (35_000, resource.RLIM_INFINITY))
for number in range(6):
    try:
        archive.write(answer(number, noise.randbytes(10_000)))
        print("ok")
    except OSError as error:
        print(error.errno)
"""


def child(code: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def records(file: Path) -> list[tuple[Any, bytes]]:
    """The records of a file as warcio sees them, with their content."""
    with file.open("rb") as stream:
        return [(record, record.content_stream().read()) for record in ArchiveIterator(stream)]


def test_a_record_says_what_is_true(tmp_path: Path) -> None:
    archive = writer(tmp_path)
    body = "<rss>ж</rss>".encode()
    headers = (
        ("Content-Type", "text/xml"),
        ("Content-Encoding", "gzip"),
        ("Transfer-Encoding", "chunked"),
        ("content-length", "7"),
        ("X-Name", "caf\xe9"),
    )
    archive.write(answer(0, body, url="https://example.org/moved", headers=headers, status="203 Caf\udce9"))
    archive.close()
    (file,) = warcs(tmp_path)
    assert file.name == "wire-20260203120000-00000-host.warc.gz"
    (info, about), (record, content) = records(file)
    assert (info.rec_type, info.rec_headers.protocol) == ("warcinfo", "WARC/1.1")
    assert info.rec_headers["WARC-Filename"] == file.name
    assert b"format: WARC File Format 1.1" in about
    assert record.rec_type == "response"
    assert record.rec_headers["WARC-Target-URI"] == "https://example.org/moved"
    assert record.rec_headers["WARC-Date"] == "2026-02-03T12:00:00.123Z"
    assert record.rec_headers["WARC-Payload-Digest"] == payload_digest(body)
    poll = {"feed": FEED, "title": None, "added_at": 1_700_000_000, "read_at": 0, "read": True}
    assert orjson.loads(record.rec_headers["Newswire-Poll"]) == poll
    assert (record.http_headers.protocol, record.http_headers.statusline) == ("HTTP/1.1", "203 Caf?")
    assert record.http_headers.headers == [
        ("Content-Type", "text/xml"),
        ("X-Archive-Orig-Content-Encoding", "gzip"),
        ("X-Archive-Orig-Transfer-Encoding", "chunked"),
        ("X-Archive-Orig-content-length", "7"),
        ("X-Name", "caf%C3%A9"),
        ("Content-Length", str(len(body))),
    ]
    assert content == body


def test_an_encoding_that_was_left_stays(tmp_path: Path) -> None:
    archive = writer(tmp_path)
    archive.write(answer(0, headers=(("Content-Encoding", "UTF-8"),)))
    archive.close()
    record, content = records(warcs(tmp_path)[0])[1]
    assert (record.http_headers["Content-Encoding"], content) == ("UTF-8", b"<rss/>")


def test_each_record_is_a_gzip_member_and_warcio_finds_nothing_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = writer(tmp_path)
    for number, body in enumerate((b"", b"a", b"a", b"b" * 100_000)):
        archive.write(answer(number, body))
    archive.close()
    (file,) = warcs(tmp_path)
    for entry in entries(tmp_path):
        with file.open("rb") as stream:
            stream.seek(entry.offset)
            member = gzip.decompress(stream.read(entry.length))
        assert member.startswith(b"WARC/1.1\r\n")

    class Options:
        inputs = (str(file),)
        verbose = False

    assert not Checker(Options()).process_all()
    assert "failed" not in capsys.readouterr().out


def test_the_index_is_cdxj(tmp_path: Path) -> None:
    archive = writer(tmp_path)
    archive.write(answer(0, b"a", url="https://www.example.org:8443/Feed?x=Y"))
    archive.write(answer(1, b"a", url="http://127.0.0.1/", headers=()))
    archive.close()
    (file,) = warcs(tmp_path)
    lines = index_path(file).read_bytes().splitlines()
    (key, timestamp, fields), second = lines[0].split(b" ", 2), lines[1].split(b" ", 2)
    assert (key, timestamp) == (b"org,example:8443)/feed?x=y", b"20260203120000")
    assert orjson.loads(fields) == {
        "url": "https://www.example.org:8443/Feed?x=Y",
        "mime": "application/rss+xml",
        "status": "200",
        "digest": payload_digest(b"a"),
        "length": str(entries(tmp_path)[0].length),
        "offset": str(entries(tmp_path)[0].offset),
        "filename": file.name,
        "date": "2026-02-03T12:00:00.123Z",
        "content_type": "application/rss+xml; charset=utf-8",
        "poll": {"feed": FEED, "title": None, "added_at": 1_700_000_000, "read_at": 0, "read": True},
    }
    assert (second[0], orjson.loads(second[2])["mime"]) == (b"127.0.0.1)/", "warc/revisit")


def test_the_index_and_the_file_say_the_same(tmp_path: Path) -> None:
    archive = writer(tmp_path)
    origin = replace(answer().origin, title='A "title"\r\nжу\x85')
    for number, body in enumerate((b"a", b"a", b"b")):
        archive.write(answer(number, body, origin=replace(origin, read_at=number)))
    archive.close()
    (file,) = warcs(tmp_path)
    by_index = entries(tmp_path)
    index_path(file).unlink()
    assert entries(tmp_path) == by_index
    assert [(entry.revisit, entry.at, entry.origin and entry.origin.title) for entry in by_index] == [
        (revisit, BEGIN + timedelta(minutes=minute), origin.title)
        for minute, revisit in enumerate((False, True, False))
    ]


def test_a_body_that_was_the_feed_s_last_one_is_a_revisit(tmp_path: Path) -> None:
    archive = writer(tmp_path, file_max=1)  # each record in a file of its own
    for number, (feed, body) in enumerate([(FEED, b"a"), ("https://b.example/", b"a"), (FEED, b"a"), (FEED, b"b")]):
        archive.write(answer(number, body, feed))
    archive.write(answer(4, b"a"))
    archive.close()
    assert [entry.revisit for entry in entries(tmp_path)] == [False, False, True, False, False]
    record, content = records(warcs(tmp_path)[2])[1]
    assert record.rec_headers["WARC-Profile"].endswith("warc/1.1/revisit/identical-payload-digest")
    assert record.rec_headers["WARC-Refers-To-Target-URI"] == FEED
    assert record.rec_headers["WARC-Refers-To-Date"] == "2026-02-03T12:00:00.123Z"
    assert (record.http_headers["ETag"], content) == ('"1"', b"")


def test_files_end_by_size_and_by_day(tmp_path: Path) -> None:
    archive = writer(tmp_path, file_max=2_000)
    sizes = []
    for number in range(12):
        archive.write(answer(number, os.urandom(900)))
        sizes.append(len(warcs(tmp_path)))
    assert sizes == sorted(sizes)
    assert 4 <= sizes[-1] <= 7
    assert all(file.stat().st_size < 4_000 for file in warcs(tmp_path))
    archive.close()

    archive = writer(tmp_path / "days")
    midnight = datetime(2026, 2, 4, tzinfo=UTC)
    for seconds in (-2, -1, 0, 1):
        archive.write(answer(at=midnight + timedelta(seconds=seconds)))
    archive.close()
    assert [file.name[5:19] for file in warcs(tmp_path / "days")] == ["20260203235958", "20260204000000"]
    # the body was the same all the time: a day's files need no others
    assert [entry.revisit for entry in entries(tmp_path / "days")] == [False, True, False, True]


def test_two_writers_of_one_name_never_share_a_file(tmp_path: Path) -> None:
    one, two = writer(tmp_path), writer(tmp_path)
    for number in range(3):
        one.write(answer(number, b"1%d" % number))
        two.write(answer(number, b"2%d" % number))
    one.close()
    two.close()
    assert [file.name for file in warcs(tmp_path)] == [f"wire-20260203120000-0000{n}-host.warc.gz" for n in range(2)]
    first, second = (list_entries(file)[0] for file in warcs(tmp_path))
    assert [read_body(warcs(tmp_path)[0], entry, 9) for entry in first] == [b"10", b"11", b"12"]
    assert [read_body(warcs(tmp_path)[1], entry, 9) for entry in second] == [b"20", b"21", b"22"]


def test_an_index_that_is_left_over_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "wire-20260203120000-00000-host.cdxj").write_text("old\n")
    archive = writer(tmp_path)
    archive.write(answer())
    archive.close()
    assert [file.name for file in warcs(tmp_path)] == ["wire-20260203120000-00001-host.warc.gz"]


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    archive = writer(tmp_path / "a", "../b c")
    archive.write(answer())
    archive.close()
    assert [file.name for file in warcs(tmp_path / "a")] == ["wire-20260203120000-00000-..-b-c.warc.gz"]


def test_kill_9_leaves_at_most_one_truncated_record(tmp_path: Path) -> None:
    for limit in (0, 0, 1_000_000, 1_000_600):
        folder = tmp_path / str(uuid.uuid4())
        process = child(CHILD, str(folder), str(limit))
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(4)]
        if not limit:
            os.kill(process.pid, signal.SIGKILL)
        rest = process.communicate()[0].splitlines()
        assert process.returncode == -signal.SIGKILL
        (file,) = warcs(folder)
        found, faults, _ = list_entries(file)
        assert len(found) - int((rest or said)[-1]) in (0, 1)
        assert len(faults) in ((0, 1) if not limit else (1,))
        assert all("is cut short" in fault for fault in faults)
        assert all(len(read_body(file, entry, 300_000)) == 200_000 for entry in found)
        archive = writer(folder)  # the next process begins a new file
        archive.write(answer())
        archive.close()
        assert len(warcs(folder)) == 2


def test_a_limit_of_the_system_costs_only_the_records_that_do_not_fit(tmp_path: Path) -> None:
    process = child(LIMITED, str(tmp_path))
    said = process.communicate()[0].split()
    assert said == ["ok", "ok", "ok", str(errno.EFBIG), "ok", "ok"]
    first, second = warcs(tmp_path)
    assert [len(list_entries(file)[0]) for file in (first, second)] == [3, 2]
    assert list_entries(first)[1] == list_entries(second)[1] == []


class Disk:
    """Room for so many bytes in all the files that are opened through it; `cut` says whether a file can be cut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, cut: bool = True) -> None:
        self.room = 1_000_000
        self.cut = cut
        real = Path.open
        disk = self

        class File:
            def __init__(self, stream: Any) -> None:
                self._stream = stream

            def write(self, data: memoryview) -> int:
                part = data[: max(0, disk.room)]
                if not part:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                disk.room -= len(part)
                return int(self._stream.write(part))

            def truncate(self, size: int) -> int:
                if not disk.cut:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return int(self._stream.truncate(size))

            def __getattr__(self, name: str) -> Any:
                return getattr(self._stream, name)

        def opened(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            stream = real(path, mode, *args, **kwargs)
            return File(stream) if mode == "xb" else stream

        monkeypatch.setattr(Path, "open", opened)


@pytest.mark.parametrize("cut", [True, False])
def test_a_full_disk_and_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: bool) -> None:
    disk = Disk(monkeypatch, cut=cut)
    archive = writer(tmp_path)
    archive.write(answer(0, b"a"))
    disk.room = 700  # for a part of a record
    for number in (1, 2, 3):
        with pytest.raises(OSError, match="No space"):
            archive.write(answer(number, os.urandom(2_000)))
    assert len(warcs(tmp_path)) == 1  # no litter
    disk.room = 1_000_000
    archive.write(answer(4, b"a"))
    archive.write(answer(5, b"c"))
    archive.close()
    first, second = warcs(tmp_path)
    assert [entry.at for entry in list_entries(second)[0]] == [answer(4).at, answer(5).at]
    listed, faults, _ = list_entries(first)
    assert [entry.at for entry in listed] == [answer(0).at]
    assert len(faults) == (0 if cut else 1)


def test_a_disk_that_takes_no_index_takes_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fails = write._write, itertools.cycle([False, False, False, False, True])

    def sometimes(output: Any, data: bytes) -> int:
        if data.startswith(b"org,example") and next(fails):
            real(output, data[:20])
            raise OSError(errno.ENOSPC, "full")
        return real(output, data)

    monkeypatch.setattr(write, "_write", sometimes)
    archive = writer(tmp_path)
    with capture_logs() as logs:
        for number in range(9):
            archive.write(answer(number, b"%d" % number))
        archive.close()
    assert [line["event"] for line in logs] == ["the index of an archive file ends here"]
    assert [entry.at for entry in entries(tmp_path)] == [answer(number).at for number in range(9)]
