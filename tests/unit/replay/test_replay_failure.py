"""What a replay's transaction failed by is told, also where a later send only hears that there is none any more."""

import asyncio
import re
from typing import Any

import pytest
from aiokafka.errors import IllegalOperation, KafkaConnectionError, KafkaError, ProducerFenced

from newswire.pipeline.replay.writer import _failure


def failed(error: Exception | None) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if error is None:
        future.set_result("sent")
    else:
        future.set_exception(error)
    return future


@pytest.mark.parametrize(
    ("error", "sent", "says"),
    [
        (ProducerFenced(), [], "another replay has taken over"),
        (IllegalOperation("not in transaction"), [None, ProducerFenced()], "another replay has taken over"),
        (IllegalOperation("not in transaction"), [None, KafkaConnectionError("cut")], "Kafka failed.*cut"),
        (IllegalOperation("not in transaction"), [None], "Kafka failed.*not in transaction"),
        (KafkaError("no answer"), [], "Kafka failed.*no answer"),
    ],
)
async def test_the_first_error_is_told(error: Exception, sent: list[Exception | None], says: str) -> None:
    futures = [*map(failed, sent), asyncio.get_running_loop().create_future()]
    assert re.match(says, str(_failure(error, futures)))
