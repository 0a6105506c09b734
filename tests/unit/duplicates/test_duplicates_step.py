"""The deduplicate stage: kinds, sequence numbers, windows, restarts and what happens to bad records."""

import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newswire.pipeline.duplicates import decide as decide_module
from newswire.schemas import Outcome, PreparedArticle, UniqueArticle
from tests.unit.duplicates.articles import DAY, NOON, Wire, article, letter, text_of, unique

TEMPLATE = (
    "Shares of {name} {verb} {percent} % on Tuesday after the company reported quarterly earnings of {sum} million "
    "euros. Analysts had expected more. The stock has lost ground since the beginning of the year, while the broader "
    "market index gained over the same period. The company makes machines and employs people in many countries."
)


def cut(text: str, share: float) -> str:
    words = text.split()
    return " ".join(words[: int(len(words) * share)])


def edited(text: str, places: tuple[int, ...]) -> str:
    words = text.split()
    for place in places:
        words[place] = "quite"
    return " ".join(words)


def kinds(wire: Wire, *articles: PreparedArticle) -> list[tuple[str, int | None]]:
    verdicts = [wire.verdict(one) for one in articles]
    return [(v.kind, None if v.of is None else int(v.of, 16)) for v in verdicts]


def test_the_first_in_log_order_is_the_original_of_all_copies() -> None:
    text = text_of(1)
    copies = [article(n, text, title=f"Headline {n}", observed_ms=NOON - n * 1000) for n in range(5)]
    assert kinds(Wire(), *copies) == [("none", None), *[("exact", 0)] * 4]


def test_exact_looks_at_words_only() -> None:
    text = text_of(1)
    shouted = re.sub(r"\. ", " -- ", text.upper())
    assert kinds(Wire(), article(0, text), article(1, shouted)) == [("none", None), ("exact", 0)]


def test_small_edits_are_near_and_carry_their_similarity() -> None:
    wire = Wire()
    wire.send(article(0, text_of(1, 300)))
    verdict = wire.verdict(article(1, edited(text_of(1, 300), (50, 200))))
    assert verdict.kind == "near"
    assert verdict.of == article(0, "").id
    # Two changed words touch ten of 296 shingles.
    assert verdict.similarity == pytest.approx(286 / 306, abs=0.01)
    assert verdict.shared == verdict.containment == pytest.approx(286 / 296, abs=0.01)


def test_the_threshold_is_a_setting() -> None:
    changed = edited(text_of(1, 300), (30, 60, 90, 120, 150, 180, 210, 240))
    strict = Wire(deduplicate={"similarity_min": 0.95})
    strict.send(article(0, text_of(1, 300)))
    assert strict.verdict(article(1, changed)).kind != "near"
    loose = Wire(deduplicate={"similarity_min": 0.6})
    loose.send(article(0, text_of(1, 300)))
    assert loose.verdict(article(1, changed)).kind == "near"


def test_the_part_that_makes_a_cut_copy_is_a_setting() -> None:
    half_new = cut(text_of(1, 200), 0.7) + " " + text_of(2, 60).lower()  # which names nothing else
    for least, kind in ((0.6, "syndicated"), (0.8, "none")):
        wire = Wire(deduplicate={"containment_min": least, "similarity_min": 0.6})
        wire.send(article(0, text_of(1, 200)))
        assert wire.verdict(article(1, half_new)).kind == kind


def test_a_part_that_is_too_small_for_a_cut_copy_may_still_be_a_near_one() -> None:
    wire = Wire(deduplicate={"containment_min": 0.95, "similarity_min": 0.5})
    wire.send(article(0, text_of(1, 200)))
    verdict = wire.verdict(article(1, cut(text_of(1, 200), 0.7) + " " + text_of(2, 12).lower()))
    assert verdict.shared is not None
    assert 0.8 < verdict.shared < 0.95
    assert verdict.kind == "near"


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_cut_copy_is_syndicated(share: float) -> None:
    wire = Wire()
    wire.send(article(0, text_of(1, 400)))
    verdict = wire.verdict(article(1, cut(text_of(1, 400), share), title="Another headline"))
    assert (verdict.kind, verdict.of) == ("syndicated", article(0, "").id)
    assert (verdict.shared, verdict.containment) == (1.0, 1.0)
    assert verdict.similarity == pytest.approx(share, abs=0.01)


