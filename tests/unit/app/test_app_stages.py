"""What a worker calls itself."""

import shutil
from pathlib import Path

import pytest

from newswire.pipeline.app.stages import ROLES, Worker, sequence_of, stage_config
from newswire.pipeline.connection import Connection
from newswire.pipeline.settings import Settings


def worker(state_dir: Path, name: str = "wire") -> Worker:
    made = Worker(Settings(state_dir=state_dir), Connection("nowhere:1"), name, ("prepare",))
    made.folder.mkdir(parents=True, exist_ok=True)
    return made


def test_the_owner_stays_through_starts_and_the_loss_of_the_workers_folder(tmp_path: Path) -> None:
    first = worker(tmp_path)
    owner = first.owner
    assert len(owner) == 32
    shutil.rmtree(first.folder)
    assert stage_config(worker(tmp_path), "prepare").instance_owner == owner


def test_no_two_workers_have_one_owner(tmp_path: Path) -> None:
    # the same names on two hosts, and two workers of one
    owners = {worker(tmp_path / "host").owner, worker(tmp_path / "other").owner, worker(tmp_path / "host", "x").owner}
    assert len(owners) == 3


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b'{"schema":"newswire.unique.v1","sequence":7}', 7),
        (b'{"sequence":"7"}', 0),
        (b"{}", 0),
        (b"[1]", 0),
        (b"{not json", 0),
        (b"\xff", 0),
        (b"", 0),
        (None, 0),
    ],
)
def test_a_record_that_is_no_article_orders_nothing(value: bytes | None, number: int) -> None:
    assert sequence_of(value) == number


def test_analyze_alone_has_several_partitions_whose_records_have_an_order(tmp_path: Path) -> None:
    numbered = [role for role in ROLES if stage_config(worker(tmp_path), role).number is not None]
    assert numbered == ["analyze"]
