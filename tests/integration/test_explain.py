"""`newswire explain` on a real broker, over what the steps themselves made."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from newswire.pipeline.analysis.opening import open_analysis
from newswire.pipeline.analysis.step import AnalyzeStep
from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.cli.explain import command
from newswire.pipeline.enrich import Enricher, open_steps
from newswire.pipeline.settings import AnalyzeSettings, Settings
from newswire.schemas import RawArticle
from newswire.schemas.common import parse_object
from tests.unit.duplicates.articles import text_of
from tests.unit.subscribe.articles import OBSERVED

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = pytest.mark.broker

TEXTS = (
    text_of(1, 200) + " The mayor spoke of 12 boats.",
    text_of(1, 200) + " The mayor had nothing to say.",
    text_of(2, 200),
    "Too short.",
)


async def test_two_articles_are_explained(kafka: "Kafka", namespace: str, tmp_path: Path) -> None:
    settings = Settings()
    ids = await fill(kafka, namespace, settings)
    config = tmp_path / "newswire.toml"
    config.write_text(f'[kafka]\nbootstrap_servers = "{kafka.bootstrap_servers}"\n')

    async def explain(*arguments: str) -> tuple[int, str]:
        verb = [*arguments, "--config", str(config), "--namespace", namespace]
        result = await asyncio.to_thread(CliRunner().invoke, command, verb)
        return result.exit_code, result.stdout if result.exit_code == 0 else result.stderr

    # in whichever order they are named, the later one is compared with the earlier
    code, out = await explain(ids[1], ids[0])
    assert code == 0
    assert out.index(ids[0]) < out.index(ids[1])
    assert f"duplicate; near of {ids[0]}" in out
    assert "text     near of the earlier one" in out
    assert "story    a copy that is left out has none" in out
    assert out.rstrip().endswith("\u27e7 had nothing to say.")

    code, out = await explain(ids[0], ids[2])
    assert code == 0
    assert "emitted; repeats nothing" in out
    assert "text     no copy and no update" in out
    assert "similarity 0.0000, a near copy from 0.5" in out
    assert "score" in out or "nothing in common" in out

    code, out = await explain(ids[3], ids[0])
    assert code == 0
    assert "under 30 words" in out

    code, out = await explain(ids[0], ids[1], "--format", "json")
    told = json.loads(out)
    assert (told["earlier"]["id"], told["later"]["id"]) == (ids[0], ids[1])
    assert told["text"]["kind"] == told["later"]["duplicate"]["kind"] == "near"
    assert told["text"]["overlap"]["jaccard"] == pytest.approx(told["later"]["duplicate"]["similarity"], abs=1e-4)

    code, out = await explain(ids[0], "f" * 32)
    assert code == 1
    assert f"no text of an article '{'f' * 32}' is kept" in out
    assert (await explain(ids[0], ids[0]))[0] == 2


async def fill(kafka: "Kafka", namespace: str, settings: Settings) -> list[str]:
    """Write to the topics what the steps make of TEXTS, and give the articles' ids."""
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=2), {})
    ids = []
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        with open_analysis(AnalyzeSettings(constant_ms=0.0), pytest.fail) as runner:
            enricher = Enricher(settings, open_steps(settings, AnalyzeStep(runner).process), received_ms=0)
            for number, text in enumerate(TEXTS):
                raw = RawArticle(
                    feed_url=f"https://{number}.example/feed",
                    title=f"Title {number}",
                    content=text,
                    observed_at=OBSERVED,
                )
                for sent in await enricher.follow(raw.encode(), int(OBSERVED.timestamp() * 1000)):
                    await producer.send_and_wait(f"{namespace}.{sent.topic}", sent.value, sent.key)
                    if sent.topic == "outcomes":
                        ids.append(parse_object(sent.value)["id"])
    assert all(isinstance(id, str) for id in ids)
    assert len(set(ids)) == len(TEXTS)
    return ids