def test_a_copy_with_byline_and_agency_line_is_a_copy() -> None:
    text = text_of(1, 200)
    copy = "LONDON (Agency) - " + text + " Reporting by Ann Lee."
    assert kinds(Wire(), article(0, text), article(1, copy))[1] == ("near", 0)


def test_a_longer_text_that_contains_an_earlier_one_is_its_update() -> None:
    wire = Wire()
    wire.send(article(0, cut(text_of(1, 400), 0.4)))
    verdict = wire.verdict(article(1, text_of(1, 400)))
    assert (verdict.kind, verdict.of) == ("update", article(0, "").id)
    assert verdict.containment == 1.0
    assert verdict.shared == verdict.similarity == pytest.approx(0.4, abs=0.01)
    assert kinds(wire, article(2, text_of(1, 400))) == [("exact", 1)], "a copy of the update"


def test_copies_may_be_emitted_and_say_what_they_are() -> None:
    wire = Wire(deduplicate={"duplicates": "emit"})
    wire.send(article(0, text_of(1)))
    second = unique(wire.send(article(1, text_of(1))))
    assert (second.sequence, second.duplicate.kind, second.duplicate.of) == (2, "exact", article(0, "").id)
    wire.rebuild()
    third = unique(wire.send(article(2, edited(text_of(1), (60,)))))
    assert (third.sequence, third.duplicate.kind) == (3, "near")
    assert third.duplicate.of == article(0, "").id, "copies are of the original, not of one another"
    changed = unique(wire.send(article(1, text_of(2), revision=2)))
    assert (changed.sequence, changed.duplicate.kind, changed.duplicate.of) == (4, "update", changed.id)
    assert unique(wire.send(article(3, text_of(2)))).duplicate.of == changed.id


def test_a_feed_may_have_rules_of_its_own() -> None:
    own = {"https://feed1.example/rss": {"duplicates": "emit"}, "https://feed2.example/rss": {"similarity_min": 0.99}}
    wire = Wire(deduplicate={"feeds": own})
    wire.send(article(0, text_of(1, 300)))
    near = edited(text_of(1, 300), (50, 200))
    assert unique(wire.send(article(1, near))).duplicate.kind == "near"
    assert wire.verdict(article(2, near)).kind != "near"
    assert wire.verdict(article(3, near)).kind == "near"  # of a feed that has no rules, and so an outcome
    (left_out,) = wire.send(article(6, near)).emissions
    assert left_out.topic == "outcomes"


def test_templates_with_other_facts_are_not_merged() -> None:
    chance = random.Random(1)
    wire = Wire()
    for number in range(300):
        facts = {
            "name": chance.choice(["Acme", "Borealis", "Corvus", "Delphi"]),
            "verb": chance.choice(["fell", "rose"]),
            "percent": chance.randint(1, 99),
            "sum": 100 + number,
        }
        assert wire.verdict(article(number, TEMPLATE.format(**facts))).kind == "none"


def test_one_other_number_in_a_template_is_other_news() -> None:
    a = TEMPLATE.format(name="Acme", verb="fell", percent=3, sum=70)
    b = TEMPLATE.format(name="Acme", verb="fell", percent=5, sum=70)
    c = TEMPLATE.format(name="Corvus", verb="fell", percent=3, sum=70)
    assert kinds(Wire(), article(0, a), article(1, b), article(2, c)) == [("none", None)] * 3


def test_a_changed_text_under_the_same_id_is_its_next_revision() -> None:
    wire = Wire()
    wire.send(article(0, text_of(1)))
    wire.send(article(1, text_of(2)))
    second = unique(wire.send(article(0, edited(text_of(1), (5,)), revision=2)))
    assert (second.duplicate.kind, second.duplicate.of, second.sequence) == ("update", second.id, 3)
    assert second.duplicate.similarity is not None
    assert 0.8 < second.duplicate.similarity < 1
    # Even when its text has become another's.
    third = unique(wire.send(article(0, text_of(2), revision=3)))
    assert third.duplicate.of == third.id
    assert kinds(wire, article(2, text_of(2))) == [("exact", 1)]


