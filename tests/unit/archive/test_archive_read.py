"""Reading WARC files: with and without an index, whole and broken, our own and those of other tools."""

import gzip
import io
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import brotli
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from newswire.pipeline.archive import read
from newswire.pipeline.archive.index import index_path
from newswire.pipeline.archive.read import BrokenRecord, list_entries, read_body
from tests.unit.archive.answers import answer, warcs, writer

BODIES = [b"<rss>%d</rss>" % number * 50 for number in range(5)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An archive's file with five bodies."""
    archive = writer(tmp_path)
    for number, body in enumerate(BODIES):
        archive.write(answer(number, body))
    archive.close()
    return warcs(tmp_path)[0]


def bodies(file: Path) -> tuple[list[bytes], list[str]]:
    """What a file holds, and its faults."""
    entries, faults, _ = list_entries(file)
    return [read_body(file, entry, 1_000_000) for entry in entries], faults


def foreign(path: Path, *parts: tuple[str, bytes, dict[str, str]], packed: bool = True, **more: Any) -> Path:
    """A WARC file as other tools write it: (URL, body as sent, HTTP headers) of responses."""
    with path.open("wb") as stream:
        archive = WARCWriter(stream, gzip=packed, **more)
        archive.write_record(archive.create_warcinfo_record(path.name, {"software": "other"}))
        for url, body, headers in parts:
            http = StatusAndHeaders(headers.pop(":status", "200 OK"), list(headers.items()), protocol="HTTP/1.1")
            record = archive.create_warc_record(
                url, "response", payload=io.BytesIO(body), length=len(body), http_headers=http
            )
            request = StatusAndHeaders("GET / HTTP/1.1", [("Host", "example.org")], is_http_request=True)
            asked = archive.create_warc_record(url, "request", http_headers=request)
            archive.write_request_response_pair(asked, record)
    return path


def chunked(body: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:], b""))


def test_a_whole_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bodies(file) == (BODIES, [])
    scanned: list[tuple[int, int]] = []
    real = read.scan

    def scan(stream: Any, begin: int, end: int) -> Any:
        scanned.append((begin, end))
        return real(stream, begin, end)

    monkeypatch.setattr(read, "scan", scan)
    entries, _, _ = list_entries(file)
    assert scanned == [(0, entries[0].offset), (file.stat().st_size, file.stat().st_size)]  # the index saves the rest


def test_an_index_that_is_missing_short_or_nonsense_costs_nothing(file: Path) -> None:
    index = index_path(file)
    lines = index.read_bytes().splitlines(keepends=True)
    whole = list_entries(file)
    variants: Iterable[list[bytes]] = (
        [],
        lines[:3],
        lines[3:],
        lines[::2],
        [lines[0], lines[1][:40], lines[2] + lines[3]],  # a line that was cut, and what came behind it
        [lines[0], lines[0], b"nonsense\n", b"\n", b'{"offset": []}\n', b"a b [1]\n", *lines[1:]],
        list(reversed(lines)),
        [line.replace(b'"offset":"', b'"offset":"1') for line in lines],  # beyond the file
        [line.replace(b'"offset":"', b'"offset":"-') for line in lines],
        [line.replace(b'"length":"', b'"length":"9') for line in lines],
    )
    for variant in variants:
        index.write_bytes(b"".join(variant))
        assert list_entries(file) == whole
    index.unlink()
    assert list_entries(file) == whole


def test_an_index_that_is_another_file_s_gives_no_wrong_body(file: Path, tmp_path: Path) -> None:
    archive = writer(tmp_path / "other")
    for number, body in enumerate(BODIES):
        archive.write(answer(number + 10, body[::-1]))
    archive.close()
    index_path(file).write_bytes(index_path(warcs(tmp_path / "other")[0]).read_bytes())
    entries, _, _ = list_entries(file)
    for entry in entries:
        if entry.at >= answer(10).at:
            with pytest.raises(BrokenRecord):
                read_body(file, entry, 1_000_000)
        else:
            assert read_body(file, entry, 1_000_000) in BODIES


