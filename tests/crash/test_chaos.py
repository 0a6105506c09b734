"""How `make chaos` ends: the guarantee and the time to progress are told apart, and neither may fail."""

import sys
import tempfile
from pathlib import Path

import pytest

from tests.crash import chaos
from tests.crash.chaos import Round
from tests.crash.faults import AFTER_BROKER, AFTER_KILL


def after(number: int, seconds: float, goal: float) -> Round:
    return Round(number, "a fault", "what it did", seconds, goal, 100, 1)


IN_TIME = [after(1, AFTER_KILL, AFTER_KILL), after(2, AFTER_BROKER - 1, AFTER_BROKER)]
TOO_LATE = [*IN_TIME, after(3, AFTER_KILL + 1, AFTER_KILL), after(4, 1.0, AFTER_KILL)]


@pytest.mark.parametrize(
    ("rounds", "broken", "status", "says"),
    [
        (IN_TIME, None, 0, ("2 rounds, the guarantee holds", "progress within its goal in each of them")),
        (TOO_LATE, None, 1, ("4 rounds, the guarantee holds", "progress LATE in round 3")),
        (IN_TIME, "lost", 1, ("2 rounds, BROKEN: lost", "progress within its goal in each of them")),
        (TOO_LATE, "lost", 1, ("4 rounds, BROKEN: lost", "progress LATE in round 3")),
    ],
)
def test_a_run_is_good_with_the_guarantee_kept_and_progress_in_time(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    rounds: list[Round],
    broken: str | None,
    status: int,
    says: tuple[str, ...],
) -> None:
    async def done(*_: object) -> tuple[list[Round], str | None]:
        return rounds, broken

    table = tmp_path / "table.md"
    monkeypatch.setattr(chaos, "chaos", done)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["chaos", "--seed", "1", "--table", str(table)])
    assert chaos.main() == status
    assert capsys.readouterr().out.splitlines()[1:] == list(says)
    assert table.read_text().count("\n| 2") == 1, "a run has its row, whatever came of it"
    assert bool(list(tmp_path.glob("newswire-chaos-*"))) == bool(status), "the logs are kept when there is a reason"
