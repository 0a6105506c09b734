"""The raw records that retention has taken, made again from the archive: parsed and decided as the poller did it.

The archive has the polls in the order of their times, the wire has the articles in the order of their commits. The
outcomes, which are kept longer, tell that order: each says which article stood at its position, observed when.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from newswire.pipeline.archive.write import is_named
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.items import Capture, CaptureError
from newswire.pipeline.replay.lines import SourceError
from newswire.pipeline.replay.warc import WarcArchive, open_warc
from newswire.pipeline.replay.writer import CaptureReader
from newswire.pipeline.settings import Settings
from newswire.pipeline.text.dates import to_ms
from newswire.schemas import Outcome

_Key = tuple[bytes, int]


class NotKept(Exception):  # noqa: N818 - it is what was found
    """Something that the oracle needs is kept nowhere; the message says what, in a line."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A raw record as a stage sees it: `received_ms` is when its log took it (Unix milliseconds)."""

    value: bytes | None
    received_ms: int


class Told:
    """Which article the outcomes tell of at each position of the wire."""

    def __init__(self) -> None:
        self._keys: dict[int, _Key] = {}
        self._others: dict[int, str] = {}

    def take(self, outcome: Outcome) -> None:
        """An outcome that stands there."""
        if outcome.supersedes is not None:
            self._others[outcome.position] = "was a letter that was sent round again, or given up"
        elif outcome.id is None or outcome.observed_at is None:
            self._others[outcome.position] = "was no article"
        else:
            self._keys[outcome.position] = _key(outcome.id, outcome.observed_at)

    def at(self, position: int) -> _Key:
        """The article at a position. Raises NotKept."""
        key = self._keys.get(position)
        if key is None:
            raise NotKept(f"record {position} {self._others.get(position, 'has no outcome')}")
        return key


class Rebuilder:
    """Makes raw records again, in the order of the wire; holds only what polls of so far gave and nobody asked for."""

    def __init__(self, told: Told, archive: WarcArchive, reader: CaptureReader, body_max: int) -> None:
        """`archive` has the polls, `reader` decides them; a body over `body_max` bytes gave nothing."""
        self._told = told
        self._archive = archive
        self._captures: Iterator[Capture] = archive.items(0)
        self._next = next(self._captures, None)
        self._reader = reader
        self._body_max = body_max
        self._state = MemoryState()
        self._made: dict[_Key, bytes] = {}

    async def record(self, position: int) -> RawRecord:
        """The record at a position; to be asked for in order. Raises NotKept."""
        key = self._told.at(position)
        id, observed_ms = key
        while key not in self._made and self._next is not None and to_ms(self._next.at) <= observed_ms:
            await self._take(self._next, observed_ms=to_ms(self._next.at))
            self._next = next(self._captures, None)
        value = self._made.pop(key, None)
        if value is None:
            raise NotKept(f"record {position}, article {id.hex()}, is not in the archive")
        return RawRecord(value, observed_ms)

    async def _take(self, capture: Capture, observed_ms: int) -> None:
        with suppress(CaptureError):  # nor did the poller get an article out of it
            decided = await self._reader(capture, self._archive.body(capture, self._body_max), self._state)
            self._made.update({(bytes.fromhex(key.decode()), observed_ms): value for key, value in decided.records})


@asynccontextmanager
async def open_rebuilder(settings: Settings, told: Told) -> AsyncIterator[Rebuilder]:
    """A rebuilder over the wire's own archive for as long as the block lasts. Raises NotKept where there is none."""
    folder = settings.archive.folder
    if folder is None:
        raise NotKept("no archive is kept ([archive] folder)")
    try:
        archive = open_warc(folder, lambda feed, at: True, "", lambda file: is_named(file, settings.namespace))
    except (SourceError, OSError) as error:
        raise NotKept(f"the archive cannot be read: {error}") from None
    async with capture_reader(settings) as reader:
        yield Rebuilder(told, archive, reader, settings.collect.body_max)


def _key(id: str, observed_at: datetime) -> _Key:
    return bytes.fromhex(id), to_ms(observed_at)