def test_a_file_that_was_cut_short_anywhere(file: Path) -> None:
    entries, _, _ = list_entries(file)
    data = file.read_bytes()
    for size in {1, 2, 9, *range(entries[0].offset, len(data), 7), entries[3].end - 1, entries[3].end + 1}:
        file.write_bytes(data[:size])
        found, faults = bodies(file)
        assert found == [body for entry, body in zip(entries, BODIES, strict=True) if entry.end <= size]
        ends = {0, entries[0].offset, *(entry.end for entry in entries)}
        assert len(faults) == (0 if size in ends else 1)
        assert all(fault.startswith(f"{file.name}: the record at byte ") for fault in faults)


def test_a_broken_record_costs_itself(file: Path) -> None:
    entries, _, _ = list_entries(file)
    data = file.read_bytes()
    for index in (file, index_path(file)):  # at first with the index, then without
        for number in (0, 2, 4):
            entry, broken = entries[number], bytearray(data)
            for place in (entry.offset + 1, entry.offset + 40, entry.end - 6, entry.end - 1):
                broken[place] ^= 0x55
            file.write_bytes(broken)
            listed, faults, _ = list_entries(file)
            found = []
            for one in listed:
                try:
                    found.append(read_body(file, one, 1_000_000))
                except BrokenRecord:
                    faults.append("")
            assert found == [body for at, body in enumerate(BODIES) if at != number]
            assert len(faults) == 1
        if index == file:
            index_path(file).unlink()


def test_rubbish_between_and_behind_the_records(file: Path) -> None:
    entries, _, _ = list_entries(file)
    data = file.read_bytes()
    index_path(file).unlink()
    rubbish = b"\x1f\x8b\x08" + bytes(200_000) + b"\nWARC/" + gzip.compress(b"no record")
    file.write_bytes(data[: entries[2].offset] + rubbish + data[entries[2].offset :] + bytes(70_000))
    found, faults = bodies(file)
    assert found == BODIES
    assert faults
    assert len(faults) <= 4


