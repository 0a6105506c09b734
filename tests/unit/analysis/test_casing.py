"""Texts without case are read in two ways; all else as it is, and every code point stays where it is."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.analysis import Analyzer
from newswire.pipeline.analysis.casing import readings_of
from newswire.pipeline.analysis.encoder import Encoder, Integers, Reading


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("PUTIN'S ARMY LEAVES KYIV, BBC SAYS", "Putin's Army Leaves Kyiv, Bbc Says"),
        ("the mayor of kyiv resigned on monday", "The Mayor Of Kyiv Resigned On Monday"),
        ("УРЯД УКРАЇНИ У КИЄВІ", "Уряд України У Києві"),
        ("GROẞE STRAßE İN KÖLN", "Große Straße İn Köln"),
        ("The mayor of Kyiv resigned", "The mayor of Kyiv resigned"),
        ("NATO", "NATO"),
        ("US GDP", "US GDP"),
        ("北京 会见 总统 说", "北京 会见 总统 说"),
        ("თბილისის მერი გადადგა დღეს", "თბილისის მერი გადადგა დღეს"),
        ("12 34 56", "12 34 56"),
        ("", ""),
    ],
)
def test_texts_without_case_get_one(text: str, wanted: str) -> None:
    assert readings_of(text)[0] == wanted
    assert readings_of(text)[1:] in ((), (wanted.lower(),), ("große straße İn köln",))
    assert (len(readings_of(text)) == 2) == (wanted != text)


def test_a_few_small_letters_do_not_make_a_text_in_capitals_another() -> None:
    titled, small = readings_of("RESCUERS SEARCH RUBBLE OF McDONALD RESTAURANT")
    assert titled == "Rescuers Search Rubble Of Mcdonald Restaurant"
    assert small == "rescuers search rubble of mcdonald restaurant"
    mixed = "Rescuers SEARCH rubble"
    assert readings_of(mixed) == (mixed,)


@given(st.text(max_size=80))
def test_every_code_point_stays_in_its_place(text: str) -> None:
    for cased in readings_of(text):
        assert len(cased) == len(text)
        assert [one.casefold() for one in cased] == [one.casefold() for one in text] or not text.isascii()


def test_names_are_found_in_capitals_and_told_as_they_are_written(analyzer: Analyzer) -> None:
    title = "OLENA BONDAR LEAVES WARSAW FOR KHARKIV"
    found = {(entity.text, str(entity.type)) for entity in analyzer.analyze(title, "").entities}
    assert {("OLENA BONDAR", "PER"), ("WARSAW", "LOC"), ("KHARKIV", "LOC")} <= found
    small = {entity.text for entity in analyzer.analyze("", "olena bondar left warsaw for kharkiv on monday").entities}
    assert {"olena bondar", "warsaw", "kharkiv"} <= small


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("Mayor of Kyiv to Meet With US and EU Leaders", True),
        ("Мер Києва Подав у Відставку", True),
        ("Mayor of Kyiv to meet with US and EU leaders", False),
        ("Bürgermeister von Kiew trifft Vertreter der Europäischen Union", False),
        ("Joe Biden", False),
        ("The US of It", False),
    ],
)
def test_titles_are_read_without_their_capitals_too_where_it_is_asked_for(text: str, twice: bool) -> None:
    assert readings_of(text, titles=True) == ((text, text.lower()) if twice else (text,))
    assert readings_of(text) == (text,)


@pytest.fixture
def tokens(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], int]:
    """How many sub-tokens of an article the encoder reads."""
    read: list[int] = []
    original = Encoder.read

    def count(self: Encoder, ids: Integers, states: bool = False) -> Reading:
        read.append(len(ids))
        return original(self, ids, states)

    def tokens(title: str, text: str) -> int:
        read.clear()
        analyzer.analyze(title, text)
        return sum(read)

    monkeypatch.setattr(Encoder, "read", count)
    return tokens


def test_a_long_text_that_is_set_as_a_title_is_read_without_its_capitals_too(
    tokens: Callable[[str, str], int],
) -> None:
    text = "The mayor of Kyiv met the leaders on Monday. " * 20
    assert tokens("", text.title()) > 1.8 * tokens("", text)
    german = "Der Bürgermeister von Kiew traf am Montag die Vertreter der Europäischen Union im Rathaus. " * 10
    assert tokens("", german) < 1.2 * tokens("", german.lower()) / 2


def test_the_text_behind_a_headline_is_not_read_again(tokens: Callable[[str, str], int]) -> None:
    text = "The mayor of Kyiv met the leaders on Monday. " * 20
    plain = tokens("", text)
    assert plain < tokens("OLENA BONDAR LEAVES WARSAW", text) < 1.2 * plain
    assert plain < tokens("Olena Bondar Leaves Warsaw", text) < 1.1 * plain
    once, twice = (
        tokens("Olena Bondar leaves Warsaw today", text[:200]),
        tokens("Olena Bondar Leaves Warsaw", text[:200]),
    )
    assert once < twice < 1.5 * once
