"""What a feed repeats in every item does not count; a column of another day is no copy."""

import random
from typing import Any

from newswire.pipeline.duplicates.rows import TextRow, decode_text
from newswire.schemas import Duplicate, Feed
from tests.unit.duplicates.articles import DAY, NOON, Wire, article, text_of

HOUR = DAY // 24
AGENCY = Feed(url="https://agency.example/rss")
COURIER = Feed(url="https://courier.example/rss")


def small(seed: int, words: int) -> str:
    """Text without names, so that no facts tell two of them apart."""
    return text_of(seed, words).lower()


FOOTER = small(999, 80)
SIGNED = small(998, 80)


def verdict(wire: Wire, number: int, text: str, feed: Feed = AGENCY, **fields: Any) -> Duplicate:
    return wire.verdict(article(number, text, feed=feed, **fields))


def learnt(items: int = 3, words: int = 60) -> Wire:
    """A wire in which the agency's footer is known: after texts that are longer than it."""
    wire = Wire()
    for number in range(items):
        assert verdict(wire, number, f"{small(number, 4 * words)} {FOOTER}").kind == "none"
    return wire


def test_a_footer_that_is_most_of_a_text_makes_no_copy() -> None:
    text = f"{small(50, 40)} {FOOTER}", f"{small(51, 40)} {FOOTER}"
    for wire in (Wire(), learnt()):
        assert [verdict(wire, 50 + place, one).kind for place, one in enumerate(text)] == ["none", "none"]


def test_a_feeds_second_item_with_its_footer_is_its_own_but_with_another_first_sentence_a_copy() -> None:
    wire, body = Wire(), small(3, 200)
    assert verdict(wire, 0, f"{small(4, 12)} {body}").kind == "none"
    assert verdict(wire, 1, f"{small(5, 12)} {body}").kind == "near"
    assert verdict(wire, 2, f"{small(6, 40)} {body}", COURIER).kind == "near", "another feed may have begun it anew"
    assert verdict(wire, 3, body[: len(body) // 2]).kind == "syndicated"
    assert verdict(wire, 4, f"{small(7, 40)} {body}").kind == "none", "more than a first sentence"


def test_a_header_that_is_most_of_a_text_is_learnt() -> None:
    text = [f"{FOOTER} {small(number, 40)}" for number in range(50, 53)]
    wire = Wire()
    assert verdict(wire, 50, text[0]).kind == "none"
    assert verdict(wire, 51, text[1]).kind == "syndicated", "nothing tells yet that it is the feed's"
    wire = learnt()
    assert [verdict(wire, 50 + place, one).kind for place, one in enumerate(text)] == ["none"] * 3


def test_a_copy_is_found_under_the_footers_of_two_feeds() -> None:
    wire = learnt()
    for number in range(20, 23):
        assert verdict(wire, number, f"{small(number, 240)} {SIGNED}", COURIER).kind == "none"
    assert verdict(wire, 30, f"{small(30, 40)} {FOOTER}").kind == "none"
    copy = verdict(wire, 31, f"{small(30, 40)} {SIGNED}", COURIER)
    assert (copy.kind, copy.of) == ("syndicated", article(30, "").id)
    assert copy.shared == 0.9, "of its own footer only the runs of words that begin in the text are a part of it"


def test_what_the_revisions_and_updates_of_one_article_share_is_the_articles() -> None:
    wire, text = Wire(), small(1, 200)
    assert verdict(wire, 0, text).kind == "none"
    assert verdict(wire, 0, f"{text} {small(2, 20)}", revision=2).kind == "update"
    assert verdict(wire, 1, f"{text} {small(3, 120)}").kind == "update"
    edited = text.replace(text.split()[100], "quite")
    assert verdict(wire, 2, edited, COURIER).kind == "near"


def test_boilerplate_is_forgotten_with_the_texts_it_stood_in() -> None:
    wire = learnt()
    later = NOON + 30 * DAY
    assert verdict(wire, 40, f"{FOOTER} {small(40, 40)}", observed_ms=later).kind == "none"
    assert verdict(wire, 41, f"{FOOTER} {small(41, 40)}", observed_ms=later + HOUR).kind == "syndicated"


def test_a_column_of_another_day_is_no_copy() -> None:
    frame = small(7, 100)

    def column(day: int) -> str:
        return f"{frame} {small(100 + day, 25)}"

    wire = Wire()
    daily = [verdict(wire, day, column(day), observed_ms=NOON + day * DAY).kind for day in range(5)]
    assert daily == ["none"] * 5
    again = verdict(wire, 10, column(4), COURIER, observed_ms=NOON + 5 * DAY)
    assert (again.kind, again.of) == ("exact", article(4, "").id)

    within_hours = Wire()
    assert verdict(within_hours, 0, column(0)).kind == "none"
    assert verdict(within_hours, 1, column(1), observed_ms=NOON + HOUR).kind == "near"


def test_a_feed_that_repeats_an_article_days_later_repeats_it() -> None:
    wire, text = Wire(), text_of(1, 200)
    assert verdict(wire, 0, text).kind == "none"
    words = text.split()
    words[50] = "quite"
    assert verdict(wire, 1, " ".join(words), observed_ms=NOON + 2 * DAY).kind == "near"
    assert verdict(wire, 2, " ".join(words[:120]), observed_ms=NOON + 3 * DAY).kind == "syndicated"


def test_another_feed_has_a_text_of_yesterday_as_a_copy() -> None:
    wire, frame = Wire(), small(7, 100)
    assert verdict(wire, 0, f"{frame} {small(1, 25)}").kind == "none"
    assert verdict(wire, 1, f"{frame} {small(2, 25)}", COURIER, observed_ms=NOON + DAY).kind == "near"


def test_a_step_that_is_rebuilt_knows_the_same_boilerplate() -> None:
    chance = random.Random(1)
    whole, broken = learnt(), learnt()
    for number in range(50, 70):
        text = f"{small(chance.choice((number, 50)), 40)} {FOOTER}"
        broken.rebuild()
        assert verdict(whole, number, text) == verdict(broken, number, text)


def test_a_row_of_before_has_no_feed() -> None:
    row = TextRow(NOON, "ab" * 16, b"d" * 16, b"u" * 16, None, b"feedfeed", 7)
    data = row.encode()
    assert decode_text(data) == row
    flags = data[:56] + bytes([data[56] & 1]) + data[57:-16]
    assert decode_text(flags) == row._replace(feed=bytes(8), root=0)
