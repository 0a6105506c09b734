"""One thread, in order, and a watchdog for what never comes back."""

import asyncio
import threading
import time

import pytest

from newswire.pipeline.analysis import Analysis, ArticleAnalyzer, ConstantAnalyzer, InferenceRunner


class Recorder:
    """An analyzer that remembers the threads it ran in and raises or waits when asked to."""

    name = "recorder"
    taxonomy = "none"

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.titles: list[str] = []
        self.release = threading.Event()

    def analyze(self, title: str, text: str) -> Analysis:
        self.threads.append(threading.current_thread().name)
        self.titles.append(title)
        if text == "raise":
            raise RuntimeError("bad article")
        if text == "hang":
            self.release.wait(5)
        return Analysis((), (), bytes(384))


async def test_all_articles_run_in_one_thread_in_order() -> None:
    recorder = Recorder()
    with InferenceRunner(recorder, 5.0, pytest.fail) as runner:
        await asyncio.gather(*(runner.run(str(number), "") for number in range(20)))
    assert len(set(recorder.threads)) == 1
    assert recorder.titles == [str(number) for number in range(20)]
    assert (runner.name, runner.taxonomy) == ("recorder", "none")


async def test_an_error_reaches_the_caller_and_the_next_article_is_analysed() -> None:
    with InferenceRunner(Recorder(), 5.0, pytest.fail) as runner:
        with pytest.raises(RuntimeError, match="bad article"):
            await runner.run("a", "raise")
        assert (await runner.run("b", "")).topics == ()


async def test_the_watchdog_reports_an_analysis_that_hangs() -> None:
    recorder, hung = Recorder(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_hang() -> None:
        loop.call_soon_threadsafe(hung.set)

    runner = InferenceRunner(recorder, 0.05, on_hang)
    await runner.run("a", "")
    task = asyncio.ensure_future(runner.run("b", "hang"))
    await asyncio.wait_for(hung.wait(), 3)
    recorder.release.set()
    await task
    runner.close()


async def test_waiting_in_the_queue_is_no_hang() -> None:
    calls: list[float] = []
    with InferenceRunner(ConstantAnalyzer(30), 0.2, lambda: calls.append(time.monotonic())) as runner:
        await asyncio.gather(*(runner.run("", "") for _ in range(10)))
    assert calls == []


async def test_closed_runners_take_no_articles() -> None:
    runner = InferenceRunner(ConstantAnalyzer(0), 1.0, pytest.fail)
    runner.close()
    with pytest.raises(RuntimeError):
        await runner.run("", "")


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        InferenceRunner(ConstantAnalyzer(0), 0.0, pytest.fail)
    with pytest.raises(ValueError, match="negative"):
        ConstantAnalyzer(-1)


def test_the_constant_analyzer_takes_its_time_and_finds_nothing() -> None:
    analyzer: ArticleAnalyzer = ConstantAnalyzer(20)
    began = time.perf_counter()
    analysis = analyzer.analyze("Kyiv", "Kyiv")
    assert time.perf_counter() - began >= 0.02
    assert analysis == Analysis((), (), bytes(384))
    assert analyzer.name == "constant"
