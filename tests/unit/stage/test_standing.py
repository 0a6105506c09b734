"""Where a process stands: the loop's thread, and each task by what it waits for."""

import asyncio
import threading

from newswire.pipeline.stage.standing import standing


async def innermost(event: asyncio.Event) -> None:
    await event.wait()


def at(line: str) -> list[str]:
    """The functions that a line names."""
    return [place.split()[-1] for place in line.partition(": ")[2].split(" < ")]


async def test_each_task_is_named_with_what_it_waits_for_the_innermost_first() -> None:
    event = asyncio.Event()
    task = asyncio.create_task(innermost(event), name="mine")
    await asyncio.sleep(0)
    thread, *tasks = standing(asyncio.get_running_loop(), threading.get_ident())
    assert at(thread)[:2] == ["standing", "test_each_task_is_named_with_what_it_waits_for_the_innermost_first"]
    (mine,) = (line for line in tasks if line.startswith("mine: "))
    assert at(mine) == ["wait", "innermost"]
    assert "test_standing.py:" in mine
    event.set()
    await task


async def test_it_can_be_asked_from_another_thread_while_the_loop_is_blocked() -> None:
    loop, thread = asyncio.get_running_loop(), threading.get_ident()
    found: list[tuple[str, ...]] = []
    asking = threading.Thread(target=lambda: found.append(standing(loop, thread)))
    asking.start()
    asking.join()  # blocks the loop, which is what is asked about
    assert "test_it_can_be_asked_from_another_thread_while_the_loop_is_blocked" in at(found[0][0])
