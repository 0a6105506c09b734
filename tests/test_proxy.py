"""The proxy that the outages are made with does what it says, to bytes and to a Kafka client."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer

from tests.conftest import Kafka
from tests.proxy import HeldPort, Proxy
from tests.stage.harness import create_topics, read_all


@asynccontextmanager
async def echo() -> AsyncIterator[Proxy]:
    """A proxy before a server that sends back what it gets."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, Proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def test_the_modes() -> None:
    async with echo() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        loop = asyncio.get_running_loop()

        async def ask(word: bytes) -> float:
            began = loop.time()
            writer.write(word)
            assert await reader.readexactly(len(word)) == word
            return loop.time() - began

        assert await ask(b"passes") < 0.5
        proxy.delay(0.3)
        assert await ask(b"delayed") >= 0.6
        proxy.stall()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(b"stalled"), 0.3)
        late, late_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        late_writer.write(b"late")
        proxy.heal()
        assert await reader.readexactly(7) == b"stalled"
        assert await late.readexactly(4) == b"late"
        proxy.cut()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.heal()
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await ask(b"again") < 0.5
        writer.close()


async def test_a_connection_to_no_server_ends() -> None:
    async with echo() as gone:
        pass
    async with Proxy("127.0.0.1", gone.port) as proxy:
        reader, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read() == b""


async def test_nobody_else_is_given_its_port() -> None:
    held = HeldPort()

    def taken() -> bool:
        """Whether it is taken for one who binds as a broker does."""
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                other.bind(("127.0.0.1", held.number))
            except OSError:
                return True
            return False

    assert taken()
    async with echo() as upstream:
        for _ in range(2):
            async with Proxy("127.0.0.1", upstream.port, held) as proxy:
                reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.write(b"passes")
                assert await reader.readexactly(6) == b"passes"
                writer.close()
            assert taken()
    held.release()
    assert not taken()


@pytest.mark.broker
async def test_a_kafka_client_does_not_leave_its_proxy(kafka: Kafka, namespace: str) -> None:
    await create_topics(kafka.bootstrap_servers, {namespace: (1, {})})
    async with kafka.proxy() as proxy:
        producer = AIOKafkaProducer(bootstrap_servers=proxy.address)
        await producer.start()
        await producer.send_and_wait(namespace, b"passed", key=b"k")
        proxy.stall()
        sending = asyncio.create_task(producer.send_and_wait(namespace, b"stalled", key=b"k"))
        assert not (await asyncio.wait([sending], timeout=1.0))[0]
        assert await read_all(kafka.bootstrap_servers, namespace) == {0: [(b"k", b"passed")]}
        proxy.heal()
        await sending
        await producer.stop()
    assert await read_all(kafka.bootstrap_servers, namespace) == {0: [(b"k", b"passed"), (b"k", b"stalled")]}
