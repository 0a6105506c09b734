"""HTML to text, normal forms, language and dates."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newswire.pipeline.text.dates import from_ms, plausible_published, to_ms
from newswire.pipeline.text.html import html_to_line, html_to_text
from newswire.pipeline.text.language import detect_language
from newswire.pipeline.text.normalise import clean_text, content_hash, own_summary, title_from_text

ENGLISH = "The council decided on Tuesday to build a new bridge over the river near the old harbour."


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>Hello <b>wor</b>ld.</p><p>Second &amp; third.</p>", "Hello world.\n\nSecond & third."),
        ("A <a href='x'>link</a>, <i>then</i><br>a line<br><br>a paragraph", "A link, then\na line\n\na paragraph"),
        ("<ul><li>One</li><li>Two</li></ul><p>After</p>", "One\nTwo\n\nAfter"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "a b\nc d"),
        ("<script>var a = 1</script><style>p{}</style><p>kept</p>", "kept"),
        ("<p>one</p><!-- not this --><p>two</p>", "one\n\ntwo"),
        ("no tags &amp; one\nline\n\nnext&nbsp;paragraph", "no tags & one line\n\nnext paragraph"),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
        ("<p>caf\u0065\u0301&#8203; so\u00adft</p>", "café soft"),
        ("<img src='x' alt='a cat'>", ""),
        ("a\x00\x07b<br>c\x1bd", "ab\ncd"),
        ("", ""),
    ],
)
def test_html_becomes_the_text_that_a_reader_sees(source: str, text: str) -> None:
    assert html_to_text(source) == text


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("<b>Bold</b> &amp; it&#39;s", "Bold & it's"),
        ("AT&amp;amp;T", "AT&T"),
        ("Q&A & R&D", "Q&A & R&D"),
        ("two\n lines", "two lines"),
        ("2 < 3", "2 < 3"),
    ],
)
def test_titles_lose_tags_and_entities(source: str, line: str) -> None:
    assert html_to_line(source) == line


def test_hostile_nesting_and_size_are_only_slow() -> None:
    assert html_to_text("<div>" * 100_000 + "deep") == "deep"
    assert html_to_text("<b>" * 100_000 + "deep" + "</b>" * 100_000) == "deep"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_any_string_gives_a_clean_text(source: str) -> None:
    text = html_to_text(source)
    assert text == clean_text(text)
    assert "\n\n\n" not in text
    assert not any(c < " " and c != "\n" for c in text)
    text.encode()
    html_to_line(source).encode()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("A line.\nAnother", "A line."),
        ("First sentence is here. " + "word " * 40, "First sentence is here."),
        ("word " * 40, ("word " * 23).strip() + "…"),
        ("x" * 500, "x" * 119 + "…"),
        ("", ""),
    ],
)
def test_a_title_made_from_the_text(text: str, title: str) -> None:
    assert title_from_text(text) == title
    assert len(title) <= 120


def test_a_summary_that_says_nothing_of_its_own_is_none() -> None:
    assert own_summary("The text", "The text goes on") is None
    assert own_summary("The text…", "The text goes on") is None
    assert own_summary("The text [...]", "The text goes on") is None
    assert own_summary("", "The text goes on") is None
    assert own_summary("Another thing", "The text goes on") == "Another thing"


def test_the_content_hash_keeps_title_and_text_apart() -> None:
    assert content_hash("ab", "c") != content_hash("a", "bc")
    assert len(content_hash("", "")) == 32


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ENGLISH, "en"),
        ("Der Stadtrat beschloss am Dienstag den Bau einer neuen Brücke über den Fluss.", "de"),
        ("Міська рада у вівторок вирішила збудувати новий міст через річку.", "uk"),
        ("市議会は火曜日に新しい橋を建設することを決定した。", "ja"),
        ("قرر المجلس يوم الثلاثاء بناء جسر جديد فوق النهر", "ar"),
        ("😀😀😀", "und"),
        ("OK", "und"),
        ("12 345 678 90 11 12 13", "und"),
        ("", "und"),
    ],
)
def test_language(text: str, code: str) -> None:
    found = detect_language("", text)
    assert found.code == code
    assert found.confidence == round(found.confidence, 4)
    assert 0 <= found.confidence <= 1
    assert detect_language("", text) == found


def test_the_declared_language_only_breaks_ties() -> None:
    assert detect_language("", ENGLISH, "de").code == "en"
    assert detect_language("", "OK", "de").code == "und"
    assert detect_language("", "Beograd je glavni grad Srbije", "sr-RS").code == "sr"
    assert detect_language("", "Beograd je glavni grad Srbije", "en").code != "en"


def test_the_title_helps_a_text_that_is_too_short() -> None:
    assert detect_language(ENGLISH, "OK").code == "en"


def test_line_ends_do_not_disturb_the_detector() -> None:
    assert detect_language("", ENGLISH.replace(" ", "\n")) == detect_language("", ENGLISH)


def test_times_round_and_return() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
    assert from_ms(to_ms(moment)) == datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_900, tzinfo=UTC)) == -1


def test_published_must_be_possible() -> None:
    observed = datetime(2026, 1, 2, tzinfo=UTC)
    assert plausible_published(datetime(1970, 1, 1, tzinfo=UTC), observed) is None
    assert plausible_published(datetime(2100, 1, 1, tzinfo=UTC), observed) is None
    assert plausible_published(observed + timedelta(days=1), observed) == observed + timedelta(days=1)
    assert plausible_published(observed + timedelta(days=1, seconds=1), observed) is None
    assert plausible_published(datetime(1995, 1, 1, tzinfo=UTC), observed) == datetime(1995, 1, 1, tzinfo=UTC)
    assert plausible_published(None, observed) is None
