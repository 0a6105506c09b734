"""Closing a client: what it raises is told, and one that does not end holds nobody up."""

import asyncio

import pytest

from newswire.pipeline.stage.clients import close


class Client:
    """Does `ending` when it is stopped, and swallows the first cancellation as aiokafka's may."""

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.cancelled = 0
        self._seconds, self._error = seconds, error

    async def stop(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                self.cancelled += 1
        if self._error is not None:
            raise self._error


async def test_a_client_that_closes() -> None:
    assert await close(Client()) is None


async def test_what_it_raises_is_returned() -> None:
    error = ConnectionError("gone")
    assert await close(Client(error=error)) is error


@pytest.mark.timeout(10)
async def test_one_that_does_not_end_and_swallows_its_cancellation_is_left_to_itself() -> None:
    began, client = asyncio.get_running_loop().time(), Client(3.0, ConnectionError("much later"))
    error = await close(client, 0.2)
    assert isinstance(error, TimeoutError)
    assert asyncio.get_running_loop().time() - began < 2.0
    await asyncio.sleep(0)
    assert client.cancelled == 1
