"""Keeping answers without costing a poll anything, whatever the disk does."""

import asyncio
import errno
import threading
import time

import pytest
from structlog.testing import capture_logs

from newswire.pipeline.archive import recorder as recorder_module
from newswire.pipeline.archive.record import Answer
from newswire.pipeline.archive.recorder import Counts, Recorder
from tests.unit.archive.answers import FEED, answer


class Writer:
    """A writer that fails or hangs as the test says."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.closed = 0
        self.error: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def write(self, answer: Answer) -> None:
        """Write an answer, in a thread."""
        assert threading.current_thread() is not threading.main_thread()
        assert self.go.wait(20)
        if self.error is not None:
            raise self.error
        self.written.append(answer.origin.read_at or 0)

    def close(self) -> None:
        """End the file."""
        assert self.go.wait(20)
        self.closed += 1


async def test_answers_are_written_in_order_when_keep_returns() -> None:
    writer = Writer()
    recorder = Recorder(writer)
    await recorder.keep(answer(0))
    assert writer.written == [0]
    await asyncio.gather(*(recorder.keep(answer(number)) for number in range(1, 20)))
    assert writer.written == list(range(20))
    await recorder.close()
    assert (writer.closed, recorder.counts) == (1, Counts(kept=20))


async def test_a_burst_of_failures_is_counted_and_said_once() -> None:
    writer = Writer()
    recorder = Recorder(writer)
    with capture_logs() as logs:
        writer.error = OSError(errno.ENOSPC, "No space left on device")
        for number in range(3):
            await recorder.keep(answer(number))
        assert recorder.counts == Counts(failed=3, failing=True)
        writer.error = None
        await recorder.keep(answer(3))
        assert recorder.counts == Counts(kept=1, failed=3)
        writer.error = KeyError("x")
        await recorder.keep(answer(4))
    assert [(line["event"], line.get("reason"), line.get("missed")) for line in logs] == [
        ("not archived", "No space left on device", None),
        ("archived again", None, 3),
        ("not archived", "internal error: KeyError('x')", None),
    ]
    assert logs[0]["feed"] == FEED


async def test_a_disk_that_hangs_delays_one_round_of_polls_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "WAIT_SECONDS", 0.2)
    writer = Writer()
    recorder = Recorder(writer)
    writer.go.clear()
    begun = time.monotonic()
    await asyncio.gather(recorder.keep(answer(0)), recorder.keep(answer(1)))
    assert 0.15 < time.monotonic() - begun < 5
    begun = time.monotonic()
    for number in range(2, 100):
        await recorder.keep(answer(number))
    assert time.monotonic() - begun < 0.15
    assert recorder.counts == Counts(failed=100, failing=True)
    await recorder.close()
    assert writer.closed == 0
    writer.go.set()
    async with asyncio.timeout(10):
        while recorder.counts.failing:
            await asyncio.sleep(0.01)
            await recorder.keep(answer(100))
    assert writer.written[:2] == [0, 1]
    assert writer.written[2:] == [100] * recorder.counts.kept


async def test_a_poll_that_is_given_up_leaves_its_record_whole() -> None:
    writer = Writer()
    recorder = Recorder(writer)
    writer.go.clear()
    keeping = asyncio.create_task(recorder.keep(answer(0)))
    await asyncio.sleep(0.05)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    writer.go.set()
    await recorder.close()
    assert (writer.written, writer.closed) == ([0], 1)
