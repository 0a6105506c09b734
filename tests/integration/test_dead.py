"""The quarantine on Kafka, as the command line shows and retries it."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.cli.dead import command
from newswire.pipeline.ledger.log import open_reader
from newswire.pipeline.quarantine.store import retry_letters
from newswire.pipeline.quarantine.wanted import Wanted
from newswire.pipeline.step import LETTER_VALUE_MAX, Emission, Source, dead_letter
from newswire.schemas import DeadLetter, RawArticle, RawDiscard, RawRetry, UniqueArticle, decode_raw
from tests.unit.stories.articles import article

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = pytest.mark.broker

GOOD = RawArticle(feed_url="https://feed.example/rss", title="A good one")
LARGE = RawArticle(feed_url="https://feed.example/rss", title="A large one", content="x" * (LETTER_VALUE_MAX + 10))


class Cell:
    """A namespace with letters in it, and the command on it."""

    def __init__(self, kafka: "Kafka", namespace: str, folder: Path) -> None:
        self.kafka, self.namespace = kafka, namespace
        self.config = folder / "newswire.toml"
        self.config.write_text(f'[kafka]\nbootstrap_servers = "{kafka.bootstrap_servers}"\npartitions = 2\n')

    async def fill(self) -> None:
        await ensure_topics(self.kafka.bootstrap_servers, wire_topics(self.namespace, partitions=2), {})
        async with AIOKafkaProducer(
            bootstrap_servers=self.kafka.bootstrap_servers, max_request_size=8_000_000
        ) as producer:
            raw = f"{self.namespace}.raw"
            sent = [await producer.send_and_wait(raw, value) for value in (GOOD.encode(), LARGE.encode(), b"{poison")]
            gone = LARGE.encode()
            letters = [
                *(self.letter(record.offset, value) for record, value in zip(sent, RAW_VALUES, strict=True)),
                self.letter(999, gone),
                dead_letter(Source(f"{self.namespace}.analyzed", 0, 5, b"k", b"what", 0), "cluster", "not ours"),
            ]
            for letter in letters:
                await producer.send_and_wait(f"{self.namespace}.dead", letter.value, letter.key)
            await producer.send_and_wait(f"{self.namespace}.dead", b"no letter")

    def letter(self, offset: int, value: bytes) -> Emission:
        source = Source(f"{self.namespace}.raw", 0, offset, b"k", value, 0, attempts=3)
        return dead_letter(source, "prepare", "RuntimeError: it failed", position=offset, feed_url=GOOD.feed_url)

    async def call(self, name: str, *options: str) -> tuple[int, str, str]:
        arguments = [name, "--config", str(self.config), "--namespace", self.namespace, *options]
        result = await asyncio.to_thread(CliRunner().invoke, command, arguments)
        return result.exit_code, result.stdout, result.stderr

    async def read(self, topic: str) -> list[Any]:
        async with open_reader(self.kafka.bootstrap_servers, {}) as reader:
            (partition,) = reader.partitions(f"{self.namespace}.{topic}")
            return [record async for record in reader.records(partition)]


RAW_VALUES = (GOOD.encode(), LARGE.encode(), b"{poison")


@pytest.fixture
async def cell(kafka: "Kafka", namespace: str, tmp_path: Path) -> Cell:
    made = Cell(kafka, namespace, tmp_path)
    await made.fill()
    return made


async def test_list_and_show(cell: Cell) -> None:
    code, out, err = await cell.call("list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line[:6].strip()] == ["4", "1"]
    assert "RuntimeError: it failed" in out
    assert "1 records of dead are no letters" in err
    code, out, _ = await cell.call("list", "--all")
    assert [line.split("\t")[0] for line in out.splitlines()] == [
        "prepare-0-0",
        "prepare-0-1",
        "prepare-0-2",
        "prepare-0-999",
        "cluster-0-5",
    ]
    code, out, _ = await cell.call("show", "prepare-0-0")
    assert code == 0
    assert GOOD.encode().decode() in out
    assert "3 attempts" in out
    code, _, err = await cell.call("show", "prepare-0-77")
    assert code == 1
    assert "no open letter" in err


async def test_retry_sends_each_letter_once_with_its_mark(cell: Cell) -> None:
    code, out, err = await cell.call("retry", "--all")
    assert code == 0
    assert out.splitlines() == ["retried prepare-0-0", "retried prepare-0-1", "2 retried, 3 stay dead"]
    assert "prepare-0-2: its record cannot be read" in err
    assert "prepare-0-999: its record was too large" in err
    assert "cluster-0-5: a stray" in err
    retries = [decode_raw(record.value) for record in (await cell.read("raw"))[3:]]
    assert [retry.article for retry in retries if isinstance(retry, RawRetry)] == [GOOD, LARGE]
    marks = [DeadLetter.decode(record.value) for record in (await cell.read("dead"))[6:]]
    assert [(mark.letter, mark.state) for mark in marks] == [("prepare-0-0", "retried"), ("prepare-0-1", "retried")]
    code, out, _ = await cell.call("retry", "--all")
    assert (code, out.splitlines()) == (0, ["0 retried, 3 stay dead"])
    assert len(await cell.read("raw")) == 5
    _, out, _ = await cell.call("list", "--all")
    assert len(out.splitlines()) == 3


async def test_retry_of_named_letters(cell: Cell) -> None:
    code, out, err = await cell.call("retry", "prepare-0-1", "prepare-0-1", "prepare-0-2", "nothing")
    assert code == 1
    assert out.splitlines() == ["retried prepare-0-1", "1 retried, 2 stay dead"]
    assert "nothing: there is no such open letter" in err
    assert (await cell.call("retry"))[0] == 2
    assert (await cell.call("retry", "x", "--all"))[0] == 2


async def test_two_retries_at_once_send_nothing_twice(cell: Cell) -> None:
    servers = cell.kafka.bootstrap_servers
    await asyncio.gather(
        *(retry_letters(servers, {}, cell.namespace, Wanted()) for _ in range(3)), return_exceptions=True
    )
    sent = [decode_raw(record.value) for record in (await cell.read("raw"))[3:]]
    letters = [retry.letter for retry in sent if isinstance(retry, RawRetry)]
    assert len(letters) == len(set(letters))
    await retry_letters(servers, {}, cell.namespace, Wanted())
    sent = [decode_raw(record.value) for record in (await cell.read("raw"))[3:]]
    assert sorted(retry.letter for retry in sent if isinstance(retry, RawRetry)) == ["prepare-0-0", "prepare-0-1"]


async def test_letters_are_chosen_by_stage_error_and_id_together(cell: Cell) -> None:
    async def listed(*options: str) -> list[str]:
        _, out, _ = await cell.call("list", "--all", *options)
        return [line.split("\t")[0] for line in out.splitlines()]

    assert await listed("--stage", "cluster") == ["cluster-0-5"]
    assert await listed("--error", "IT FAILED", "--id", "prepare-0-2") == ["prepare-0-2"]
    assert await listed("--error", "runtime*fail", "--stage", "cluster") == []
    code, out, _ = await cell.call("list", "--stage", "prepare", "--json")
    assert {json.loads(line)["stage"] for line in out.splitlines()} == {"prepare"}
    code, out, _ = await cell.call("retry", "--error", "it failed", "--id", "prepare-0-1", "--id", "cluster-0-5")
    assert (code, out.splitlines()) == (0, ["retried prepare-0-1", "1 retried, 0 stay dead"])
    for wrong in (("retry", "--all", "--stage", "prepare"), ("discard",), ("discard", "--all", "prepare-0-0")):
        assert (await cell.call(*wrong))[0] == 2
    assert len(await listed()) == 4


async def test_discard_closes_letters_and_gives_dead_articles_up(cell: Cell) -> None:
    code, out, err = await cell.call("discard", "prepare-0-2", "nothing", "--reason", "no article")
    assert (code, out.splitlines()) == (1, ["discarded prepare-0-2", "1 discarded, 1 stay dead"])
    assert "nothing: there is no such open letter" in err
    discard = decode_raw((await cell.read("raw"))[-1].value)
    assert isinstance(discard, RawDiscard)
    assert (discard.letter, discard.position, discard.explain()) == (
        "prepare-0-2",
        2,
        "discarded by hand: no article",
    )
    assert len(await cell.read("raw")) == 4
    code, out, _ = await cell.call("discard", "--stage", "cluster")
    assert (code, out.splitlines()) == (0, ["discarded cluster-0-5", "1 discarded, 0 stay dead"])
    assert len(await cell.read("raw")) == 4, "a stray has no outcome"
    code, out, _ = await cell.call("discard", "--all")
    assert (code, out.splitlines()[-1]) == (0, "3 discarded, 0 stay dead")
    marks = [DeadLetter.decode(record.value) for record in (await cell.read("dead"))[6:]]
    assert {mark.state for mark in marks} == {"discarded"}
    _, out, _ = await cell.call("list")
    assert out == "nothing is dead\n"
    assert (await cell.call("retry", "--all"))[1] == "0 retried, 0 stay dead\n"
    assert (await cell.call("discard", "--all", "--reason", "x" * 501))[0] == 2


async def test_show_as_json(cell: Cell) -> None:
    code, out, _ = await cell.call("show", "prepare-0-0", "--json")
    letter = DeadLetter.decode(out.encode())
    assert (code, letter.value, letter.attempts) == (0, GOOD.encode().decode(), 3)


async def test_two_letters_of_one_article_go_round_once(kafka: "Kafka", namespace: str, tmp_path: Path) -> None:
    cell = Cell(kafka, namespace, tmp_path)
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=2), {})
    record = article(1, "Ships in harbour").encode()
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for stage, topic in (("analyze", "unique"), ("cluster", "analyzed")):
            source = Source(f"{namespace}.{topic}", 0, 0, b"k", record, 0)
            letter = dead_letter(source, stage, "failed", position=7, supersedes="emitted")
            if stage == "analyze":
                value = UniqueArticle.model_validate_json(record.replace(b"analyzed.v1", b"unique.v1")).encode()
                letter = dead_letter(replace(source, value=value), stage, "failed", position=7, supersedes="emitted")
            await producer.send_and_wait(f"{namespace}.dead", letter.value, letter.key)
    code, out, _ = await cell.call("retry", "--stage", "cluster")
    assert (code, out.splitlines()) == (0, ["retried analyze-0-0", "retried cluster-0-0", "2 retried, 0 stay dead"])
    assert len(await cell.read("raw")) == 1
