"""How a replay shows itself, and the processes that it takes."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from newswire.pipeline.replay.driver import Status, processes_of
from newswire.pipeline.replay.view import LineView, describe
from newswire.pipeline.settings import RunSettings

# what a person sees: a bar in the middle of what workers and this process write
ON_A_TERMINAL = """
import os, subprocess, sys, time
from newswire.pipeline.replay.driver import Status
from newswire.pipeline.replay.view import open_view

with open_view() as view:
    for ended in (0, 500, 1000):
        view.show(Status(written=1000, ended=ended, ended_here=ended, fraction=1.0, seconds=10.0))
        time.sleep(0.2)
    subprocess.run([sys.executable, "-c", "import sys; print('of a worker', file=sys.stderr)"], check=True)
    print("of this process", file=sys.stderr, flush=True)
print("after it", file=sys.stderr)
"""


def status(ended: int, seconds: float = 10.0, fraction: float = 0.5) -> Status:
    return Status(written=1_000, ended=ended, ended_here=ended, fraction=fraction, seconds=seconds)


def test_a_moment_in_words() -> None:
    assert describe(status(400)) == "50% read  400 of 1,000 ended  40.0/s  0:00:40 left"
    assert describe(status(0)) == "50% read  0 of 1,000 ended  0.0/s"
    assert status(400).done == pytest.approx(0.2)
    assert Status(written=0, ended=0, ended_here=0, fraction=1.0, seconds=1.0).done == 1.0


def test_lines_come_now_and_then_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with LineView() as view:
        for second in range(1, 13):
            view.show(status(second * 10, seconds=float(second)))
    assert capsys.readouterr().err.splitlines() == [
        "replay    2%  50% read  50 of 1,000 ended  10.0/s  0:03:15 left",
        "replay    5%  50% read  100 of 1,000 ended  10.0/s  0:03:10 left",
        "replay    6%  50% read  120 of 1,000 ended  10.0/s  0:03:08 left",
    ]


def test_a_bar_on_a_terminal_with_what_is_written_meanwhile_above_it() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", ON_A_TERMINAL]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "TERM": "xterm", "COLUMNS": "100"}
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = bytearray()
    try:
        while piece := os.read(ours, 65_536):
            written += piece
    except OSError:  # the other end of a terminal is closed
        pass
    assert child.wait(timeout=20) == 0
    os.close(ours)
    text = written.decode()
    for part in ("50%", "500 of 1,000 ended", "1,000 of 1,000 ended", "100.0/s", "0:00:00 left"):
        assert part in text
    assert text.index("1,000 of 1,000 ended") < text.index("of a worker") < text.index("of this process")
    assert text.rstrip().endswith("after it")


def test_the_processes_of_a_replay_are_those_of_the_service_without_the_poller() -> None:
    assert processes_of(RunSettings()) == {
        "wire": ("prepare", "deduplicate", "cluster"),
        "analyzer": ("analyze",),
    }
    given = {"all": ("collect", "prepare", "deduplicate"), "a": ("analyze",), "b": ("analyze",)}
    assert processes_of(RunSettings(processes=given)) == {
        "all": ("prepare", "deduplicate"),
        "a": ("analyze",),
        "b": ("analyze",),
        "cluster": ("cluster",),
    }
