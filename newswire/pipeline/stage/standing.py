"""Where a process stands: what its event loop's thread is running, and what each of its tasks waits for."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

_FRAMES: Final = 4
_TASKS: Final = 100
_NAME: Final = 40  # Faust's tasks are called by the whole of what they run


def standing(loop: asyncio.AbstractEventLoop, thread: int) -> tuple[str, ...]:
    """A line for the thread (its ident) that runs the loop, then one for each task, the innermost call first.

    Callable from any thread. What a line says may be a moment old: nothing is stopped to look.
    """
    frame = sys._current_frames().get(thread)
    running = [] if frame is None else list(_callers(frame))
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())[:_TASKS]
    waiting = [(task.get_name()[:_NAME], list(_awaited(task.get_coro()))[::-1]) for task in tasks]
    return tuple(f"{name}: {' < '.join(places[:_FRAMES])}" for name, places in (("thread", running), *waiting))


def _callers(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield _place(frame)
        frame = frame.f_back


def _awaited(awaitable: Any) -> Iterator[str]:
    """The frames of a suspended coroutine and of what it awaits, the outermost first."""
    while awaitable is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(awaitable, f"{kind}_frame", None)
            if frame is not None:
                yield _place(frame)
                awaitable = getattr(awaitable, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)
                break
        else:
            return


def _place(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"
