"""How a replay shows itself while it runs: a bar on a terminal, plain lines anywhere else."""

import os
import sys
import threading
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from newswire.pipeline.replay.driver import Status

LINE_SECONDS = 5.0
STEPS = 10_000
"""Of the bar."""


class View(AbstractContextManager["View"], Protocol):
    """Shows a replay between the start and the end of its `with` block."""

    def show(self, status: Status) -> None:
        """Show this moment."""


def open_view() -> View:
    """The view that suits standard error."""
    return BarView() if sys.stderr.isatty() else LineView()


class LineView:
    """A line every LINE_SECONDS and at the end."""

    def __init__(self) -> None:
        self._last: Status | None = None
        self._next = LINE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last is not None:
            self._write(self._last)

    def show(self, status: Status) -> None:
        """Write the moment's line when it is time for one."""
        self._last = status
        if status.seconds >= self._next:
            self._next = status.seconds + LINE_SECONDS
            self._write(status)

    def _write(self, status: Status) -> None:
        print(f"replay  {status.done:4.0%}  {describe(status)}", file=sys.stderr, flush=True)
        self._last = None


class BarView:
    """A bar at the foot of the terminal; what this process and its workers write to standard error stands above it."""

    def __init__(self) -> None:
        self._reader = threading.Thread(target=self._pass_on, daemon=True)

    def __enter__(self) -> Self:
        sys.stderr.flush()
        self._terminal = os.fdopen(os.dup(2), "w")
        self._pipe, into = os.pipe()
        os.dup2(into, 2)
        os.close(into)
        self._console = Console(file=self._terminal)
        columns = (
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[text]}"),
        )
        self._bar = Progress(*columns, console=self._console, redirect_stdout=False, redirect_stderr=False)
        self._task = self._bar.add_task("replay", total=STEPS, text="starts")
        self._bar.start()
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stderr.flush()
        os.dup2(self._terminal.fileno(), 2)
        self._reader.join(timeout=1.0)  # it ends with the last process that writes to the pipe
        self._bar.stop()
        self._terminal.close()

    def show(self, status: Status) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=status.done * STEPS, text=describe(status))

    def _pass_on(self) -> None:
        with os.fdopen(self._pipe, errors="replace") as lines:
            for line in lines:
                self._console.print(Text.from_ansi(line.rstrip("\n")), soft_wrap=True)


def describe(status: Status) -> str:
    """A moment of a replay in words: how much of the source is read, what has ended, rate and time left."""
    left = status.seconds_left
    parts = (
        f"{status.fraction:.0%} read",
        f"{status.ended:,} of {status.written:,} ended",
        f"{status.rate:.1f}/s",
        f"{timedelta(seconds=round(left))} left" if left is not None else "",
    )
    return "  ".join(part for part in parts if part)
