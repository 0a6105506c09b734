"""The contracts: what is accepted, what is refused and with which words, and the generated JSON Schema files."""

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.schemas import DeadLetter, Outcome, RawArticle, RawRetry, decode_raw
from newswire.schemas.__main__ import RECORDS, main, render
from newswire.schemas.common import ContractError, format_time

FOLDER = Path(__file__).parents[3] / "newswire" / "schemas" / "json"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "no value"),
        (b"{", "not JSON"),
        (b"[]", "a JSON object is needed"),
        (b"\xff\xfe", "not JSON"),
        (b'{"schema":"newswire.raw.v9","title":"x"}', "unknown schema 'newswire.raw.v9'"),
        (b"{}", "one of title, summary and content is required"),
        (b'{"title":"x","observed_at":"yesterday"}', "observed_at"),
        (b'{"title":"x","observed_at":"2026-01-01T00:00:00"}', "observed_at"),
        (b'{"title":"\\ud800"}', "not JSON"),
    ],
)
def test_a_broken_raw_record_is_refused_with_a_reason(value: bytes | None, words: str) -> None:
    with pytest.raises(ContractError, match=words.replace("[", "\\[")):
        decode_raw(value)


def test_an_error_never_quotes_the_record() -> None:
    with pytest.raises(ContractError) as caught:
        decode_raw(json.dumps({"title": "x", "observed_at": "secret words"}).encode())
    assert "secret" not in str(caught.value)


def test_absent_fields_of_a_raw_article_are_null_or_empty() -> None:
    article = decode_raw(b'{"title":"x"}')
    assert isinstance(article, RawArticle)
    assert (article.feed_url, article.url, article.authors, article.observed_at) == ("", None, (), None)
    assert article.content_type == "text/html"


def test_each_field_of_a_raw_article_may_be_null() -> None:
    fields = [name for name in RawArticle.model_fields if name not in ("schema_", "title")]
    article = decode_raw(json.dumps({"title": "x"} | dict.fromkeys(fields)).encode())
    assert article == decode_raw(b'{"title":"x"}')
    with pytest.raises(ContractError, match="authors"):
        decode_raw(b'{"title":"x","authors":"A"}')


def test_a_retry_needs_exactly_one_record() -> None:
    with pytest.raises(ContractError, match="either article or prepared"):
        RawRetry.decode(b'{"letter":"prepare-0-1","position":1,"supersedes":"dead"}')


def test_times_are_rfc_3339_in_utc() -> None:
    article = RawArticle.decode(b'{"title":"x","observed_at":"2026-01-01T02:00:00+02:00"}')
    assert json.loads(article.encode())["observed_at"] == "2026-01-01T00:00:00Z"
    assert format_time(datetime(2026, 1, 1, microsecond=250_000, tzinfo=UTC)) == "2026-01-01T00:00:00.250Z"


@given(
    title=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    content=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    observed=st.integers(0, 4_102_444_800_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC)),
)
def test_a_raw_article_survives_its_bytes(title: str, content: str | None, observed: datetime) -> None:
    article = RawArticle(title=title, content=content, observed_at=observed)
    again = RawArticle.decode(article.encode())
    assert again.encode() == article.encode()
    assert (again.title, again.content) == (title, content)


def test_the_committed_schema_files_are_fresh_and_complete(tmp_path: Path) -> None:
    assert main(["--check", str(FOLDER)]) == 0
    assert {file.name for file in FOLDER.iterdir()} == {f"{record.NAME}.json" for record in RECORDS}
    assert main(["--check", str(tmp_path)]) == 1


def test_a_record_fulfils_its_published_schema_and_a_broken_one_does_not() -> None:
    outcome = Outcome(id="a", revision=1, outcome="seen", stage="prepare", position=3)
    schema = json.loads(render(Outcome))
    jsonschema.validate(json.loads(outcome.encode()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(outcome.encode()) | {"outcome": "vanished"}, schema)


def test_fields_of_a_later_version_are_passed_over() -> None:
    letter = DeadLetter(letter="a-0-1", stage="a", topic="t", partition=0, offset=1, error="e", software="s")
    later = json.loads(letter.encode()) | {"added_in_a_later_version": 1}
    assert DeadLetter.decode(json.dumps(later).encode()) == letter
