"""The step of `cluster`: what it emits and counts, in any order of arrival and over any restart."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newswire.pipeline.ledger.counters import PREFIX, read_counts
from newswire.pipeline.stories.step import ARTICLE, STORY
from newswire.schemas import AnalyzedArticle, DeadLetter, Duplicate, Entity, Feed
from tests.unit.stories.articles import (
    BUDGET,
    FINAL,
    QUAKE,
    Wire,
    article,
    embedding,
    entities,
    stories_of,
)
from tests.unit.stories.articles import settings as settings_with


def mixture(size: int = 40, seed: int = 5) -> list[AnalyzedArticle]:
    """A wire of three events over days, with revisions, updates, odd clocks and degraded articles."""
    draw = random.Random(seed)
    made: list[AnalyzedArticle] = []
    for sequence in range(1, size + 1):
        event = draw.randrange(3)
        words = [QUAKE, BUDGET, FINAL][event].split()
        draw.shuffle(words)
        hours = sequence * 30 + draw.choice([0, 0, 0, -90, 30])
        new = article(
            sequence,
            " ".join(words[:7]),
            hours=hours,
            entities=entities(*draw.sample(["Vorkuta", "Parliament", "Wanderers"], draw.randrange(3))),
            embedding=draw.choice([None, embedding(event, 0.5, sequence)]),
        )
        if made and draw.random() < 0.2:
            id = draw.choice(made).id
            revision = 1 + max(other.revision for other in made if other.id == id)
            again = {"id": id, "revision": revision, "duplicate": Duplicate(kind="update", of=id)}
            new = new.model_copy(update=again)
        elif made and draw.random() < 0.2:
            new = new.model_copy(update={"duplicate": Duplicate(kind="update", of=draw.choice(made).id)})
        made.append(new)
    return made


MIXTURE = mixture()
IN_ORDER = Wire().play(MIXTURE)


def test_the_mixture_tries_what_it_should() -> None:
    assert len(set(IN_ORDER.stories)) >= 6, "stories expire"
    assert {outcome.outcome for outcome in IN_ORDER.outcomes} == {"emitted", "updated"}
    assert sum(enriched.story.new for enriched in IN_ORDER.enriched) == len(set(IN_ORDER.stories))
    assert IN_ORDER.step.open_stories < len(set(IN_ORDER.stories))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 12), st.randoms(use_true_random=False), st.sets(st.integers(0, len(MIXTURE))))
def test_order_of_arrival_and_restarts_change_no_byte(window: int, draw: random.Random, restarts: set[int]) -> None:
    late = sorted(MIXTURE, key=lambda record: record.sequence + draw.random() * window)
    wire = Wire()
    for number, record in enumerate(late):
        if number in restarts:
            wire.restart()
        wire.take(record)
    assert wire.emissions() == IN_ORDER.emissions()
    assert dict(wire.state.scan(STORY)) == dict(IN_ORDER.state.scan(STORY))


def test_what_is_emitted_and_counted() -> None:
    wire = Wire()
    first = article(1, entities=entities("Vorkuta"), cut=("title",))
    (result,) = wire.take(first)
    assert [(e.topic, e.key.decode()) for e in result.emissions] == [
        ("enriched", first.id),
        ("stories", wire.stories[0]),
        ("outcomes", first.id),
    ]
    assert (result.feed, dict(result.counts)) == (first.feed.url, {"in": 1, "emitted": 1})
    (enriched,), (outcome,) = wire.enriched, wire.outcomes
    shared = set(type(enriched).model_fields) & set(type(first).model_fields) - {"schema_"}
    assert {name: getattr(enriched, name) for name in shared} == {name: getattr(first, name) for name in shared}
    assert (enriched.provenance.model, enriched.provenance.taxonomy) == ("test", "test")
    assert enriched.story.new
    assert (outcome.outcome, outcome.stage, outcome.position, outcome.supersedes) == ("emitted", "cluster", 0, None)


def test_what_comes_early_is_held_and_counted() -> None:
    wire = Wire()
    (held,) = wire.take(article(2))
    assert (held.emissions, dict(held.counts)) == ((), {"in": 1, "held": 1})
    own, released = wire.take(article(1))
    assert dict(own.counts) == {"in": 1, "emitted": 1}
    assert dict(released.counts) == {"held": -1, "emitted": 1}
    assert [enriched.sequence for enriched in wire.enriched] == [1, 2]


def test_counters_balance_per_feed() -> None:
    draw = random.Random(1)
    wire = Wire().play(sorted(MIXTURE[:-1], key=lambda record: record.sequence + draw.random() * 20)[:-3])
    for row in read_counts(wire.state.scan(PREFIX)).values():
        assert row["in"] == row.get("emitted", 0) + row.get("updated", 0) + row.get("held", 0)


def test_a_retried_article_says_what_it_supersedes() -> None:
    again = article(1, supersedes=7, position=19, revision=2)
    (outcome,) = Wire().play([again]).outcomes
    assert (outcome.outcome, outcome.position, outcome.supersedes) == ("updated", 19, 7)


@pytest.mark.parametrize(
    "value", [b"", b"nonsense", b"{}", b"\xff\xfe", b"[" * 100_000, article(1).encode()[:-20]], ids=range(6)
)
def test_what_is_no_record_of_ours_is_a_stray(value: bytes) -> None:
    wire = Wire()
    (result,) = wire.take(value)
    assert [e.topic for e in result.emissions] == ["dead"]
    assert dict(result.counts) == {"stray": 1}
    assert DeadLetter.decode(result.emissions[0].value).position is None
    assert len(wire.take(article(1))) == 1


def test_a_second_record_with_a_number_is_a_stray() -> None:
    wire = Wire().play([article(1), article(3)])
    for sequence in (1, 3):
        (result,) = wire.take(article(sequence, "Something else altogether"))
        assert dict(result.counts) == {"stray": 1}
    wire.take(article(2))
    assert [enriched.title for enriched in wire.enriched] == [QUAKE] * 3


@pytest.mark.parametrize("broken", [{"embedding": "%%%"}, {"attempts": 3}], ids=["raises", "attempts"])
def test_an_article_that_fails_is_emitted_alone_and_degraded(broken: dict[str, object]) -> None:
    wire = Wire().play([article(1), article(3)])
    failing = article(2, position=41, revision=2, embedding=broken.get("embedding"))
    # what waits is released by it, and may be what ended the processes as well
    wire.take(failing, attempts=int(str(broken.get("attempts", 0))))
    enriched = wire.enriched[1]
    assert enriched.degraded is not None
    assert enriched.degraded.startswith("cluster: ")
    assert enriched.story.new
    assert enriched.story.id != wire.stories[0]
    assert wire.story(enriched.story.id).members == (failing.id,)
    letter = DeadLetter.decode(wire.emissions("dead")[0].value)
    assert (letter.id, letter.position, letter.supersedes, letter.stage) == (failing.id, 41, "updated", "cluster")
    assert letter.value == failing.encode().decode()
    assert wire.outcomes[1].reason == enriched.degraded
    assert len(wire.enriched) == 3


def test_the_letter_of_a_held_article_names_its_own_place() -> None:
    wire = Wire()
    wire.take(article(2, embedding="%%%"))
    wire.take(article(1))
    letter = DeadLetter.decode(wire.emissions("dead")[0].value)
    assert (letter.letter, letter.offset, letter.id) == ("cluster-0-0", 0, article(2).id)


def test_a_retry_of_a_failed_article_finds_its_story() -> None:
    failing = article(2, embedding="%%%")
    again = article(3, id=failing.id, revision=2, duplicate=Duplicate(kind="update", of=failing.id))
    stories = stories_of([article(1), failing, again])
    assert stories[0] == stories[2] != stories[1]


BAD = {
    "no text": {"title": "", "text": ""},
    "one word": {"title": "Hm"},
    "ten megabytes": {"title": "word " * 1_000, "text": "lorem ipsum dolor " * 600_000},
    "no spaces": {"title": "x" * 100_000},
    "emoji": {"title": "🙂" * 50, "text": "🙃" * 500},
    "mixed scripts": {"title": "Привіт 東京 שלום नमस्ते", "text": "\u202eabc\u0000 ﷽" * 50},
    "degraded": {"degraded": "no model", "embedding": None},
    "empty names": {
        "entities": tuple(Entity(text=" '’s ", type="PER", field="text", start=0, end=1, score=0) for _ in "ab")
    },
    "many names": {"entities": entities(*(f"Name {number}" for number in range(3_000)))},
    "zero vector": {"embedding": "A" * 512},
    "short vector": {"embedding": "AA=="},
    "long ago": {"hours": -24 * 365 * 40},
    "as far ahead as prepare lets pass": {"hours": 24},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_costs_nothing_else(bad: dict[str, object]) -> None:
    values = {"title": QUAKE, **bad}
    wire = Wire().play([article(1, str(values.pop("title")), **values), article(2, BUDGET), article(3, BUDGET)])  # type: ignore[arg-type]
    assert [enriched.sequence for enriched in wire.enriched] == [1, 2, 3]
    assert wire.emissions("dead") == []
    assert wire.stories[1] == wire.stories[2] != wire.stories[0]


def test_a_feed_that_names_everything_draws_no_story_to_itself() -> None:
    nouns = [
        "harbour",
        "reactor",
        "orchestra",
        "glacier",
        "tribunal",
        "vaccine",
        "airline",
        "copper",
        "marathon",
        "senate",
    ]
    places = ["Vorkuta", "Leeds", "Lagos", "Lyon", "Osaka", "Quito", "Tampere", "Graz", "Porto", "Bergen"]

    def report(sequence: int, event: int, words: str) -> AnalyzedArticle:
        title = f"{nouns[event]} in {places[event]} {words}"
        return article(sequence, title, entities=entities(places[event]), embedding=embedding(event, 0.3, sequence))

    def stuffed(sequence: int) -> AnalyzedArticle:
        return article(
            sequence,
            " ".join(nouns + places),
            text=" ".join(nouns + places) * 20,
            entities=entities(*places),
            embedding=embedding(100),
            feed=Feed(url="https://adversary.example/rss"),
        )

    wire = Wire().play(report(number + 1, number, "shuts after fire") for number in range(10))
    wire.play(stuffed(number) for number in range(11, 311))
    wire.play(report(number + 311, number, "stays shut") for number in range(10))
    first, bad, last = wire.stories[:10], wire.stories[10:310], wire.stories[310:]
    assert len(set(first)) == 10
    assert last == first, "reports go on in the stories of their events"
    assert len(set(bad) & set(first)) <= 1, "the stuffed articles are a story of their own, or add to one"


def test_ten_thousand_like_texts_stay_one_bounded_story() -> None:
    wire = Wire()
    for sequence in range(1, 401):
        wire.take(article(sequence, QUAKE, feed=Feed(url=f"https://{sequence}.example"), embedding=embedding(1)))
    assert len(set(wire.stories)) == 1
    sizes = [len(row) for _, row in wire.state.scan(STORY)]
    assert max(sizes) < 40_000
    story = wire.story(wire.stories[0])
    assert (story.size, len(story.members), story.members[-1]) == (400, 100, article(400).id)


def test_rows_of_expired_stories_and_articles_are_deleted() -> None:
    wire = Wire(settings_with(window_seconds=3600))
    wire.play(article(sequence, f"{QUAKE} {sequence}", hours=sequence * 2) for sequence in range(1, 300))
    assert wire.step.open_stories == 1
    assert len(list(wire.state.scan(STORY))) == 1
    assert len(list(wire.state.scan(ARTICLE))) < 150


def test_an_article_that_comes_again_as_a_first_one_opens_another_story_beside_the_one_it_opened_before() -> None:
    # Its feed and the window have forgotten it; others have kept its story open.
    wire = Wire(settings_with(window_seconds=3600))
    wire.play(article(sequence, QUAKE, hours=0.6 * sequence) for sequence in (1, 2, 3))
    wire.take(article(4, FINAL, hours=2, id=article(1).id))
    wire.play(article(sequence, QUAKE, hours=0.5 * sequence) for sequence in (5, 6))
    quake, final = wire.stories[0], wire.stories[3]
    assert wire.stories == [quake, quake, quake, final, quake, quake]
    assert final != quake
    assert wire.story(quake).size == 5
    assert wire.story(final).size == 1
