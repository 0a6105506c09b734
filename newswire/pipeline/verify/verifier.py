"""A verification of one namespace, which can be gone on with as the wire grows."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from newswire.pipeline.analysis.step import Runner
from newswire.pipeline.connection import Connection
from newswire.pipeline.ledger.balance import Books, balance
from newswire.pipeline.ledger.log import LogReader, open_reader
from newswire.pipeline.ledger.read import read_books
from newswire.pipeline.settings import Settings
from newswire.pipeline.verify.analysis import OracleAnalysis, RecordedAnalyses
from newswire.pipeline.verify.found import CONTRACTS, Stray, Topics
from newswire.pipeline.verify.hop import Hop, Table
from newswire.pipeline.verify.oracle import Expected, Oracle
from newswire.pipeline.verify.rebuild import NotKept, RawRecord, Rebuilder, Told, open_rebuilder
from newswire.pipeline.verify.report import Fault, Report
from newswire.pipeline.verify.structure import Structure
from newswire.pipeline.verify.transactions import open_transactions
from newswire.schemas import EnrichedArticle, Outcome
from newswire.schemas.common import ContractError

FAULTS_KEPT = 1_000
ABORT_SECONDS = 5.0
"""How long after its timeout the broker may take to abort a transaction."""
LETTER_SECONDS = 10.0
"""How long a stage may take to come to a stray that stands on its topic."""


class Verifier:
    """Compares a namespace with the oracle; made by `open_verifier`.

    Each call of `advance` takes in what has come since the last one. Read is downstream first and `raw` last, so that
    whatever stands on a topic has its raw record; the oracle follows the raw records that have ended.
    Where retention has taken the beginning of `raw`, it is rebuilt from the archive; where that cannot be, only numbers
    and ids are compared.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        reader: LogReader,
        other: LogReader,
        runner: Runner | None,
        stack: AsyncExitStack,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._reader = reader
        self._topics = Topics(reader, settings.namespace)
        self._stack = stack
        self._rebuilder: Rebuilder | None = None
        self._not_kept: NotKept | None = None
        self._taken = self._rebuilt = 0
        self._hops = {topic: Hop(topic, ordered=topic in ("prepared", "enriched")) for topic in CONTRACTS}
        self._stories = Table("stories")
        self._letters: Counter[str] = Counter()
        self._strays: Counter[Stray] = Counter()
        self._seen_strays = 0
        self._analysis = OracleAnalysis(RecordedAnalyses(Topics(other, settings.namespace)), runner)
        self._oracle = Oracle(settings, self._analysis.process, self._topics.attempts)
        self._ended = bytearray()
        self._last_released = -1
        self._waiting: deque[RawRecord] = deque()

    async def advance(self) -> Report:
        """Take in what has come, and report on all of it. Raises EnrichError."""
        if self._not_kept is None:
            try:
                return await self._compare()
            except NotKept as error:
                self._not_kept = error
        return await self._check_structure(self._not_kept)

    async def _compare(self) -> Report:
        books = await read_books(self._reader, self._settings.namespace)
        done, quiet = _progress(books)
        await self._take_in()
        async for record in self._raw():
            self._taken += 1
            self._waiting.append(record)
            await self._follow()
        await self._follow()
        faults = [
            *(fault for hop in self._hops.values() for fault in hop.faults),
            *(fault for hop in self._hops.values() for fault in hop.missing(done)),
            *self._stories.compare(quiet=quiet and await self._topics.is_whole("stories")),
        ]
        if not self._waiting:
            faults += [fault for hop in self._hops.values() for fault in hop.foreign()]
        if quiet and not self._waiting:
            await self._wait_for_letters()
            due = self._letters if await self._topics.is_whole("dead") else {}
            faults += [
                *(Fault("missing", "dead", key) for key, number in due.items() if number > 0),
                *(Fault("foreign", "dead", key) for key, number in self._letters.items() if number < 0),
                *(Fault("missing", "dead", _told(stray)) for stray, number in self._strays.items() if number > 0),
                *(Fault("foreign", "dead", _told(stray)) for stray, number in self._strays.items() if number < 0),
            ]
        faults += await self._open_transactions()
        return Report(
            records=self._oracle.records,
            compared={name: hop.compared for name, hop in self._hops.items()} | {"stories": self._stories.compared},
            in_flight=len(self._waiting),
            recorded=self._analysis.taken,
            excused=len(self._topics.attempts),
            strays=self._seen_strays,
            found=len(faults),
            faults=tuple(faults[:FAULTS_KEPT]),
            rebuilt=self._rebuilt,
        )

    async def _raw(self) -> AsyncIterator[RawRecord]:
        """The raw records that were not read yet. Raises NotKept."""
        while self._taken < (first := await self._first_kept()):
            rebuilder = await self._open_rebuilder()
            for position in range(self._taken, first):
                yield await rebuilder.record(position)
                self._rebuilt += 1
        async for record in self._topics.raw("raw"):
            yield RawRecord(record.value, record.timestamp)

    async def _first_kept(self) -> int:
        """The position of the oldest raw record that is kept."""
        begins = await self._raw_begins()
        if not begins:
            return 0
        prepare = (await read_books(self._reader, self._settings.namespace)).stages["prepare"]
        end = prepare.offsets.get(0, 0)
        if end < begins:
            raise NotKept("prepare has not come to where raw begins")
        (partition,) = self._reader.partitions(self._settings.topic("raw"))
        return (prepare.records or 0) - sum([1 async for _ in self._reader.records(partition, begins, end)])

    async def _open_rebuilder(self) -> Rebuilder:
        if self._rebuilder is None:
            told = Told()
            async for record in self._topics.peek("outcomes"):
                with suppress(ContractError):
                    told.take(Outcome.decode(record.value))
            self._rebuilder = await self._stack.enter_async_context(open_rebuilder(self._settings, told))
        return self._rebuilder

    async def _take_in(self) -> None:
        for topic in reversed(CONTRACTS):
            async for found in self._topics.records(topic):
                if isinstance(found, Stray):
                    self._strays[found] += 1
                    self._seen_strays += 1
                    continue
                self._hops[topic].find(found.place, found.digest, found.id)
                if topic == "outcomes":
                    self._note_ended(found.place, released=found.released)
                elif topic == "enriched":
                    self._analysis.note(found.place, found.maker)
            self._hops[topic].lost_before = await self._topics.lost_before(topic)
        await self._take_letters()
        async for key, digest in self._topics.stories():
            self._stories.find(key, digest)

    async def _take_letters(self) -> None:
        async for letter in self._topics.letters():
            if letter.stray is not None:
                self._strays[letter.stray] -= 1
            else:
                self._letters[letter.key] -= 1

    async def _wait_for_letters(self) -> None:
        """Strays are no articles: nothing counts those that a stage has not come to yet."""
        deadline = time.monotonic() + LETTER_SECONDS
        while any(self._strays.values()) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            await self._take_letters()

    async def _follow(self) -> None:
        """Let the oracle go on over the records that have ended, or that all stages have gone past."""
        while self._waiting and self._is_over(self._oracle.records):
            record = self._waiting.popleft()
            for expected in await self._oracle.follow(record.value, record.received_ms):
                self._expect(expected)

    def _expect(self, expected: Expected) -> None:
        if expected.topic == "dead":
            self._letters[expected.key] += 1
        elif expected.topic == "stories":
            self._stories.expect(expected.key, expected.digest)
        else:
            self._hops[expected.topic].expect(expected.place, expected.digest, expected.id, expected.due)

    def _note_ended(self, position: int, *, released: bool) -> None:
        if position >= len(self._ended):
            self._ended.extend(bytes(max(1024, position + 1 - len(self._ended))))
        self._ended[position] = 1
        if released:
            self._last_released = max(self._last_released, position)

    def _is_over(self, position: int) -> bool:
        # cluster releases in the order of raw: what stands before something released has ended or is lost
        return position < self._last_released or (position < len(self._ended) and bool(self._ended[position]))

    async def _raw_begins(self) -> int:
        """The offset of the oldest raw record that is kept."""
        starts = [await self._reader.start(one) for one in self._reader.partitions(self._settings.topic("raw"))]
        return max(starts, default=0)

    async def _check_structure(self, reason: NotKept) -> Report:
        """Without its first records `raw` cannot be followed: decisions rest on what stood before."""
        begins = await self._raw_begins()
        ledger = balance(await read_books(self._reader, self._settings.namespace))
        structure = Structure()
        topics = Topics(self._reader, self._settings.namespace)
        async for record in topics.raw("outcomes"):
            with suppress(ContractError):
                structure.take_outcome(Outcome.decode(record.value))
        async for record in topics.raw("enriched"):
            with suppress(ContractError):
                structure.take_enriched(EnrichedArticle.decode(record.value))
        # What was released after the ledger was read is more, never less.
        released = (await read_books(self._reader, self._settings.namespace)).stages["cluster"].released or 0
        faults = [*structure.faults(released, ledger.total.under_way), *await self._open_transactions()]
        return Report(
            records=0,
            compared={"outcomes": structure.outcomes, "enriched": structure.enriched},
            in_flight=ledger.total.under_way,
            recorded=0,
            excused=0,
            strays=0,
            found=len(faults),
            faults=tuple(faults[:FAULTS_KEPT]),
            partial=f"raw begins at offset {begins} and is not rebuilt, {reason}: only numbers and ids were compared",
        )

    async def _open_transactions(self) -> tuple[Fault, ...]:
        names = (*CONTRACTS, "raw", "stories", "dead")
        partitions = [one for name in names for one in self._reader.partitions(self._settings.topic(name))]
        seconds = self._settings.kafka.transaction_timeout_ms / 1000 + ABORT_SECONDS
        return await open_transactions(
            self._connection.bootstrap_servers, self._connection.options, partitions, seconds
        )


@asynccontextmanager
async def open_verifier(settings: Settings, connection: Connection, runner: Runner | None) -> AsyncIterator[Verifier]:
    """A verifier for as long as the block lasts. `runner` makes the analyses again, None trusts the recorded ones.

    Raises BrokerError.
    """
    async with (
        open_reader(connection.bootstrap_servers, connection.options) as reader,
        open_reader(connection.bootstrap_servers, connection.options) as other,
        AsyncExitStack() as stack,
    ):
        yield Verifier(settings, connection, reader, other, runner, stack)


def _progress(books: Books) -> tuple[dict[str, int], bool]:
    """How many articles each stage has gone past, and whether nothing is under way."""
    taken = {name: sum(row.get("in", 0) for row in book.counts.values()) for name, book in books.stages.items()}
    cluster = books.stages.get("cluster")
    done = {
        "prepare": taken.get("prepare", 0),
        "deduplicate": taken.get("deduplicate", 0),
        "cluster": (cluster.released if cluster is not None else None) or 0,
    }
    return done, balance(books).total.under_way == 0


def _told(stray: Stray) -> str:
    return f"{stray.topic} {stray.partition} {stray.offset}"