def test_what_is_no_warc_file(tmp_path: Path) -> None:
    file = tmp_path / "x.warc.gz"
    for content in (
        b"",
        b"\n",
        b"x" * 100_000,
        gzip.compress(b"hello"),
        b"WARC/1.1",
        b"WARC/1.1\r\n\r\n",
        b"\x1f\x8b\x08",
    ):
        file.write_bytes(content)
        entries, faults, any_record = list_entries(file)
        assert (entries, any_record) == ([], False)
        assert len(faults) == (1 if content else 0)
        assert "\n" not in "".join(faults)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_other_tools_files(tmp_path: Path, packed: bool, version: str) -> None:
    body = b"<rss><channel><title>T</title></channel></rss>" * 20
    file = foreign(
        tmp_path / ("x.warc.gz" if packed else "x.warc"),
        ("https://a.example/plain", body, {"Content-Type": "text/xml"}),
        ("https://a.example/gzip", gzip.compress(body), {"Content-Encoding": "gzip"}),
        ("https://a.example/deflate", zlib.compress(body), {"Content-Encoding": "deflate"}),
        ("https://a.example/br", brotli.compress(body), {"Content-Encoding": "br"}),
        ("https://a.example/chunked", chunked(body), {"Transfer-Encoding": "chunked"}),
        (
            "https://a.example/both",
            chunked(gzip.compress(body)),
            {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"},
        ),
        ("https://a.example/moved", b"", {":status": "301 Moved", "Location": "/plain"}),
        ("https://a.example/lost", b"<html>", {":status": "404 Not Found"}),
        ("https://a.example/decoded", body, {"Content-Encoding": "gzip"}),  # as some tools store it
        packed=packed,
        warc_version=version,
    )
    entries, faults, _ = list_entries(file)
    assert faults == []
    names = ["plain", "gzip", "deflate", "br", "chunked", "both", "decoded"]
    assert [(entry.feed, entry.origin) for entry in entries] == [(f"https://a.example/{name}", None) for name in names]
    assert {read_body(file, entry, 1_000_000) for entry in entries} == {body}
    assert entries[0].content_type == "text/xml"


def test_a_plain_file_that_was_cut_short(tmp_path: Path) -> None:
    given: list[tuple[str, bytes, dict[str, str]]] = [
        (f"https://a.example/{number}", body, {}) for number, body in enumerate(BODIES)
    ]
    file = foreign(tmp_path / "x.warc", *given, packed=False)
    data = file.read_bytes()
    place = data.index(b"https://a.example/3")
    file.write_bytes(data[:place])
    assert bodies(file)[0] == BODIES[:3]
    assert len(bodies(file)[1]) == 1
    broken = data.replace(b"WARC/1.0\r\nWARC-Type: response", b"WARX/1.0\r\nWARC-Type: response", 1)
    file.write_bytes(broken)
    assert bodies(file)[0] == BODIES[1:]
    assert len(bodies(file)[1]) == 1


def test_a_file_that_is_one_gzip_member_says_what_to_do(tmp_path: Path) -> None:
    plain = foreign(tmp_path / "x.warc", ("https://a.example/", b"a", {}), packed=False)
    file = tmp_path / "x.warc.gz"
    file.write_bytes(gzip.compress(plain.read_bytes()))
    entries, faults, any_record = list_entries(file)
    assert (entries, any_record) == ([], False)
    assert len(faults) == 1
    assert "warcio recompress" in faults[0]


def test_a_body_is_read_within_its_limit(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    file = foreign(
        tmp_path / "x.warc.gz",
        ("https://a.example/bomb", bomb, {"Content-Encoding": "gzip"}),
        ("https://a.example/large", bytes(1_000_000), {}),
        ("https://a.example/fits", b"12345", {}),
    )
    (bomb_entry, large, fits), _, _ = list_entries(file)
    for entry in (bomb_entry, large):
        with pytest.raises(BrokenRecord, match="over 1000 bytes"):
            read_body(file, entry, 1_000)
    assert read_body(file, fits, 5) == b"12345"
    with pytest.raises(BrokenRecord, match="over 4 bytes"):
        read_body(file, fits, 4)


@pytest.mark.parametrize(
    "head",
    [
        b"WARC-Type: response\r\nWARC-Date: 2026-01-01T00:00:00Z\r\nContent-Length: 4\r\n",  # no URL
        b"WARC-Type: response\r\nWARC-Target-URI: http://a/\r\nContent-Length: 4\r\n",  # no date
        b"WARC-Type: response\r\nWARC-Target-URI: http://a/\r\nWARC-Date: May\r\nContent-Length: 4\r\n",
        b"WARC-Type: response\r\nWARC-Target-URI: http://a/\r\nWARC-Date: 0001-01-01T00:00:00+01:00\r\n"
        b"Content-Length: 4\r\n",
        b"WARC-Type: response\r\nWARC-Target-URI: http://a/\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n",  # no length
    ],
)
def test_records_that_say_too_little(tmp_path: Path, head: bytes) -> None:
    good = foreign(tmp_path / "good.warc.gz", ("https://a.example/", b"a", {})).read_bytes()
    file = tmp_path / "x.warc.gz"
    file.write_bytes(gzip.compress(b"WARC/1.0\r\n" + head + b"\r\nbody\r\n\r\n") + good)
    found, faults = bodies(file)
    assert (found, len(faults)) == ([b"a"], 1)


def test_odd_records_of_other_tools(tmp_path: Path) -> None:
    head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <http://a.example/>\r\nWARC-Date: {}\r\n"
    head += "Newswire-Poll: {}\r\nContent-Length: 44\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n{}\r\n\r\n"
    file = tmp_path / "x.warc.gz"
    dates = ["2026-01-01T00:00:00.1234567Z", "2026-01-01T02:00:00+01:00", "2026-01-01"]
    polls = ["{", '{"feed": 1, "title": null, "added_at": 1, "read_at": 1, "read": true}', '{"feed": "x"}']
    records = (head.format(date, poll, "a") for date, poll in zip(dates, polls, strict=True))
    file.write_bytes(b"".join(gzip.compress(record.encode()) for record in records))
    entries, faults, _ = list_entries(file)
    assert faults == []
    assert [(entry.at.isoformat(), entry.feed, entry.digest) for entry in entries] == [
        ("2026-01-01T00:00:00.123000+00:00", "http://a.example/", None),
        ("2026-01-01T01:00:00+00:00", "http://a.example/", None),
        ("2026-01-01T00:00:00+00:00", "http://a.example/", None),
    ]
    assert [read_body(file, entry, 9) for entry in entries] == [b"a"] * 3
