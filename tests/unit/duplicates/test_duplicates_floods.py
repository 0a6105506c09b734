"""What floods, wrong clocks and disorder must not do to the deduplicate stage."""

import random

import pytest

from tests.unit.duplicates.articles import DAY, NOON, Wire, article, text_of, unique

YEAR = 365 * DAY


@pytest.mark.parametrize(("policy", "count"), [("outcome", 10_000), ("emit", 2_000)])
def test_a_flood_of_copies_in_a_minute_leaves_the_index_as_it_is(policy: str, count: int) -> None:
    wire = Wire(deduplicate={"duplicates": policy})
    for number in range(20):
        wire.send(article(number, text_of(number)))
    texts = [key for key in wire.state.rows if key.startswith(b"t")]
    size = wire.step._index.nbytes
    for number in range(20, 20 + count):
        verdict = wire.verdict(article(number, text_of(7), title=f"Headline {number}", observed_ms=NOON + number * 6))
        assert (verdict.kind, verdict.of) == ("exact", article(7, "").id)
    assert [key for key in wire.state.rows if key.startswith(b"t")] == texts
    assert wire.step._index.nbytes == size
    other = wire.verdict(article(20_000, text_of(3), observed_ms=NOON + 70_000))
    assert (other.kind, other.of) == ("exact", article(3, "").id)


def test_a_flood_of_edited_copies_is_no_flood_of_originals() -> None:
    wire, chance = Wire(), random.Random(4)
    wire.send(article(0, text_of(1, 200)))
    for number in range(1, 1_000):
        words = text_of(1, 200).split()
        for place in chance.sample(range(200), 8):
            words[place] = "quite"
        assert wire.verdict(article(number, " ".join(words), observed_ms=NOON + number * 60)).of == article(0, "").id
    assert sum(key.startswith(b"t") for key in wire.state.rows) == 1


@pytest.mark.parametrize("years", [-30, -2, 2, 30])
def test_a_clock_that_is_years_off_costs_its_own_article_at_most(years: int) -> None:
    wire = Wire()
    wire.send(article(0, text_of(1)))
    wire.send(article(1, text_of(2), observed_ms=NOON + years * YEAR))
    late = wire.verdict(article(2, text_of(1), observed_ms=NOON + 1_000))
    if years < 0:
        # what is so old moves no window, and is over at once
        assert late.of == article(0, "").id
        assert wire.verdict(article(3, text_of(2), observed_ms=NOON + 2_000)).kind == "none"
    else:
        # such a record is rejected before this stage, which takes its times as they are
        assert late.kind == "none"
        assert wire.verdict(article(3, text_of(2), observed_ms=NOON + years * YEAR)).of == article(1, "").id


@pytest.mark.parametrize("seed", range(5))
def test_out_of_order_within_the_window_each_text_has_one_original(seed: int) -> None:
    chance = random.Random(seed)
    sent = [(text, copy) for text in range(30) for copy in range(4)]
    chance.shuffle(sent)
    wire, originals = Wire(), dict[int, str]()
    for number, (text, _) in enumerate(sent):
        one = article(number, text_of(text), observed_ms=NOON + chance.randrange(6 * DAY))
        verdict = wire.verdict(one)
        if text in originals:
            assert (verdict.kind, verdict.of) == ("exact", originals[text])
        else:
            assert verdict.kind == "none"
            originals[text] = one.id
    assert unique(wire.send(article(999, text_of(99)))).sequence == 31
