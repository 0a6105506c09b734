"""Reading JSON lines, the same for enrich and replay."""

import gzip
import io
import json
from pathlib import Path

import pytest

from newswire.pipeline.replay.lines import LINE_MAX, RECORD_MAX, SourceError, fit_line, open_lines, read_lines
from newswire.pipeline.settings import Settings, TextSettings
from newswire.pipeline.step import LETTER_VALUE_MAX, Source
from newswire.pipeline.text import PrepareStep
from newswire.schemas import Outcome, RawArticle, RawOversize, decode_raw
from newswire.schemas.common import ContractError
from tests.unit.text.memory import MemoryState


def test_lines_keep_their_bytes_and_blank_ones_count() -> None:
    stream = io.BytesIO(b'{"a": 1}\r\n\n  \n\xff\nlast')
    assert list(read_lines(stream)) == [b'{"a": 1}', b"", b"  ", b"\xff", b"last"]


def test_a_line_without_end_is_cut_and_the_next_one_stands() -> None:
    stream = io.BytesIO(b"x" * 1000 + b"\nnext\n" + b"y" * 10 + b"\n" + b"z" * 11)
    assert list(read_lines(stream, longest=10)) == [b"x" * 10, b"next", b"y" * 10, b"z" * 10]


def test_a_byte_order_mark_costs_no_record() -> None:
    assert list(read_lines(io.BytesIO(b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n"))) == [b"{}", b"\xef\xbb\xbf{}"]
    assert list(read_lines(io.BytesIO(b"\xef\xbb\xbf\n{}"))) == [b"", b"{}"]
    assert list(read_lines(io.BytesIO(b"\xef\xbb\xbf"))) == []


def test_gzip_by_its_ending_and_a_truncated_one(tmp_path: Path) -> None:
    file = tmp_path / "raw.jsonl.gz"
    file.write_bytes(gzip.compress(b"a\nb\n"))
    with open_lines(file) as stream:
        assert list(read_lines(stream)) == [b"a", b"b"]
    file.write_bytes(gzip.compress(bytes(range(256)) * 100)[:-9])
    with open_lines(file) as stream, pytest.raises(SourceError, match=r"raw\.jsonl\.gz"):
        list(read_lines(stream))


def test_what_is_no_file_is_said() -> None:
    with pytest.raises(SourceError, match="No such file"), open_lines(Path("/nowhere/raw.jsonl")):
        pass


def test_a_line_that_fits_keeps_its_own_bytes() -> None:
    line = b'{ "title" : "x",  "unknown": 1 }'
    assert fit_line(line, TextSettings()) is line


def test_an_article_over_the_record_size_is_cut_and_says_so() -> None:
    line = json.dumps({"title": "t", "content": "ж" * RECORD_MAX, "cut": ["summary"]}, ensure_ascii=False).encode()
    article = RawArticle.decode(fit_line(line, TextSettings(text_max=1_000)))
    assert article.content == "ж" * 1_000
    assert article.cut == ("summary", "content")


@pytest.mark.parametrize("line", [b"x" * (RECORD_MAX + 1), b"\x00" * (RECORD_MAX + 1), b"\xff" * (RECORD_MAX + 1)])
def test_anything_else_over_the_record_size_says_so(line: bytes) -> None:
    fitted = fit_line(line, TextSettings())
    assert len(fitted) <= LETTER_VALUE_MAX
    with pytest.raises(ContractError, match=r"too large: 10485761 bytes, and at most 10485760 are taken"):
        decode_raw(fitted)


def test_an_article_that_is_long_because_of_its_authors_says_so_and_keeps_its_feed() -> None:
    authors = {"feed_url": "https://example.org/feed", "title": "t", "authors": ["a" * 1_000] * 15_000}
    line = json.dumps(authors).encode()
    fitted = fit_line(line, TextSettings())
    record = RawOversize.decode(fitted)
    assert (record.feed_url, record.size, record.limit) == ("https://example.org/feed", len(line), RECORD_MAX)
    assert line.startswith(record.head.encode())
    result = PrepareStep(Settings()).process(Source("raw", 0, 0, None, fitted, 0), MemoryState())
    assert (result.feed, result.counts) == ("https://example.org/feed", {"in": 1, "dead": 1})
    outcome = Outcome.decode(next(sent.value for sent in result.emissions if sent.topic == "outcomes"))
    assert outcome.reason == f"the record is too large: {len(line)} bytes, and at most {RECORD_MAX} are taken"


def test_of_a_line_that_was_not_read_whole_the_size_is_a_bound() -> None:
    with pytest.raises(ContractError, match="too large: at least 33554432 bytes"):
        decode_raw(fit_line(b"x" * LINE_MAX, TextSettings()))


def test_a_feed_s_url_that_is_none_is_not_kept() -> None:
    long = json.dumps({"title": "t", "feed_url": "f" * (RECORD_MAX + 1)}).encode()
    assert RawOversize.decode(fit_line(long, TextSettings())).feed_url == ""
