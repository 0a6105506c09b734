"""Records of every version that was released are read for ever, and a later version is refused by name."""

import json
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field

from newswire.schemas import EnrichedArticle, RawArticle, RawOversize, RawRetry, decode_raw, versions
from newswire.schemas.__main__ import RECORDS
from newswire.schemas.common import ContractError, NewerVersion, Record
from newswire.schemas.versions import Fields, is_newer, readable, upcast

FIXTURES = Path(__file__).parents[2] / "data" / "schemas"
BUMPED = (
    "records that were written before are read otherwise now: raise the contract's version, give versions.UPCASTERS"
    " what makes the old version's records those of the new one, and tests/data/schemas a file NAME.json of the new"
    " version and a file NAME.expected.json of what the old version's records become"
)


def fixtures() -> list[tuple[type[Record], Path]]:
    files = [file for file in sorted(FIXTURES.glob("*.json")) if not file.name.endswith(".expected.json")]
    return [(record, file) for file in files for record in RECORDS if versions.is_family(file.stem, record.NAME)]


def holds(kept: Any, found: Any) -> bool:
    """Whether all that was kept is found; objects may have got fields with defaults."""
    if isinstance(kept, dict) and isinstance(found, dict):
        return all(key in found and holds(value, found[key]) for key, value in kept.items())
    if isinstance(kept, list) and isinstance(found, list):
        return len(kept) == len(found) and all(map(holds, kept, found))
    return bool(kept == found)


@pytest.mark.parametrize(("record", "file"), fixtures(), ids=lambda value: getattr(value, "stem", ""))
def test_records_of_every_released_version_are_read(record: type[Record], file: Path) -> None:
    kept = json.loads(file.read_text())
    becomes = file.with_name(f"{file.stem}.expected.json")
    expected = json.loads(becomes.read_text()) if becomes.exists() else kept
    assert kept
    assert len(expected) == len(kept)
    for old, wanted in zip(kept, expected, strict=True):
        read = record.decode(json.dumps(old).encode())
        assert holds(wanted, json.loads(read.encode())), BUMPED


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.NAME)
def test_every_contract_has_records_of_its_version_and_of_all_before(record: type[Record]) -> None:
    family, version = record.NAME.rsplit(".v", 1)
    names = {f"{family}.v{number}" for number in range(1, int(version) + 1)}
    assert {file.stem for contract, file in fixtures() if contract is record} == names
    assert set(readable(record.NAME)) == names


def test_every_file_of_records_has_its_contract() -> None:
    files = {file for file in FIXTURES.iterdir() if not file.name.endswith(".expected.json")}
    assert {file for _, file in fixtures()} == files


def test_a_check_of_what_was_kept_sees_what_is_lost() -> None:
    assert holds({"a": [{"b": 1}]}, {"a": [{"b": 1, "new": None}], "also": 2})
    lost: tuple[Any, ...] = ({}, {"a": []}, {"a": [{"b": 2}]}, {"a": [{}]}, [])
    assert not any(holds({"a": [{"b": 1}]}, found) for found in lost)


def test_records_of_raw_are_told_apart_whatever_their_version() -> None:
    retry = json.loads((FIXTURES / "newswire.raw.retry.v1.json").read_text())[0]
    assert isinstance(decode_raw(json.dumps(retry).encode()), RawRetry)
    with pytest.raises(NewerVersion, match=re.escape("newswire.raw.retry.v2")):
        decode_raw(json.dumps(retry | {"schema": "newswire.raw.retry.v2"}).encode())
    oversize = RawOversize(size=9, limit=8).encode()
    with pytest.raises(ContractError, match="too large"):
        decode_raw(oversize)


