"""A network between clients and a broker that can be made worse: it stalls, cuts and delays. Nothing but loopback.

    async with kafka.proxy() as proxy:       # a fixture's broker; or Proxy("127.0.0.1", port) for any other server
        start_a_client(proxy.address)        # a Kafka client then talks through the proxy alone
        proxy.stall()                        # or proxy.cut(), proxy.delay(0.3)
        await asyncio.sleep(7)
        proxy.heal()

The proxy runs in the event loop of the test: what blocks that loop also stalls the proxy.
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from newswire.pipeline.broker.embedded import EmbeddedBroker
from newswire.pipeline.broker.record import choose_ports

_CHUNK = 1 << 20


class HeldPort:
    """A port on loopback that is kept from other processes until whom it is for listens there.

    It listens: a socket that is only bound does not keep out those who bind with SO_REUSEADDR, as brokers do.
    """

    def __init__(self) -> None:
        self._holder: socket.socket | None = None
        while self._holder is None:
            self.number = choose_ports(None)[0]
            with suppress(OSError):  # another process was faster
                self.hold()

    def hold(self) -> None:
        """Keep the port. Raises OSError when another has it."""
        if self._holder is None:
            self._holder = socket.create_server(("127.0.0.1", self.number))

    def release(self) -> None:
        """Let the port go."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None


class Proxy:
    """Forwards TCP connections on 127.0.0.1 to an upstream server, in one of four modes; it begins with passing.

    `port` is where it listens, the same through every mode (chosen if not given); it is held before and afterwards.
    """

    def __init__(self, upstream_host: str, upstream_port: int, port: HeldPort | None = None) -> None:
        self._held = port or HeldPort()
        self.port = self._held.number
        self._kept = port is not None
        self._upstream = upstream_host, upstream_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._accepting: asyncio.Task[None] | None = None
        self._links: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """host:port of the proxy."""
        return f"127.0.0.1:{self.port}"

    def stall(self) -> None:
        """Take and keep connections, but forward nothing; what is sent meanwhile arrives when it heals."""
        self._set(flowing=False)

    def cut(self) -> None:
        """Break every connection, with what was on its way, and refuse new ones."""
        self._close()

    def delay(self, seconds: float) -> None:
        """Forward each chunk, in both directions, so much later."""
        self._set(delay=seconds)

    def heal(self) -> None:
        """Pass everything at once, as in the beginning."""
        self._set()

    async def __aenter__(self) -> "Proxy":
        self._set()
        await asyncio.sleep(0)  # it listens from here on
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._accepting is not None
        self._close()
        await asyncio.wait([self._accepting, *self._links])
        if self._kept:
            self._held.hold()
        if not self._accepting.cancelled():
            self._accepting.result()  # raises what kept it from listening

    def _set(self, *, flowing: bool = True, delay: float = 0.0) -> None:
        self._delay = delay
        if flowing:
            self._flowing.set()
        else:
            self._flowing.clear()
        if self._accepting is None or self._accepting.cancelling() or self._accepting.done():
            self._accepting = asyncio.create_task(self._accept(self._accepting))

    def _close(self) -> None:
        for task in (self._accepting, *self._links):
            if task is not None:
                task.cancel()

    async def _accept(self, former: "asyncio.Task[None] | None") -> None:
        if former is not None and not former.done():
            await asyncio.wait([former])
        loop = asyncio.get_running_loop()
        self._held.release()
        with socket.create_server(("127.0.0.1", self.port), backlog=100) as listener:
            listener.setblocking(False)
            while True:
                client, _ = await loop.sock_accept(listener)
                link = asyncio.create_task(self._link(client))
                self._links.add(link)
                link.add_done_callback(self._links.discard)

    async def _link(self, client: socket.socket) -> None:
        writers: list[asyncio.StreamWriter] = []
        try:
            near, to_client = await asyncio.open_connection(sock=client, limit=_CHUNK)
            writers.append(to_client)
            await self._flowing.wait()
            far, to_server = await asyncio.open_connection(*self._upstream, limit=_CHUNK)
            writers.append(to_server)
            pumps = [asyncio.create_task(self._pump(near, to_server)), asyncio.create_task(self._pump(far, to_client))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # no server there: the client sees its connection end
        finally:
            for writer in writers:
                writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                await asyncio.sleep(self._delay)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()


@dataclass(frozen=True)
class Door:
    """A listener of a broker: clients that come in by it are told to come through a proxy on `proxy_port`."""

    name: str
    port: HeldPort
    proxy_port: HeldPort


class ProxiedBroker(EmbeddedBroker):
    """An embedded broker with further listeners, a door each, for clients that shall only talk through a proxy.

    A Kafka client follows the addresses that the broker advertises, so a proxy in front of the usual listener would be
    left at the first answer.
    """

    def __init__(self, state_dir: Path, doors: int) -> None:
        super().__init__(state_dir)
        self.doors = tuple(Door(f"DOOR{number}", HeldPort(), HeldPort()) for number in range(doors))

    def proxy(self, number: int = 0) -> Proxy:
        """The proxy before a door; enter it once at a time."""
        door = self.doors[number]
        return Proxy("127.0.0.1", door.port.number, door.proxy_port)

    def _write_properties(self, name: str, data: Path, ports: tuple[int, int]) -> Path:
        path = super()._write_properties(name, data, ports)
        added = {
            "listeners": "".join(f",{door.name}://127.0.0.1:{door.port.number}" for door in self.doors),
            "advertised.listeners": "".join(
                f",{door.name}://127.0.0.1:{door.proxy_port.number}" for door in self.doors
            ),
            "listener.security.protocol.map": "".join(f",{door.name}:PLAINTEXT" for door in self.doors),
        }
        lines = [line + added.get(line.partition("=")[0], "") for line in path.read_text(encoding="utf-8").splitlines()]
        lines += [f"listener.name.{door.name.lower()}.num.network.threads=1" for door in self.doors]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for door in self.doors:
            door.port.release()  # the broker, which is started now, binds it
        return path
