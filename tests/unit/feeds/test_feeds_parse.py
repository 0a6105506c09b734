"""Parsing what feeds should not be, and small things that parsers get wrong."""

import html
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from newswire.pipeline.feeds.parse import parse_feed
from newswire.pipeline.feeds.parsed import Limits, NotAFeed, ParsedEntry

URL = "https://host.example/feed.xml"


def rss(*items: str, head: str = "") -> bytes:
    """An RSS document."""
    body = "".join(f"<item>{item}</item>" for item in items)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{head}{body}</channel></rss>'.encode()


def one(body: bytes, content_type: str | None = None, limits: Limits | None = None) -> ParsedEntry:
    """The only entry of a document."""
    (entry,) = parse_feed(body, content_type, URL, limits).entries
    return entry


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"<!DOCTYPE html><html><body>hello</body></html>", "HTML"),
        (b"  <html><head></head></html>", "HTML"),
        (b"just some words", "no feed"),
        (b"/etc/passwd", "no feed"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "no feed"),
        (b"\x00" * 1000, "no feed"),
        (b'{"hello": "world"}', "not a JSON Feed"),
        (b"[1, 2, 3]", "not a JSON Feed"),
        (b'{"items": [', "broken JSON"),
        (b'{"items": ' + b"[" * 100_000, "nested too deep"),
        (b"<?xml version='1.0'?><note><to>you</to></note>", "no feed"),
    ],
)
def test_not_a_feed_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(NotAFeed, match=reason) as raised:
        parse_feed(body, None, URL)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_no_local_file_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_bytes(rss("<title>secret</title>"))
    with pytest.raises(NotAFeed):
        parse_feed(str(file).encode(), None, URL)


def test_no_external_entity_is_read(tmp_path: Path) -> None:
    file = tmp_path / "secret.txt"
    file.write_text("secret")
    body = f'<!DOCTYPE r [<!ENTITY x SYSTEM "file://{file}">]>'.encode() + rss("<title>a &x;</title>")[21:]
    assert "secret" not in str(parse_feed(body, None, URL))


def test_a_feed_without_entries_is_a_feed() -> None:
    assert parse_feed(rss(), None, URL).entries == ()


def test_billion_laughs_are_refused() -> None:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    body = (
        f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY l0 "lol">{entities}]>'.encode() + rss("<title>&l9;</title>")[21:]
    )
    with pytest.raises(NotAFeed, match="billion laughs"):
        parse_feed(body, None, URL)


def test_entities_that_a_feed_declares_are_read() -> None:
    doctype = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY co "Caf&#233; Ltd">]>'
    assert one(doctype + rss("<title>by &co;</title>")[21:]).title == "by Café Ltd"


@pytest.mark.parametrize("wrong", ["utf-8", "iso-8859-1", "koi8-r", "nonsense", None])
def test_utf8_is_recognised_whatever_the_declaration(wrong: str | None) -> None:
    declaration = f'<?xml version="1.0" encoding="{wrong}"?>'.encode() if wrong else b""
    body = declaration + rss("<title>Škoda — Київ</title>")[21:]
    assert one(body).title == "Škoda — Київ"


def test_cp1252_that_calls_itself_utf8() -> None:
    body = b'<?xml version="1.0" encoding="utf-8"?>' + rss("<title>Café – “Zürich”</title>").decode()[21:].encode(
        "cp1252"
    )
    assert one(body).title == "Café – “Zürich”"


def test_charset_of_the_header_when_the_document_has_none() -> None:
    body = rss("<title>Привіт</title>").decode()[21:].encode("windows-1251")
    assert one(body, "text/xml; charset=windows-1251").title == "Привіт"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "iso-2022-jp", "euc-jp"])
def test_other_encodings(encoding: str) -> None:
    text = rss("<title>日本の橋</title>").decode()[21:]
    name = encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    assert one(f'<?xml version="1.0" encoding="{name}"?>{text}'.encode(encoding)).title == "日本の橋"


def test_one_broken_character_spoils_no_other() -> None:
    body = rss("<title>Грім і дощ у Києві</title>").replace("дощ".encode(), "дощ".encode() + b"\xd0")
    assert one(body).title == "Грім і дощ\ufffd у Києві"


def test_control_characters_and_lone_surrogates() -> None:
    feed = (
        b'{"items": [{"id": "1", "title": "a\\u0000b\\u001bc\\u0085", "content_text": "x \\ud83d y \\ud83d\\ude00"}]}'
    )
    entry = one(feed)
    assert entry.title == "abc"
    assert entry.content == "x \ufffd y 😀"
    orjson.dumps(entry)


@pytest.mark.parametrize("cdata", [False, True])
def test_surrogates_written_as_numbers_cost_no_neighbour(cdata: bool) -> None:
    text = "a &#xD83D;&#xDE00; b &#55357;&#56832; c &#xd800; d &#57343; e &#57344; f"
    feed = parse_feed(
        rss("<title>sound</title>", f"<title>{f'<![CDATA[{text}]]>' if cdata else text}</title>"), None, URL
    )
    sound, hurt = feed.entries
    assert sound.title == "sound"
    assert html.unescape(hurt.title or "") == "a 😀 b 😀 c \ufffd d \ufffd e \ue000 f"


