"""The ends of processes are counted against the record in work, whatever ended them."""

import multiprocessing
import os
import signal
from pathlib import Path

from newswire.pipeline.stage.attempts import AttemptsFile, NoAttempts


def _die_on(path: Path, offset: int, position: int) -> None:
    attempts = AttemptsFile(path)
    attempts.open(position)
    attempts.mark(offset)
    os.kill(os.getpid(), signal.SIGKILL)


def test_kills_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "attempts"
    for _ in range(3):
        process = multiprocessing.get_context("spawn").Process(target=_die_on, args=(path, 12, 10))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    attempts = AttemptsFile(path)
    assert attempts.open(10) == {12: 3}
    assert (attempts.count(12), attempts.count(11)) == (3, 0)


def test_a_clean_end_counts_nothing(tmp_path: Path) -> None:
    attempts = AttemptsFile(tmp_path / "attempts")
    attempts.open(0)
    attempts.mark(3)
    attempts.clear()
    attempts.close()
    assert AttemptsFile(tmp_path / "attempts").open(0) == {}


def test_what_is_committed_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "attempts"
    for offset in (5, 8):
        attempts = AttemptsFile(path)
        attempts.open(0)
        attempts.mark(offset)
    attempts = AttemptsFile(path)
    assert attempts.open(0) == {5: 1, 8: 1}
    attempts.committed(6)
    assert (attempts.count(5), attempts.count(8)) == (0, 1)
    attempts.mark(4)  # a former life's mark, whose record another worker has committed meanwhile
    assert AttemptsFile(path).open(8) == {8: 1}
    assert AttemptsFile(path).open(9) == {}


def test_more_counts_than_room_keep_the_latest(tmp_path: Path) -> None:
    path = tmp_path / "attempts"
    for offset in range(70):
        attempts = AttemptsFile(path)
        attempts.open(0)
        attempts.mark(offset)
    assert sorted(AttemptsFile(path).open(0)) == list(range(5, 70))


def test_a_file_that_is_not_ours_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "attempts"
    for content in (b"", b"something else", b"NWATTS1\n cut off"):
        path.write_bytes(content)
        attempts = AttemptsFile(path)
        assert attempts.open(0) == {}
        attempts.close()


def test_without_a_folder_nothing_is_counted() -> None:
    attempts = NoAttempts()
    attempts.mark(3)
    assert (attempts.open(0), attempts.count(3)) == ({}, 0)
