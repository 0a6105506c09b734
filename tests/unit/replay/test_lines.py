"""Reading JSON lines, the same for enrich and replay."""

import gzip
import io
import json
from pathlib import Path

import pytest

from newswire.pipeline.replay.lines import RECORD_MAX, SourceError, fit_line, open_lines, read_lines
from newswire.pipeline.settings import TextSettings
from newswire.pipeline.step import LETTER_VALUE_MAX
from newswire.schemas import RawArticle


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


def test_anything_else_over_the_record_size_keeps_what_a_letter_can_hold() -> None:
    assert fit_line(b"x" * (RECORD_MAX + 1), TextSettings()) == b"x" * LETTER_VALUE_MAX
    authors = json.dumps({"title": "t", "authors": ["a" * (RECORD_MAX + 1)]}).encode()
    assert len(fit_line(authors, TextSettings())) == LETTER_VALUE_MAX
