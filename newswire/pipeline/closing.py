"""Closing Kafka clients: aiokafka's do not always close, and may cancel who closes them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

_CLOSE_SECONDS: Final = 5.0


async def close(client: Any, seconds: float = _CLOSE_SECONDS) -> BaseException | None:
    """Close a producer or a consumer; return what kept it from closing in order, a TimeoutError after `seconds`.

    Raises nothing but this task's own cancellation. aiokafka's clients may swallow a cancellation, so that
    asyncio.wait_for would wait on. Its consumers (0.14) raise a CancelledError where a fetch that failed waits to be
    tried again, or has not begun, and leave their connections open.
    """
    error = await _ended(client.stop(), seconds)
    if error is not None:
        await _ended((client._client if isinstance(client, AIOKafkaConsumer) else client.client).close(), seconds)
    return error


async def _ended(closing: Coroutine[Any, Any, None], seconds: float) -> BaseException | None:
    task = asyncio.create_task(closing)
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        task.cancel()
        return TimeoutError(f"not closed within {seconds:.1f} s")
    return asyncio.CancelledError() if task.cancelled() else task.exception()
