"""The prepare stage: position, identity, revision, times, retries and what happens to bad records."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newswire.pipeline.feeds.identity import article_id
from newswire.pipeline.settings import Settings, TextSettings
from newswire.pipeline.step import Result, Source
from newswire.pipeline.text import PrepareStep
from newswire.pipeline.text import prepare as prepare_module
from newswire.schemas import DeadLetter, Outcome, PreparedArticle
from newswire.schemas.common import format_time
from tests.unit.text.memory import MemoryState

NOON = int(datetime(2026, 1, 10, 12, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000
FEED = "https://example.com/feed"


def at(milliseconds: int) -> str:
    return format_time(datetime.fromtimestamp(milliseconds / 1000, UTC))


class Wire:
    """A step with its state, fed one record after another."""

    def __init__(self, **sections: Any) -> None:
        self.settings = Settings(**sections)
        self.state = MemoryState()
        self.step = PrepareStep(self.settings)
        self.offset = 0

    def send(self, value: bytes | None, received: int = NOON, attempts: int = 0) -> Result:
        source = Source("raw", 0, self.offset, None, value, received, attempts)
        self.offset += 1
        result = self.step.process(source, self.state)
        self.state.commit()
        counts = dict(result.counts)
        retried = sum(number for name, number in counts.items() if name.startswith("retried_"))
        assert counts["in"] == 1
        assert sum(counts.values()) == 2 + retried
        return result

    def article(self, received: int = NOON, attempts: int = 0, **fields: Any) -> Result:
        fields = {"feed_url": FEED, "entry_id": "1", "title": "T", "content": "Text", "observed_at": at(NOON)} | fields
        return self.send(json.dumps(fields).encode(), received, attempts)


def prepared(result: Result) -> PreparedArticle:
    (sent,) = result.emissions
    assert sent.topic == "prepared"
    assert result.counts["out"] == 1
    article = PreparedArticle.decode(sent.value)
    assert sent.key.decode() == article.id
    return article


def outcome(result: Result, kind: str) -> Outcome:
    assert result.counts[kind] == 1
    (sent, *_) = (e for e in result.emissions if e.topic == "outcomes")
    ended = Outcome.decode(sent.value)
    assert (ended.outcome, ended.stage) == (kind, "prepare")
    return ended


def letter(result: Result) -> DeadLetter:
    (sent,) = (e for e in result.emissions if e.topic == "dead")
    return DeadLetter.decode(sent.value)


def test_an_article_goes_out_clean() -> None:
    wire = Wire()
    result = wire.article(
        url="https://Example.com/a?utm_source=rss",
        title="AT&amp;T <b>falls</b>",
        summary="<p>In short.</p>",
        content="<p>One <i>two</i>.</p><p>Three.</p>",
        authors=["A"],
        published_at=at(NOON - DAY),
    )
    article = prepared(result)
    assert (article.title, article.text, article.summary) == ("AT&T falls", "One two.\n\nThree.", "In short.")
    assert article.url == "https://example.com/a"
    assert article.id == article_id(FEED, entry_id="1", url=None, title=None, content=None)
    assert (article.revision, article.position, article.retry, article.supersedes) == (1, 0, False, None)
    assert article.observed_at == datetime(2026, 1, 10, 12, tzinfo=UTC)
    assert result.feed == FEED
    assert result.counts == {"in": 1, "out": 1}


def test_every_record_takes_the_next_position() -> None:
    wire = Wire()
    assert prepared(wire.article(entry_id="a")).position == 0
    assert outcome(wire.send(b"\xff not JSON"), "dead").position == 1
    assert outcome(wire.article(entry_id="a"), "seen").position == 2
    assert outcome(wire.send(None), "dead").position == 3
    assert prepared(wire.article(entry_id="b")).position == 4


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\x00",
        b"[]",
        b"3",
        b'{"title": ""}',
        b'{"schema": "newswire.raw.v9", "title": "T"}',
        b'{"title": "T", "observed_at": "yesterday"}',
        b'{"title": "\\ud800"}',
        b'{"schema": "newswire.raw.retry.v1", "letter": "x", "position": 1, "supersedes": "dead"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_article_becomes_a_dead_letter(value: bytes | None) -> None:
    wire = Wire()
    result = wire.send(value)
    ended = outcome(result, "dead")
    kept = letter(result)
    assert ended.id is None
    assert ended.reason
    assert (kept.position, kept.stage, kept.supersedes) == (0, "prepare", "dead")
    assert result.counts == {"in": 1, "dead": 1}
    assert prepared(wire.article()).position == 1


def test_a_broken_record_is_counted_for_its_feed_where_that_can_be_read() -> None:
    result = Wire().send(json.dumps({"feed_url": FEED, "title": "T", "observed_at": "?"}).encode())
    assert result.feed == FEED
    assert outcome(result, "dead").feed_url == FEED


def test_a_failure_leaves_nothing_but_the_position(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    wire.article(entry_id="a")
    before = dict(wire.state.rows)
    monkeypatch.setattr(prepare_module, "detect_language", lambda *_: 1 / 0)
    result = wire.article(entry_id="b", observed_at=at(NOON + 1000))
    assert outcome(result, "dead").reason == "ZeroDivisionError: division by zero"
    assert letter(result).feed_url == result.feed == FEED
    changed = {key for key in wire.state.rows if wire.state.rows[key] != before.get(key)}
    assert changed == {b"m"}
    monkeypatch.undo()
    article = prepared(wire.article(entry_id="b", observed_at=None))
    assert (article.position, article.revision) == (2, 1)
    assert article.observed_at == datetime(2026, 1, 10, 12, tzinfo=UTC), "the watermark has not moved"


@pytest.mark.parametrize("attempts", [3, 4])
def test_a_record_that_ends_the_process_again_and_again_is_dead(attempts: int) -> None:
    wire = Wire()
    result = wire.article(attempts=attempts)
    assert outcome(result, "dead").reason == f"was being worked on in {attempts} ends of the process"
    assert letter(result).attempts == attempts
    assert result.feed == (FEED if attempts == 3 else "")
    assert prepared(wire.article(attempts=2)).revision == 1


def test_the_same_content_is_seen_and_a_changed_one_is_the_next_revision() -> None:
    wire = Wire()
    first = prepared(wire.article(content="<p>One</p>"))
    seen = outcome(wire.article(content="<div>One</div>"), "seen")
    assert (seen.id, seen.revision) == (first.id, 1)
    second = prepared(wire.article(content="Two"))
    assert (second.id, second.revision) == (first.id, 2)
    assert second.content_hash != first.content_hash
    assert prepared(wire.article(content="One")).revision == 3
    assert prepared(wire.article(content="One", title="New")).revision == 4


def test_an_identity_expires_with_the_watermark_and_seeing_it_keeps_it() -> None:
    wire = Wire(prepare={"window_seconds": 86_400})
    late = NOON + 10 * DAY

    def see(entry: str, moment: int) -> Result:
        return wire.article(late, entry_id=entry, observed_at=at(moment))

    prepared(see("a", NOON))
    prepared(see("b", NOON))
    outcome(see("a", NOON + DAY), "seen")
    outcome(see("a", NOON + 2 * DAY), "seen")
    assert prepared(see("b", NOON + DAY)).revision == 1, "b's row was behind the window"
    outcome(see("a", NOON), "seen")


def test_whether_rows_were_swept_changes_nothing() -> None:
    def run(sweeps: bool) -> list[bytes]:
        wire = Wire(prepare={"window_seconds": 3600})
        if not sweeps:
            wire.state.sweep = lambda limit: []  # type: ignore[method-assign]
        sent: list[bytes] = []
        for number in range(200):
            moment = NOON + number * 600_000 - (number % 7) * 1_500_000
            result = wire.article(NOON + 10 * DAY, entry_id=str(number % 13), observed_at=at(moment))
            sent += [e.value for e in result.emissions]
        if sweeps:
            assert len(wire.state.rows) < 14, "expired rows are deleted"
        return sent

    assert run(True) == run(False)


def test_a_missing_time_is_the_published_one_else_the_watermark_else_1970() -> None:
    wire = Wire()

    def observed(**fields: Any) -> datetime:
        return prepared(wire.article(observed_at=None, **fields)).observed_at

    assert observed(entry_id="1") == datetime(1970, 1, 1, tzinfo=UTC)
    assert observed(entry_id="2", published_at=at(NOON - DAY)) == datetime(2026, 1, 9, 12, tzinfo=UTC)
    assert observed(entry_id="3") == datetime(2026, 1, 9, 12, tzinfo=UTC)
    assert observed(entry_id="4", published_at="2100-01-01T00:00:00Z") == datetime(2026, 1, 9, 12, tzinfo=UTC)
    assert observed(entry_id="5", published_at="1970-01-01T00:00:00Z") == datetime(2026, 1, 9, 12, tzinfo=UTC)


def test_the_future_is_rejected_and_moves_no_watermark() -> None:
    wire = Wire()
    prepared(wire.article(entry_id="a"))
    ended = outcome(wire.article(entry_id="b", observed_at=at(NOON + DAY + 1000)), "rejected")
    assert ended.reason == "observed_at lies in the future"
    assert prepared(wire.article(entry_id="c", observed_at=None)).observed_at == datetime(2026, 1, 10, 12, tzinfo=UTC)
    prepared(wire.article(entry_id="d", observed_at=at(NOON + DAY)))


def test_impossible_published_dates_become_null() -> None:
    for date in ("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z"):
        assert prepared(Wire().article(published_at=date)).published_at is None


def test_plain_text_is_kept_as_it_is() -> None:
    text = "  One &amp; <b>two</b>\r\n\n\n\tthree  "
    article = prepared(Wire().article(content=text, title=" A  <i> title ", content_type="text/plain; charset=utf-8"))
    assert article.text == text
    assert article.title == " A  <i> title "


def test_texts_are_cut_in_code_points_and_named() -> None:
    wire = Wire(text=TextSettings(title_max=4, text_max=6).model_dump())
    article = prepared(
        wire.article(
            title="😀😀😀😀😀", content="日本語のニュース", summary="other than that", cut=["content", "authors"]
        )
    )
    assert (article.title, article.text, article.summary) == ("😀😀😀😀", "日本語のニュ", "other")
    assert article.cut == ("authors", "summary", "text", "title")
    plain = prepared(wire.article(entry_id="2", title="T", content="1234567", content_type="text/plain"))
    assert (plain.text, plain.cut) == ("123456", ("text",))


def test_the_summary_is_the_text_where_there_is_no_content() -> None:
    wire = Wire()
    article = prepared(wire.article(content=None, summary="<p>Only a summary</p>", cut=["summary"]))
    assert (article.text, article.summary, article.cut) == ("Only a summary", None, ("text",))
    picture = prepared(wire.article(entry_id="2", content="<img src='x'>", summary="A picture"))
    assert (picture.text, picture.summary) == ("A picture", None)
    repeated = prepared(wire.article(entry_id="3", content="<p>The text goes on.</p>", summary="The text…"))
    assert repeated.summary is None


def test_a_missing_title_is_made_from_the_text() -> None:
    assert prepared(Wire().article(title=None, content="<p>First line.</p><p>More.</p>")).title == "First line."


def test_nothing_to_read_is_rejected() -> None:
    ended = outcome(Wire().article(title="<b> </b>", content="<img src='x'>"), "rejected")
    assert ended.reason == "no text"
    assert ended.id is not None


def test_a_feed_url_may_be_absent() -> None:
    result = Wire().send(b'{"title": "T"}')
    assert result.feed == prepared(result).feed.url == ""


def test_a_retried_dead_letter_is_an_article_that_supersedes() -> None:
    wire = Wire()
    outcome(wire.send(b"?"), "dead")
    retry = {"schema": "newswire.raw.retry.v1", "letter": "prepare-0-0", "position": 0, "supersedes": "dead"}
    value = json.dumps(retry | {"article": {"feed_url": FEED, "title": "T", "observed_at": at(NOON)}}).encode()
    result = wire.send(value)
    assert prepared(result).supersedes == 0
    assert prepared(result).position == 1
    assert result.counts == {"in": 1, "out": 1, "retried_dead": 1}
    again = wire.send(value)
    assert outcome(again, "seen").supersedes == 0
    assert again.counts == {"in": 1, "seen": 1, "retried_dead": 1}
    dead = wire.send(value, attempts=3)
    assert outcome(dead, "dead").supersedes == 0
    assert dead.counts == {"in": 1, "dead": 1, "retried_dead": 1}
    assert dead.feed == FEED


def test_a_retried_analysis_is_a_new_revision_unless_the_article_moved_on() -> None:
    wire = Wire()
    first = prepared(wire.article())
    head = {"schema": "newswire.raw.retry.v1", "letter": "analyze-0-0", "position": 0, "supersedes": "emitted"}
    value = json.dumps(head | {"prepared": json.loads(first.encode())}).encode()
    result = wire.send(value)
    again = prepared(result)
    assert (again.retry, again.revision, again.supersedes, again.position) == (True, 2, 0, 1)
    assert again.content_hash == first.content_hash
    assert result.counts == {"in": 1, "out": 1, "retried_emitted": 1}
    late = wire.send(value)
    assert outcome(late, "seen").reason == "a later revision exists"
    assert late.counts == {"in": 1, "seen": 1, "retried_emitted": 1}
    outcome(wire.article(), "seen")
    assert prepared(wire.article(content="changed")).revision == 3
    outcome(wire.send(value), "seen")


def test_a_retry_of_what_died_before_it_was_emitted_keeps_its_revision_and_may_still_be_a_copy() -> None:
    wire = Wire()
    first = prepared(wire.article())
    head = {"schema": "newswire.raw.retry.v1", "letter": "deduplicate-0-0", "position": 0, "supersedes": "dead"}
    again = prepared(wire.send(json.dumps(head | {"prepared": json.loads(first.encode())}).encode()))
    assert (again.retry, again.revision, again.supersedes, again.position) == (False, 1, 0, 1)
    outcome(wire.article(), "seen")


def test_huge_texts_are_cut_not_refused() -> None:
    article = prepared(Wire().article(title="t" * 200_000, content="<p>" + "word " * 2_000_000))
    assert len(article.title) == 4_096
    assert len(article.text) <= 1_000_000
    assert article.cut == ("text", "title")


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {"title": st.text(max_size=30)},
        optional={
            "content": st.text(max_size=200),
            "summary": st.text(max_size=50),
            "entry_id": st.text(max_size=10),
            "url": st.text(max_size=20),
            "observed_at": st.datetimes(timezones=st.just(UTC)).map(lambda d: d.isoformat()),
            "published_at": st.datetimes(timezones=st.just(UTC)).map(lambda d: d.isoformat()),
            "content_type": st.sampled_from(["text/html", "text/plain", ""]),
            "language": st.text(max_size=5),
        },
    )
)
def test_any_article_has_one_end_and_the_same_twice(fields: dict[str, Any]) -> None:
    value = json.dumps(fields).encode()
    one, two = Wire(), Wire()
    first = one.send(value)
    assert first == two.send(value)
    second = one.send(value)
    kind = next(name for name in second.counts if name != "in")
    assert kind == ("seen" if "out" in first.counts else next(name for name in first.counts if name != "in"))