def test_what_is_said_of_a_body_holds_no_control_characters() -> None:
    with pytest.raises(NotAFeed) as raised:
        parse_feed(b"\x1b[2Jno\x00 feed\x07", None, URL)
    assert str(raised.value).isprintable()


def test_no_ids_leaves_identity_to_the_address() -> None:
    first, second = parse_feed(
        rss("<title>a</title><link>https://a.example/1</link>", "<title>b</title><guid>7</guid><link>/2</link>"),
        None,
        URL,
    ).entries
    assert (first.entry_id, first.url) == (None, "https://a.example/1")
    assert (second.entry_id, second.url) == ("7", "https://host.example/2")


def test_a_guid_that_is_the_link_is_an_id() -> None:
    entry = one(rss("<title>a</title><link>https://a.example/1</link><guid>https://a.example/1</guid>"))
    assert entry.entry_id == "https://a.example/1"


def test_an_id_that_many_entries_share_is_none() -> None:
    items = [f"<title>t{n}</title><guid>0</guid><link>https://a.example/{n}</link>" for n in range(3)]
    assert [entry.entry_id for entry in parse_feed(rss(*items), None, URL).entries] == [None] * 3


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Tue, 03 Feb 2026 12:30:00 +0100", datetime(2026, 2, 3, 11, 30, tzinfo=UTC)),
        ("2026-02-03T12:30:00Z", datetime(2026, 2, 3, 12, 30, tzinfo=UTC)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2100-01-01T00:00:00Z", datetime(2100, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("10:30", None),
        ("Monday", None),
        ("yesterday", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("not a date", None),
        ("", None),
    ],
)
def test_dates(date: str, expected: datetime | None) -> None:
    assert one(rss(f"<title>a</title><pubDate>{date}</pubDate>")).published_at == expected


def test_no_date_at_all() -> None:
    assert one(rss("<title>a</title>")).published_at is None


def test_long_texts_are_cut_and_say_so() -> None:
    entry = one(rss(f"<title>{'x' * 200_000}</title><description>{'y' * 10_000_000}</description>"))
    assert (len(entry.title or ""), len(entry.summary or "")) == (4_096, 1_000_000)
    assert entry.cut == ("title", "summary")


def test_entries_over_the_cap_are_dropped_and_counted() -> None:
    feed = parse_feed(rss(*(f"<title>{n}</title>" for n in range(30))), None, URL, Limits(entries_max=10))
    assert [entry.title for entry in feed.entries] == [str(n) for n in range(10)]
    assert feed.dropped == 20


def test_an_entry_without_text_is_dropped_and_counted() -> None:
    feed = parse_feed(rss("<title>a</title>", "<link>https://a.example/</link>"), None, URL)
    assert (len(feed.entries), feed.dropped) == (1, 1)


def test_plain_text_is_told_from_html() -> None:
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>f</title>'
        "<entry><title>a</title><id>1</id><content type='text'>1 &lt; 2</content></entry>"
        "<entry><title>b</title><id>2</id><content type='text'>&lt;p&gt;so called text&lt;/p&gt;</content></entry>"
        "<entry><title>c</title><id>3</id><content type='html'>&lt;p&gt;html&lt;/p&gt;</content></entry></feed>"
    )
    kinds = [entry.content_type for entry in parse_feed(atom.encode(), None, URL).entries]
    assert kinds == ["text/plain", "text/html", "text/html"]


def test_an_xhtml_title_is_not_lost() -> None:
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>f</title><entry><id>1</id>'
        '<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">The <b>title</b></div></title>'
        "</entry></feed>"
    )
    assert one(atom.encode()).title == "The <b>title</b>"


def test_a_description_made_from_the_content_is_no_summary() -> None:
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>f</title><entry><id>1</id><title>t</title>'
        "<content type='html'>&lt;p&gt;A long text.&lt;/p&gt;</content></entry></feed>"
    )
    entry = one(atom.encode())
    assert (entry.summary, entry.content) == (None, "<p>A long text.</p>")


@pytest.mark.parametrize("value", [None, 1, [], {}, "x", True])
def test_json_of_any_type_in_any_field(value: Any) -> None:
    names = (
        "id",
        "url",
        "title",
        "summary",
        "content_html",
        "authors",
        "tags",
        "attachments",
        "image",
        "date_published",
    )
    for name in names:
        body = orjson.dumps(
            {"items": [{"content_text": "text", name: value}, value], "title": value, "language": value}
        )
        assert len(parse_feed(body, None, URL).entries) == 1


def test_script_addresses_are_no_links() -> None:
    entry = one(rss("<title>a</title><link>javascript:alert(1)</link>"))
    assert entry.url is None


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("a&nbsp;b &eacute; &amp;eacute; &lt;b&gt;", "a\xa0b é &eacute; <b>"),
        ("R & D at AT&T &co; x", "R & D at AT&T &co; x"),
        ("<![CDATA[AT&amp;T & more]]>", "AT&amp;T & more"),
        ("a <b>bold</b> title", "a <b>bold</b> title"),
    ],
)
def test_no_text_is_lost_to_bad_escaping(title: str, expected: str) -> None:
    assert one(rss(f"<title>{title}</title>")).title == expected


def test_no_text_is_lost_to_a_prefix_that_is_not_declared() -> None:
    entry = one(rss("<title>a</title><content:encoded><![CDATA[<p>the text</p>]]></content:encoded>"))
    assert entry.content == "<p>the text</p>"