def test_a_copy_of_an_earlier_revision_is_a_copy_of_the_article() -> None:
    wire = Wire()
    wire.send(article(0, text_of(1)))
    wire.send(article(0, text_of(2), revision=2))
    assert kinds(wire, article(1, text_of(1))) == [("exact", 0)]


def test_an_id_that_was_a_copy_is_judged_by_its_text_when_it_changes() -> None:
    wire = Wire()
    wire.send(article(0, text_of(1)))
    assert kinds(wire, article(1, text_of(1))) == [("exact", 0)]
    assert kinds(wire, article(1, edited(text_of(1), (110,)), revision=2)) == [("near", 0)]
    assert kinds(wire, article(1, text_of(2), revision=3)) == [("none", None)]
    assert kinds(wire, article(1, text_of(3), revision=4)) == [("update", 1)]


def test_the_same_url_with_another_text_is_an_update() -> None:
    url = "https://site.example/story"
    wire = Wire()
    wire.send(article(0, text_of(1), url=url))
    assert kinds(wire, article(1, text_of(2), url=url)) == [("update", 0)]
    assert kinds(wire, article(2, "Short now.", url=url)) == [("update", 0)]
    assert kinds(wire, article(3, text_of(1), url=url)) == [("exact", 0)]
    front = "https://site.example/"
    assert kinds(Wire(), article(0, text_of(1), url=front), article(1, text_of(2), url=front))[1] == ("none", None)
    assert kinds(Wire(), article(0, text_of(1), url=None), article(1, text_of(2), url=None))[1] == ("none", None)


def test_a_retry_passes_as_update_of_itself() -> None:
    wire = Wire()
    wire.send(article(0, text_of(1)))
    again = unique(wire.send(article(1, text_of(1), id=article(0, "").id, revision=2, retry=True, supersedes=0)))
    assert (again.duplicate.kind, again.duplicate.of, again.duplicate.similarity) == ("update", again.id, 1.0)
    assert (again.retry, again.supersedes, again.position) == (True, 0, 1)
    forgotten = unique(Wire().send(article(1, text_of(1), revision=2, retry=True)))
    assert (forgotten.duplicate.of, forgotten.duplicate.similarity) == (forgotten.id, None)


def test_short_texts_match_only_as_a_whole() -> None:
    wire = Wire()
    short = "The minister said that nothing was decided yet."
    assert kinds(wire, article(0, short, title="A")) == [("none", None)]
    assert kinds(wire, article(1, short, title="B")) == [("none", None)]
    assert kinds(wire, article(2, short + " Really.", title="A")) == [("none", None)]
    assert kinds(wire, article(3, short.upper(), title="a")) == [("exact", 0)]
    assert kinds(wire, article(4, "Up 3 %", title="Markets")) == [("none", None)]
    assert kinds(wire, article(5, "Up 5 %", title="Markets")) == [("none", None)]
    assert kinds(wire, article(6, "", title="Headline only")) == [("none", None)]
    assert kinds(wire, article(7, "", title="Headline only")) == [("exact", 6)]
    assert kinds(wire, article(8, "", title="Headline, other")) == [("none", None)]


@pytest.mark.parametrize(
    "texts",
    [
        ("😀😀😀", "😀😀😡"),
        ("日本の首相は火曜日に新しい橋を発表した" * 3, "東京の市長は水曜日に古い港を閉鎖した" * 3),
        ("Привіт world 123 مرحبا", "Привіт world 124 مرحبا"),
    ],
)
def test_odd_texts_match_themselves_and_nothing_else(texts: tuple[str, str]) -> None:
    a, b = texts
    same = {"title": "T"}
    got = kinds(Wire(), article(0, a, **same), article(1, b, **same), article(2, a, **same), article(3, b, **same))
    assert got == [("none", None), ("none", None), ("exact", 0), ("exact", 1)]


