"""What `newswire ledger` prints: by feed and by hour, as a table and as JSON, and what it says of faults."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from newswire.pipeline.cli import ledger as module
from newswire.pipeline.ledger.balance import OUTCOMES, Entry, Ledger, Named
from newswire.pipeline.ledger.feed_hours import FeedHours
from newswire.pipeline.ledger.hours import HourEntry
from newswire.pipeline.settings import Settings

NONE = dict.fromkeys(OUTCOMES, 0)
HOPS = {"raw": 1, "prepared": 0, "unique": 0, "analyzed": 0, "held": 0}


def entry(feed: str | None, emitted: int) -> Entry:
    return Entry(feed, emitted + 1, {**NONE, "emitted": emitted}, HOPS)


def hour(at: datetime | None, emitted: int) -> HourEntry:
    return HourEntry(at, emitted, {**NONE, "emitted": emitted}, {"raw": 0})


BALANCED = Ledger(
    (entry("https://a.example/", 1), entry("https://b.example/", 3)),
    entry(None, 4),
    0,
    (),
    (hour(None, 1), hour(datetime(2026, 2, 1, 5, tzinfo=UTC), 2), hour(datetime(2026, 2, 1, 6, tzinfo=UTC), 1)),
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Ledger]:
    """The ledger that the command finds."""
    found = [BALANCED]

    async def read(settings: Settings) -> Ledger:
        return found[0]

    monkeypatch.setattr(module, "_read", read)
    return found


def call(*options: str) -> Result:
    return CliRunner().invoke(module.command, list(options))


def test_a_row_for_each_feed_is_the_default(shown: list[Ledger]) -> None:
    lines = call().stdout.splitlines()
    assert [line.split("\t")[:3] for line in lines[:-1]] == [
        ["feed", "collected", "emitted"],
        ["https://a.example/", "2", "1"],
        ["https://b.example/", "4", "3"],
        ["in all", "5", "4"],
    ]
    assert lines[-1] == "balanced"


def test_one_feed(shown: list[Ledger]) -> None:
    lines = call("--feed", "https://b.example/").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["feed", "https://b.example/", "in all", "balanced"]
    found = json.loads(call("--feed", "https://b.example/", "--json").stdout)
    assert [feed["feed"] for feed in found["feeds"]] == ["https://b.example/"]
    result = call("--feed", "https://c.example/")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing was collected from 'https://c.example/'" in result.stderr


def test_hours(shown: list[Ledger]) -> None:
    lines = call("--by", "hour").stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines[:-1]] == [
        ["hour", "collected"],
        ["earlier", "1"],
        ["2026-02-01T05:00Z", "2"],
        ["2026-02-01T06:00Z", "1"],
        ["in all", "5"],
    ]
    found = json.loads(call("--by", "hour", "--json").stdout)
    assert [row["hour"] for row in found["hours"]] == [None, "2026-02-01T05:00:00Z", "2026-02-01T06:00:00Z"]
    assert found["hours"][1]["emitted"] == found["hours"][1]["collected"] == 2
    assert found["hours_complete"] is True


@pytest.mark.parametrize(
    ("since", "hours"),
    [
        ("2026-02-01T06:00:00Z", ["2026-02-01T06:00:00Z"]),
        ("2026-02-01T05:59:00Z", ["2026-02-01T05:00:00Z", "2026-02-01T06:00:00Z"]),
        ("2026-02-01", ["2026-02-01T05:00:00Z", "2026-02-01T06:00:00Z"]),
        ("2026-02-02", []),
    ],
)
def test_hours_since_a_time(shown: list[Ledger], since: str, hours: list[str]) -> None:
    found = json.loads(call("--since", since, "--json").stdout)
    assert [row["hour"] for row in found["hours"]] == hours


A, B = "https://a.example/", "https://b.example/"


def paired(since: datetime | None) -> Ledger:
    """A ledger of seven hours whose feeds are counted by hour from `since` on."""
    hours = tuple(hour(datetime(2026, 2, 1, number, tzinfo=UTC), number) for number in range(1, 8))
    pairs = {A: (hours[4], hours[6]), B: (hours[5],)}
    return replace(BALANCED, hours=hours, feed_hours=FeedHours(since, pairs))


def test_the_hours_of_a_feed(shown: list[Ledger]) -> None:
    shown[0] = paired(datetime(2026, 2, 1, 5, tzinfo=UTC))
    lines = call("--feed", A, "--by", "hour").stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines[1:-1]] == [
        ["2026-02-01T05:00Z", "5"],
        ["2026-02-01T07:00Z", "7"],
        ["in all", "5"],
    ]
    found = json.loads(call("--feed", A, "--since", "2026-02-01T06:30:00Z", "--json").stdout)
    assert [(row["hour"], row["emitted"]) for row in found["hours"]] == [("2026-02-01T07:00:00Z", 7)]
    assert found["feed_hours_since"] == "2026-02-01T05:00:00Z"


def test_the_feeds_since_a_time(shown: list[Ledger]) -> None:
    shown[0] = paired(datetime(2026, 2, 1, 5, tzinfo=UTC))
    found = json.loads(call("--by", "feed", "--since", "2026-02-01T05:59:00Z", "--json").stdout)
    assert [(row["feed"], row["collected"], row["emitted"]) for row in found["feeds"]] == [(A, 12, 12), (B, 6, 6)]
    lines = call("--by", "feed", "--since", "2026-02-01T07:00:00Z").stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines[1:-1]] == [[A, "7"], ["in all", "5"]]
    lines = call("--by", "feed", "--since", "2026-02-01T07:00:00Z", "--feed", B).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines[1:-1]] == ["in all"]


def test_hours_of_a_feed_that_are_not_kept_are_refused(shown: list[Ledger]) -> None:
    shown[0] = paired(datetime(2026, 2, 1, 5, tzinfo=UTC))
    for options in (("--by", "feed", "--since", "2026-02-01T04:00:00Z"), ("--feed", A, "--since", "2026-02-01")):
        result = call(*options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "each feed's hours are counted from 2026-02-01T05:00Z on, not from 2026-02-01" in result.stderr
    shown[0] = paired(datetime(2026, 2, 1, 1, tzinfo=UTC))
    assert call("--by", "feed", "--since", "2026-01-01").exit_code == 0, "there is nothing before"


@pytest.mark.parametrize("options", [("--since", "soon"), ("--trust-analysis",)])
def test_what_cannot_be_asked_is_a_usage_error(shown: list[Ledger], options: tuple[str, ...]) -> None:
    assert call(*options).exit_code == 2


def test_what_is_missing_is_named(shown: list[Ledger]) -> None:
    missing = tuple(Named(n, f"{n:032x}", 2 * n, "https://a.example/") for n in range(30))
    repeated = (Named(77, None, 78, ""),)
    shown[0] = Ledger((), entry(None, 4), 0, ("30 are lost",), (), True, missing, repeated, (0, 99))
    result = call("--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["balanced"], found["faults"]) == (False, ["30 are lost"])
    assert [one["id"] for one in found["missing"]] == [one.id for one in missing]
    assert found["repeated"] == [{"id": None, "position": 77, "offset": 78, "feed": ""}]
    lines = call().stderr.splitlines()
    assert lines[0] == "does not balance: 30 are lost"
    assert lines[1] == f"missing: {0:032x} of https://a.example/, raw offset 0"
    assert lines[21:] == [
        "missing: 10 more (--json names all)",
        "more than one outcome: a record that cannot be read of (unknown), raw offset 78",
    ]


def test_faults_without_names_say_how_far_was_looked(shown: list[Ledger]) -> None:
    shown[0] = Ledger((), entry(None, 4), 0, ("off by one",), (), True, (), (), (5, 99))
    assert "each of the records 5 to 99" in call().stderr
    shown[0] = Ledger((), entry(None, 4), 0, ("off by one",))
    assert "raw holds no record any more" in call().stderr
