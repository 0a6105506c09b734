"""Politeness: how many polls a host gets at once and how far apart they begin."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Host:
    def __init__(self, at_once: int) -> None:
        self.slots = asyncio.Semaphore(at_once)
        self.next_start = 0.0
        self.users = 0


class Hosts:
    """Slots by host. `spacing` seconds lie between the beginnings of two polls of a host."""

    def __init__(self, at_once: int, spacing: float) -> None:
        self._at_once = at_once
        self._spacing = spacing
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def slot(self, name: str) -> AsyncIterator[None]:
        """Wait for a turn at a host and hold it."""
        now = asyncio.get_running_loop().time
        host = self._hosts.get(name)
        if host is None:
            self._drop_idle(now())
            host = self._hosts.setdefault(name, _Host(self._at_once))
        host.users += 1
        try:
            async with host.slots:
                start = max(now(), host.next_start)
                host.next_start = start + self._spacing
                await asyncio.sleep(start - now())
                yield
        finally:
            host.users -= 1

    def _drop_idle(self, now: float) -> None:
        if len(self._hosts) >= 1_000:
            self._hosts = {n: h for n, h in self._hosts.items() if h.users or h.next_start > now}