def test_text_without_word_ends_is_compared_by_characters() -> None:
    chance = random.Random(4)
    text = "".join(chance.choices("日本国民年会社東京大学生先月新聞政治経済山川田中上下左右前後", k=400))
    assert kinds(Wire(), article(0, text), article(1, text[:200]))[1] == ("syndicated", 0)


def test_sequence_numbers_have_no_gaps_and_copies_take_none() -> None:
    wire = Wire()
    numbers = []
    for number in range(40):
        result = wire.send(article(number, text_of(number % 7)))
        numbers += [UniqueArticle.decode(e.value).sequence for e in result.emissions if e.topic == "unique"]
    assert numbers == list(range(1, 8))


def test_copies_are_not_kept() -> None:
    wire = Wire()
    wire.send(article(0, text_of(1)))
    size, rows = len(wire.step._index), len(wire.state.rows)
    for number in range(1, 300):
        assert wire.verdict(article(number, text_of(1))).of == article(0, "").id
    assert (len(wire.step._index), len(wire.state.rows)) == (size, rows)


def test_texts_expire_with_the_watermark_in_event_time() -> None:
    def after(days: float) -> tuple[str, int | None]:
        wire = Wire(deduplicate={"window_seconds": 86_400})
        wire.send(article(0, text_of(1)))
        wire.send(article(1, text_of(2), observed_ms=NOON + int(days * DAY)))
        # The copy itself is old: what counts is where the watermark stands.
        return kinds(wire, article(2, text_of(1), observed_ms=NOON))[0]

    assert after(1) == ("exact", 0)
    assert after(1.001) == ("none", None)


def test_an_id_is_told_as_long_as_prepare_tells_it() -> None:
    wire = Wire(deduplicate={"window_seconds": 3600}, prepare={"window_seconds": 86_400})
    wire.send(article(0, text_of(1)))
    late = unique(wire.send(article(0, text_of(2), revision=2, observed_ms=NOON + DAY)))
    assert (late.duplicate.kind, late.duplicate.of, late.duplicate.similarity) == ("update", late.id, None)
    assert kinds(wire, article(1, text_of(9), observed_ms=NOON + 3 * DAY)) == [("none", None)]
    assert kinds(wire, article(0, text_of(3), revision=1, observed_ms=NOON)) == [("none", None)]


def stream(seed: int, length: int) -> list[PreparedArticle]:
    """Originals, copies, edits, cuts, extensions, revisions and shorts, with times that jump back and forth."""
    chance = random.Random(seed)
    articles: list[PreparedArticle] = []
    now = NOON
    for position in range(length):
        now += chance.randrange(0, 3_000_000)
        text = text_of(chance.randrange(12), chance.choice([20, 40, 120, 200]))
        match chance.randrange(6):
            case 0:
                text = cut(text, chance.uniform(0.3, 0.9))
            case 1:
                text = edited(text, tuple(chance.randrange(20) for _ in range(2)))
            case 2:
                text += " " + text_of(chance.randrange(1000), chance.randrange(100))
            case _:
                pass
        fields: dict[str, Any] = {"observed_ms": now - chance.choice([0, 0, 5_000_000, 40_000_000])}
        if chance.random() < 0.2:
            fields["url"] = f"https://site.example/shared{chance.randrange(5)}"
        if articles and chance.random() < 0.15:
            fields |= {"id": chance.choice(articles).id, "revision": 2, "retry": chance.random() < 0.2}
        articles.append(article(position, text, **fields))
    return articles


def test_the_stream_of_the_next_test_has_every_kind() -> None:
    wire = Wire(**WINDOW)
    found = {wire.verdict(one).kind for one in stream(1, 400)}
    assert found == {"none", "exact", "near", "syndicated", "update"}


