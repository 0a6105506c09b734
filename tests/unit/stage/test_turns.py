"""Turns: one holder at a time, the record that has waited longest first, and nobody who gives up holds it."""

import asyncio

from newswire.pipeline.stage.turns import Since, Turns


async def test_the_longest_wait_comes_first_and_one_at_a_time() -> None:
    turns, came, inside = Turns(), list[str](), 0

    async def take(name: str, since: Since) -> None:
        nonlocal inside
        async with turns.turn(since):
            inside += 1
            assert inside == 1
            came.append(name)
            await asyncio.sleep(0)
            inside -= 1

    async with asyncio.TaskGroup() as tasks, turns.turn((0.0, 0)):
        waiting = {"young": (9.0, 1), "second": (3.0, 2), "first": (3.0, 1), "as old": (3.0, 1), "middle": (5.0, 9)}
        for name, since in waiting.items():
            tasks.create_task(take(name, since))
        await asyncio.sleep(0.01)
        assert came == []
    assert came == ["first", "as old", "second", "middle", "young"]


async def test_who_gives_up_does_not_keep_the_turn() -> None:
    turns, came = Turns(), list[str]()

    async def take(name: str) -> None:
        async with turns.turn((1.0, 0)):
            came.append(name)

    async with turns.turn((0.0, 0)):
        first, second = asyncio.create_task(take("first")), asyncio.create_task(take("second"))
        await asyncio.sleep(0)
        first.cancel()
    await asyncio.wait_for(second, 5)
    assert came == ["second"]

    async with turns.turn((0.0, 0)):
        third, fourth = asyncio.create_task(take("third")), asyncio.create_task(take("fourth"))
        await asyncio.sleep(0)
    third.cancel()  # the turn is its own, but it has not gone on yet
    await asyncio.wait_for(fourth, 5)
    assert came == ["second", "fourth"]
    async with turns.turn((0.0, 0)):
        pass


async def test_an_error_passes_the_turn_on() -> None:
    turns = Turns()
    try:
        async with turns.turn((0.0, 0)):
            raise ValueError
    except ValueError:
        pass
    async with asyncio.timeout(5), turns.turn((0.0, 0)):
        pass
