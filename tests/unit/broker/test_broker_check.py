"""A broker that is not there is one clear error, in time."""

import socket
import time

import pytest

from newswire.pipeline.broker.check import check_broker
from newswire.pipeline.broker.errors import BrokerUnreachable


async def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(BrokerUnreachable, match=f"no Kafka at {address}.*Check bootstrap_servers"):
            await check_broker(address, 5.0)
    assert caplog.records == []


async def test_somebody_who_says_nothing_is_waited_for_no_longer_than_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(BrokerUnreachable):
            await check_broker(f"127.0.0.1:{silent.getsockname()[1]}", 0.5)
        # Generous: the machine may be busy; without the limit it would be 40 seconds.
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("address", ["127.0.0.1:port", "", "127.0.0.1:99999"])
async def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(BrokerUnreachable):
        await check_broker(address, 2.0)
