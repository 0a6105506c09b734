"""Event time against the clock, and the estimate of what is left."""

from datetime import UTC, datetime, timedelta

import pytest

from newswire.pipeline.replay.driver import Status
from newswire.pipeline.replay.writer import Pace

BEGIN = datetime(2025, 4, 18, tzinfo=UTC)


def test_max_never_waits() -> None:
    pace = Pace(None)
    assert [pace.delay(BEGIN + timedelta(days=day)) for day in (0, 400)] == [0, 0]


def test_event_time_runs_at_its_speed_from_the_first_item() -> None:
    now = 1_000.0
    pace = Pace(60.0, clock=lambda: now)
    assert pace.delay(BEGIN) == 0
    assert pace.delay(BEGIN + timedelta(hours=1)) == pytest.approx(60)
    now += 45
    assert pace.delay(BEGIN + timedelta(hours=1)) == pytest.approx(15)
    assert pace.delay(BEGIN + timedelta(minutes=1)) == 0  # late
    assert pace.delay(BEGIN - timedelta(days=1)) == 0  # out of order
    assert pace.delay(None) == 0


def test_nothing_waits_for_a_time_that_cannot_be_true() -> None:
    pace = Pace(60.0, BEGIN + timedelta(days=1), clock=lambda: 0.0)
    assert pace.delay(BEGIN + timedelta(days=2)) == 0  # nor does event time begin there
    assert pace.delay(BEGIN) == 0
    assert pace.delay(BEGIN + timedelta(hours=1)) == pytest.approx(60)
    assert pace.delay(BEGIN + timedelta(days=9_000)) == 0


def test_the_time_left_follows_rate_and_fraction() -> None:
    assert Status(written=0, ended=0, ended_here=0, fraction=0.0, seconds=1.0).seconds_left is None
    half = Status(written=500, ended=400, ended_here=200, fraction=0.5, seconds=10.0)
    assert half.rate == 20
    assert half.seconds_left == pytest.approx((1_000 - 400) / 20)