WINDOW = {"deduplicate": {"window_seconds": 20_000}, "prepare": {"window_seconds": 30_000}}


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_a_step_rebuilt_from_its_state_at_any_point_decides_the_same(seed: int) -> None:
    chance = random.Random(seed)
    whole, broken, unswept = Wire(**WINDOW), Wire(**WINDOW), Wire(**WINDOW)
    unswept.state.sweep = lambda limit: []  # type: ignore[method-assign]
    emitted: set[str] = set()
    found: set[str] = set()
    for one in stream(seed, 120):
        if chance.random() < 0.1:
            broken.rebuild()
        result = whole.send(one)
        assert result == broken.send(one, commit=chance.random() < 0.3)
        assert result == unswept.send(one)
        (sent,) = result.emissions
        record = (UniqueArticle if sent.topic == "unique" else Outcome).decode(sent.value)
        assert record.duplicate is not None
        found.add(record.duplicate.kind)
        if sent.topic == "unique":
            emitted.add(one.id)
        if record.duplicate.of is not None:
            assert record.duplicate.of in emitted
    assert found > {"none"}
    assert len(whole.state.rows) < len(unswept.state.rows), "expired rows are deleted"
    assert len(whole.step._index) <= len([key for key in whole.state.rows if key[:1] == b"t"])


@pytest.mark.parametrize("value", [None, b"", b"?", b"[]", b'{"schema":"newswire.prepared.v9"}', b"\xff", b"{}"])
def test_what_is_none_of_ours_is_a_stray(value: bytes | None) -> None:
    wire = Wire()
    result = wire.send(value)
    assert result.counts == {"stray": 1}
    assert [e.topic for e in result.emissions] == ["dead"]
    assert letter(result).stage == "deduplicate"
    assert unique(wire.send(article(0, text_of(1)))).sequence == 1


def test_an_article_whose_work_fails_is_dead_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    wire.send(article(0, text_of(1)))
    before = dict(wire.state.rows)
    monkeypatch.setattr(decide_module, "sign", lambda words: 1 / 0)
    failed = article(1, text_of(2), supersedes=0, observed_ms=NOON + DAY)
    result = wire.send(failed)
    assert result.counts == {"in": 1, "dead": 1}
    assert result.feed == failed.feed.url
    ended = Outcome.decode(result.emissions[0].value)
    assert (ended.outcome, ended.id, ended.position, ended.supersedes) == ("dead", failed.id, 1, 0)
    kept = letter(result)
    assert (kept.id, kept.position, kept.supersedes, kept.feed_url) == (failed.id, 1, "dead", failed.feed.url)
    assert kept.error == "ZeroDivisionError: division by zero"
    assert wire.state.rows == before
    monkeypatch.undo()
    assert unique(wire.send(article(2, text_of(2)))).sequence == 2


def test_a_record_that_ends_the_process_again_and_again_is_dead() -> None:
    wire = Wire()
    result = wire.send(article(0, text_of(1)), attempts=3)
    assert Outcome.decode(result.emissions[0].value).reason == "was being worked on in 3 ends of the process"
    assert letter(result).attempts == 3
    assert unique(wire.send(article(1, text_of(1)), attempts=2)).sequence == 1


def test_an_id_that_is_none_is_dead() -> None:
    result = Wire().send(article(0, text_of(1), id="no id"))
    assert result.counts == {"in": 1, "dead": 1}


def test_a_long_text_is_bounded_in_the_state() -> None:
    wire = Wire()
    text = text_of(1, 150_000)
    wire.send(article(0, text))
    assert max(len(row) for row in wire.state.rows.values()) < 4_000
    assert kinds(wire, article(1, edited(text, (7, 70_000)))) == [("near", 0)]
    assert kinds(wire, article(2, cut(text, 0.5))) == [("syndicated", 0)]


def test_a_crowd_of_texts_with_one_footer_hides_nothing() -> None:
    footer = text_of(999, 40)
    wire = Wire()
    for number in range(60):
        assert wire.verdict(article(number, text_of(number, 100) + " " + footer)).kind == "none"
    for number in range(0, 60, 7):
        copy = edited(text_of(number, 100), (3,)) + " " + footer
        assert kinds(wire, article(100 + number, copy)) == [("near", number)]
