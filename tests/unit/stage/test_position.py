"""State and input position belong together, or nothing starts."""

import pytest

from newswire.pipeline.stage import StageConfig, StateMismatch
from newswire.pipeline.stage.position import InputPosition, check_position
from newswire.version import __version__


def check(
    row: bytes | None,
    committed: int | None,
    *,
    rows: bool = False,
    start: int = 0,
    end: int = 100,
    versions: range = range(1, 2),
) -> object:
    return check_position(
        row,
        committed,
        rows_present=rows,
        start=start,
        end=end,
        group="ns.s",
        changelog="ns.c",
        versions=versions,
    )


def test_both_missing_is_a_first_start() -> None:
    assert check(None, None) is None


def test_equal_goes_on() -> None:
    position = InputPosition(42, 40, "life")
    assert check(position.encode(), 42, rows=True) == position


@pytest.mark.parametrize(
    ("row", "committed", "rows", "start", "says"),
    [
        (None, 5, False, 0, "the changelog ns.c was emptied"),
        (None, None, True, 0, "the state has rows"),
        (InputPosition(42, 40, "l").encode(), None, True, 0, "--to-offset 42"),
        (InputPosition(42, 40, "l").encode(), 41, True, 0, "--to-offset 42"),
        (InputPosition(42, 40, "l").encode(), 42, True, 43, "deleted before they were read"),
        (InputPosition(101, 40, "l").encode(), 101, True, 0, "made anew"),
    ],
)
def test_everything_else_refuses_and_says_what_to_do(
    row: bytes | None, committed: int | None, rows: bool, start: int, says: str
) -> None:
    with pytest.raises(StateMismatch, match=says):
        check(row, committed, rows=rows, start=start)


def test_a_position_counts_records_not_offsets() -> None:
    first = InputPosition.first(7)
    later = first.advanced(20, 3).advanced(25, 2)
    assert (later.offset, later.records, later.life) == (25, 5, first.life)
    assert InputPosition.decode(later.encode()) == later
    assert InputPosition.first(7).life != first.life


def test_a_position_without_a_version_is_of_the_first() -> None:
    early = InputPosition.decode(b'{"offset": 42, "records": 40, "life": "l"}')
    assert (early.version, early.software) == (1, "")
    assert check(b'{"offset": 42, "records": 40, "life": "l"}', 42, rows=True) == early


@pytest.mark.parametrize(("version", "versions"), [(2, range(1, 2)), (1, range(2, 3)), (4, range(1, 4))])
def test_a_state_of_another_version_is_refused_by_name(version: int, versions: range) -> None:
    row = InputPosition(42, 40, "l", version, "9.9.9").encode()
    with pytest.raises(StateMismatch, match=rf"of ns\.s was written by newswire 9\.9\.9 in format {version}, .*replay"):
        check(row, 42, rows=True, versions=versions)


def test_a_state_that_is_taken_over_gets_the_version_of_this_code() -> None:
    position = check(InputPosition(42, 40, "l", 1, "0.0.1").encode(), 42, rows=True, versions=range(1, 3))
    assert isinstance(position, InputPosition)
    assert position.version == 2
    assert InputPosition.decode(position.advanced(43, 1).encode()).software == __version__


def config(**changes: object) -> StageConfig:
    return StageConfig(
        **{
            "namespace": "ns",
            "name": "s",
            "bootstrap_servers": "nowhere:1",
            "input_topic": "ns.in",
            "outputs": ("ns.out",),
            "changelog": "ns.s.changelog",
            "state_dir": None,
            **changes,
        }  # type: ignore[arg-type]
    )


def test_names() -> None:
    assert config().group == "ns.s"
    assert config().transactional_id(3) == "ns.s.ns.in.3"
    assert config(transaction_timeout_ms=30_000).batch_seconds == 10.0


@pytest.mark.parametrize(
    "changes",
    [{"batch_max": 0}, {"outputs": ("ns.s.changelog",)}, {"work_seconds": 1.0, "transaction_timeout_ms": 3000}],
)
def test_settings_that_contradict_each_other(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        config(**changes)
