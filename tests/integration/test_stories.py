"""`newswire stories` on a real broker."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.cli.stories import command
from newswire.schemas import Duplicate, Outcome, Story, StoryRef
from newswire.schemas.stories import StoryEntity
from tests.unit.subscribe.articles import OBSERVED, article

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = pytest.mark.broker

FIRST, SECOND, OTHER, COPY, ENDED = (str(number) * 32 for number in range(1, 6))


def story(id: str, title: str, last: datetime, **changes: Any) -> Story:
    fields: dict[str, Any] = {"size": 1, "feeds": ("https://example.org/feed",), "first": OBSERVED, **changes}
    return Story(id=id, title=title, last=last, **fields)


STORIES = (
    story("s1", "A first title", OBSERVED),
    story("s2", "Another story", datetime.now(UTC) - timedelta(hours=2)),
    story(
        "s1",
        "The street is open",
        OBSERVED + timedelta(hours=1),
        size=2,
        feeds=("https://a.example/feed", "https://b.example/feed"),
        entities=(StoryEntity(text="Ada Lovelace", type="PER", articles=2),),
        languages=("en", "uk"),
    ),
    story("s4", "The same event", OBSERVED, merged_into="s5"),
    story("s5", "Of which this is all that is kept", OBSERVED, merged_into="s1"),
)
ARTICLES = (
    article(id=FIRST, sequence=1),
    article(id=OTHER, sequence=2, story=StoryRef(id="s2", new=True), title="About s1, by name"),
    article(
        id=SECOND,
        sequence=3,
        title="More about it",
        story=StoryRef(id="s1", new=False),
        duplicate=Duplicate(kind="update", of=FIRST, similarity=0.5),
    ),
    article(id=ENDED, sequence=4, title="The same event", story=StoryRef(id="s4", new=True)),
)
OUTCOMES = tuple(
    Outcome(
        id=COPY,
        revision=1,
        outcome="duplicate",
        duplicate=Duplicate(kind="near", of=of, similarity=0.91),
        stage="deduplicate",
        position=position,
        feed_url=f"https://{position}.example/feed",
        observed_at=OBSERVED,
    )
    for position, of in ((7, SECOND), (8, OTHER))
)


class Cell:
    """A namespace with stories in it, and the command on it."""

    def __init__(self, kafka: "Kafka", namespace: str, folder: Path) -> None:
        self.kafka, self.namespace = kafka, namespace
        self.config = folder / "newswire.toml"
        self.config.write_text(f'[kafka]\nbootstrap_servers = "{kafka.bootstrap_servers}"\npartitions = 2\n')

    async def fill(self) -> None:
        await ensure_topics(self.kafka.bootstrap_servers, wire_topics(self.namespace, partitions=2), {})
        async with AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers) as producer:
            for one in STORIES:
                await producer.send_and_wait(f"{self.namespace}.stories", one.encode(), one.id.encode())
            await producer.send_and_wait(f"{self.namespace}.stories", b"no story", b"s3")
            for record in ARTICLES:
                await producer.send_and_wait(f"{self.namespace}.enriched", record.encode(), record.id.encode())
            for outcome in OUTCOMES:
                await producer.send_and_wait(f"{self.namespace}.outcomes", outcome.encode(), COPY.encode())

    def where(self, namespace: str | None = None) -> list[str]:
        return ["--config", str(self.config), "--namespace", namespace or self.namespace]

    async def call(self, *arguments: str, namespace: str | None = None) -> tuple[int, str, str]:
        where = self.where(namespace)
        verb = [*arguments, *where] if arguments[:1] == ("show",) else [*where, *arguments]
        return await self.invoke(verb)

    async def invoke(self, verb: list[str]) -> tuple[int, str, str]:
        result = await asyncio.to_thread(CliRunner().invoke, command, verb)
        return result.exit_code, result.stdout, result.stderr


@pytest.fixture
async def cell(kafka: "Kafka", namespace: str, tmp_path: Path) -> Cell:
    made = Cell(kafka, namespace, tmp_path)
    await made.fill()
    return made


async def test_the_newest_state_of_each_story_is_listed(cell: Cell) -> None:
    code, out, _ = await cell.call()
    assert code == 0
    other, first = out.strip().split("\n\n")
    assert other.startswith("Another story\n")
    assert first.splitlines() == [
        "The street is open",
        "  s1  2 articles of 2 feeds  en/uk",
        "  when:    2026-01-31T12:00:00Z to 2026-01-31T13:00:00Z",
        "  feeds:   https://a.example/feed, https://b.example/feed",
        "  names:   Ada Lovelace (2)",
    ]


async def test_json_gives_the_records_and_the_options_choose(cell: Cell) -> None:
    async def ids(*options: str) -> list[str]:
        code, out, _ = await cell.call("--format", "json", *options)
        assert code == 0
        return [json.loads(line)["id"] for line in out.splitlines()]

    assert await ids() == ["s2", "s1"]
    assert await ids("--limit", "1") == ["s2"]
    assert await ids("--since", "3h") == ["s2"]
    assert await ids("--since", "60m") == []
    assert await ids("--since", "2026-01-31T13:00:00Z") == ["s2", "s1"]
    assert "none of 2 stories" in (await cell.call("--since", "60m"))[1]


async def test_show_tells_the_members_in_order_with_their_copies(cell: Cell) -> None:
    code, out, _ = await cell.call("show", "s1")
    assert code == 0
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "1 2026-01-31T12:00:00Z Ada Lovelace opens the Straße",
        f"{FIRST} Example",
        "repeats nothing; opened the story",
        "3 2026-01-31T12:00:00Z More about it",
        f"{SECOND} Example",
        f"update of {FIRST}, similarity 0.5",
        f"copy 2026-01-31T12:00:00Z {COPY} https://7.example/feed: near of {SECOND}, similarity 0.91",
        "4 2026-01-31T12:00:00Z The same event",
        f"{ENDED} Example",
        "repeats nothing; opened the story",
    ]
    assert (await cell.invoke([*cell.where(), "show", "s1"]))[:2] == (0, out)
    code, out, _ = await cell.call("show", "s1", "--format", "json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [FIRST, SECOND, ENDED, COPY]


async def test_show_tells_where_a_story_went_on(cell: Cell) -> None:
    code, out, _ = await cell.call("show", "s4")
    assert code == 0
    first, *others = [" ".join(line.split()) for line in out.splitlines()]
    assert first == "goes on in s5"
    assert [line for line in others if line.startswith(ENDED)] == [f"{ENDED} Example"]
    assert FIRST not in out


async def test_what_is_not_there_is_an_error(cell: Cell) -> None:
    code, _, error = await cell.call("show", "s9")
    assert (code, "s9" in error) == (1, True)
    code, _, error = await cell.call(namespace="no-such-wire")
    assert (code, "no-such-wire.stories" in error) == (1, True)
    code, _, error = await cell.call("--since", "yesterday")
    assert (code, "yesterday" in error) == (2, True)
