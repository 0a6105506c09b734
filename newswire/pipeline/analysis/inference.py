"""Inference off the event loop: one executor thread, and a watchdog for analyses that never come back."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from newswire.pipeline.analysis.results import Analysis, ArticleAnalyzer


class InferenceRunner:
    """Runs an analyzer in ONE thread, article by article, in the order of the calls.

    A watchdog thread of its own calls `on_hang` when one analysis works longer than `timeout` seconds (waiting for
    earlier ones does not count): nothing can stop a thread, so what is injected should end the process. It is called
    once, from the watchdog's thread.
    """

    def __init__(self, analyzer: ArticleAnalyzer, timeout: float, on_hang: Callable[[], None]) -> None:
        """Raises ValueError for a timeout that is not positive. Threads start with the first article."""
        if timeout <= 0:
            raise ValueError("the timeout of an analysis must be positive")
        self._analyzer, self._timeout, self._on_hang = analyzer, timeout, on_hang
        self._executor = ThreadPoolExecutor(1, "inference")
        self._closed = threading.Event()
        self._deadline: float | None = None
        self._watchdog: threading.Thread | None = None

    @property
    def name(self) -> str:
        """The analyzer's name: model and instruction set."""
        return self._analyzer.name

    @property
    def taxonomy(self) -> str:
        """The analyzer's taxonomy release."""
        return self._analyzer.taxonomy

    async def run(self, title: str, text: str) -> Analysis:
        """Analyse an article in the inference thread. Raises what the analyzer raises; RuntimeError once closed."""
        if self._watchdog is None:
            self._watchdog = threading.Thread(target=self._watch, name="inference-watchdog", daemon=True)
            self._watchdog.start()
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._analyze, title, text)

    def close(self) -> None:
        """Wait for the running analysis and end both threads; analyses that have not begun are cancelled."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._closed.set()
        if self._watchdog is not None:
            self._watchdog.join()

    def __enter__(self) -> "InferenceRunner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _analyze(self, title: str, text: str) -> Analysis:
        self._deadline = time.monotonic() + self._timeout
        try:
            return self._analyzer.analyze(title, text)
        finally:
            self._deadline = None

    def _watch(self) -> None:
        # It looks from time to time: to be woken for each article would cost more than the look.
        while not self._closed.wait(min(self._timeout / 10, 1.0)):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._on_hang()
                return
