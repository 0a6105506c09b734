"""Parsing in a process of its own: a time and a memory limit that hold whatever a feed does to a parser.

The child is started as a fresh interpreter (a threaded process must not be forked), kept and reused. One request and
one answer at a time go through its pipes: a line of JSON that gives the size, then that many bytes. It ends when its
input ends; stuck in a parser it ends by its own alarm, so it does not outlive its parent for long.
"""

import asyncio
import json
import os
import resource
import signal
import sys
from dataclasses import asdict, dataclass
from typing import IO, Any, Final

import orjson

from newswire.pipeline.feeds.parse import parse_feed
from newswire.pipeline.feeds.parsed import Limits, NotAFeed, ParsedFeed, feed_from_plain

_EXIT_MEMORY: Final = 3
_START_SECONDS: Final = 30.0
_ANSWER_MAX: Final = 512 * 1024 * 1024
_LINE_MAX: Final = 65_536


class ParseFailed(Exception):  # noqa: N818 - it is what happened
    """A feed broke its parser; the message says how, in a line. The worker is started anew for the next one."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What the child is told once: seconds and bytes it may use, and the caps of a document."""

    timeout: float
    memory_max: int
    limits: Limits


class ParseWorker:
    """A parser process. `timeout` seconds a document, `memory_max` bytes of address space. Close it at the end."""

    def __init__(self, limits: Limits, *, timeout: float, memory_max: int) -> None:
        self._order = _Order(timeout, memory_max, limits)
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._process.pid if self._process is not None else None

    async def parse(self, body: bytes, content_type: str | None, url: str) -> ParsedFeed:
        """Parse one document; documents wait for one another. Raises NotAFeed and ParseFailed."""
        async with self._turn:
            try:
                async with asyncio.timeout(_START_SECONDS):
                    process = await self._ready()
                async with asyncio.timeout(self._order.timeout):
                    head, answer = await _ask(process, body, {"content_type": content_type, "url": url})
            except TimeoutError:
                await self._end()
                raise ParseFailed(f"parsing took more than {self._order.timeout:g} s") from None
            except (OSError, EOFError, ValueError):
                raise ParseFailed(_death(await self._end())) from None
            except BaseException:
                await self._end()  # given up half way: what comes out of the pipe next answers nobody
                raise
        if "not_a_feed" in head:
            raise NotAFeed(head["not_a_feed"])
        return feed_from_plain(orjson.loads(answer))

    async def close(self) -> None:
        """End the child."""
        async with self._turn:
            await self._end()

    async def _ready(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                __name__ if __name__ != "__main__" else "newswire.pipeline.feeds.worker",
                json.dumps(asdict(self._order)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LINE_MAX,
            )
            assert self._process.stdout is not None
            if await self._process.stdout.readline() != b"ready\n":
                raise EOFError
        return self._process

    async def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        if process.returncode is None:
            try:
                # What died by itself is about to be reaped; only what lives on is killed.
                await asyncio.wait_for(process.wait(), 0.2)
            except TimeoutError:
                process.kill()
        # asyncio tells of an end only when the pipe is read empty too, and it stops reading a large answer.
        assert process.stdout is not None
        while await process.stdout.read(_LINE_MAX):
            pass
        return await process.wait()


async def _ask(process: asyncio.subprocess.Process, body: bytes, request: dict[str, Any]) -> tuple[Any, bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({**request, "size": len(body)}).encode() + b"\n")
    process.stdin.write(body)
    await process.stdin.drain()
    head = orjson.loads(await process.stdout.readline())
    if not 0 <= head["size"] <= _ANSWER_MAX:
        raise ValueError("the answer is too large")
    return head, await process.stdout.readexactly(head["size"])


def _death(code: int | None) -> str:
    if code == _EXIT_MEMORY:
        return "parsing took too much memory"
    if code is not None and code < 0:
        return f"the parser was ended by {signal.Signals(-code).name}"
    return f"the parser ended with exit code {code}"


def main() -> None:
    """The child: answer requests until the input ends."""
    order = json.loads(sys.argv[1])
    limits = Limits(**order["limits"])
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not write into the answers
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (order["memory_max"], order["memory_max"]))
    answers.write(b"ready\n")
    answers.flush()
    try:
        while line := requests.readline(_LINE_MAX):
            _serve(json.loads(line), requests, answers, limits, order["timeout"])
    except MemoryError:
        os._exit(_EXIT_MEMORY)


def _serve(request: dict[str, Any], requests: IO[bytes], answers: IO[bytes], limits: Limits, timeout: float) -> None:
    body = requests.read(request["size"])
    # The parent kills sooner; this ends a child that nobody waits for any more (SIGALRM's default action).
    signal.setitimer(signal.ITIMER_REAL, timeout + 1)
    head: dict[str, Any] = {}
    answer = b""
    try:
        answer = orjson.dumps(parse_feed(body, request["content_type"], request["url"], limits))
    except NotAFeed as error:
        head["not_a_feed"] = str(error)
    signal.setitimer(signal.ITIMER_REAL, 0)
    answers.write(json.dumps({**head, "size": len(answer)}).encode() + b"\n")
    answers.write(answer)
    answers.flush()


if __name__ == "__main__":
    main()
