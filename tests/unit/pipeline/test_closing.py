"""Closing a client: what it raises is told, and one that does not end holds nobody up."""

import asyncio

import pytest

from newswire.pipeline.closing import close


class Client:
    """Takes its time to stop, then raises its error, and swallows cancellations as aiokafka's may."""

    def __init__(self, seconds: float = 0.0, error: BaseException | None = None) -> None:
        self.cancelled = 0
        self.closed = False
        self._seconds, self._error = seconds, error

    @property
    def client(self) -> "Client":
        """What a producer has its connections in."""
        return self

    async def close(self) -> None:
        self.closed = True

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
    client = Client()
    assert await close(client) is None
    assert not client.closed


async def test_what_it_raises_is_returned() -> None:
    error = ConnectionError("gone")
    client = Client(error=error)
    assert await close(client) is error
    assert client.closed, "its connections are left open"


async def test_its_cancelled_error_does_not_cancel_who_closes_it() -> None:
    assert isinstance(await close(Client(error=asyncio.CancelledError())), asyncio.CancelledError)


@pytest.mark.timeout(10)
async def test_one_that_does_not_end_and_swallows_its_cancellation_is_left_to_itself() -> None:
    began, client = asyncio.get_running_loop().time(), Client(3.0, ConnectionError("much later"))
    error = await close(client, 0.2)
    assert isinstance(error, TimeoutError)
    assert asyncio.get_running_loop().time() - began < 2.0
    await asyncio.sleep(0)
    assert client.cancelled == 1