@pytest.mark.parametrize(
    ("schema", "newer", "words"),
    [
        (
            "newswire.enriched.v2",
            True,
            "unknown schema 'newswire.enriched.v2': this version reads newswire.enriched.v1; a newer newswire wrote it",
        ),
        ("newswire.enriched.v0", False, "unknown schema 'newswire.enriched.v0': this version reads"),
        ("newswire.enriched.v1.v2", False, "unknown schema"),
        ("newswire.enriched.vv", False, "unknown schema"),
        ("newswire.raw.v2", False, "unknown schema 'newswire.raw.v2': this version reads newswire.enriched.v1"),
        (7, False, "unknown schema '7'"),
        ("x" * 500, False, "unknown schema 'xxx"),
    ],
)
def test_another_schema_is_refused_by_name(schema: object, newer: bool, words: str) -> None:
    with pytest.raises(ContractError, match=re.escape(words)) as caught:
        EnrichedArticle.decode(json.dumps({"schema": schema}).encode())
    assert isinstance(caught.value, NewerVersion) == newer
    assert len(str(caught.value)) < 200


class Inner(Record):
    """A record within others, at its second version."""

    NAME: ClassVar[str] = "newswire.test.inner.v2"

    schema_: Literal["newswire.test.inner.v2"] = Field(default="newswire.test.inner.v2", alias="schema")
    name: str


class Outer(Record):
    """A record at its third version, which was given its fields one after the other."""

    NAME: ClassVar[str] = "newswire.test.v3"

    schema_: Literal["newswire.test.v3"] = Field(default="newswire.test.v3", alias="schema")
    words: tuple[str, ...]
    count: int
    inner: Inner | None = None
    others: tuple[Inner, ...] = ()


def outer_1(fields: Fields) -> Fields:
    fields["words"] = fields.pop("text").split()
    return fields


def outer_2(fields: Fields) -> Fields:
    return fields | {"count": len(fields["words"])}


def inner_1(fields: Fields) -> Fields:
    return {"name": fields["title"]}


@pytest.fixture
def upcasters(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"newswire.test.v1": outer_1, "newswire.test.v2": outer_2, "newswire.test.inner.v1": inner_1}
    monkeypatch.setattr(versions, "UPCASTERS", made)


@pytest.mark.usefixtures("upcasters")
@pytest.mark.parametrize(
    "fields",
    [
        {"schema": "newswire.test.v1", "text": "a b"},
        {"schema": "newswire.test.v2", "words": ["a", "b"]},
        {"schema": "newswire.test.v3", "words": ["a", "b"], "count": 2},
        {"words": ["a", "b"], "count": 2},
    ],
)
def test_an_older_record_is_brought_up_step_by_step(fields: Fields) -> None:
    assert Outer.decode(json.dumps(fields).encode()) == Outer(words=("a", "b"), count=2)


@pytest.mark.usefixtures("upcasters")
def test_older_records_within_a_record_are_brought_up_too() -> None:
    old = {"schema": "newswire.test.inner.v1", "title": "x"}
    for fields in ({"schema": "newswire.test.v1", "text": "a"}, {"words": ["a"], "count": 1}):
        outer = Outer.decode(json.dumps({**fields, "inner": old, "others": [old, old]}).encode())
        assert (outer.inner, outer.others) == (Inner(name="x"), (Inner(name="x"),) * 2)


@pytest.mark.usefixtures("upcasters")
def test_what_is_read_is_told_and_a_broken_old_record_costs_a_contract_error() -> None:
    assert readable("newswire.test.v3") == ("newswire.test.v3", "newswire.test.v2", "newswire.test.v1")
    with pytest.raises(NewerVersion, match=re.escape("reads newswire.test.v3, newswire.test.v2, newswire.test.v1;")):
        Outer.decode(b'{"schema":"newswire.test.v4"}')
    for broken in (b'{"schema":"newswire.test.v1"}', b'{"schema":"newswire.test.v2","words":[1]}', b'{"words":[]}'):
        with pytest.raises(ContractError) as caught:
            Outer.decode(broken)
        assert not isinstance(caught.value, NewerVersion)


def test_a_current_record_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_needed(value: bytes | None) -> Any:
        raise AssertionError("parsed a second time")

    monkeypatch.setattr("newswire.schemas.common.parse_object", not_needed)
    assert RawArticle.decode(RawArticle(title="x").encode()).title == "x"


def test_upcasting_changes_nothing_else() -> None:
    fields = {"schema": "newswire.raw.v1", "authors": ["a"], "x": {"schema": "other", "y": [[{"z": 1}]]}}
    assert upcast(fields, {}) == fields
    assert not is_newer(None, "newswire.raw.v1")
