"""The README's programs for subscribers run as they stand there, against a real wire."""

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer

from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from tests.unit.subscribe.articles import article

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = pytest.mark.broker

README = (Path(__file__).parents[2] / "README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_there_are_two_programs_of_ten_lines() -> None:
    assert ["from newswire import subscribe" in program for program in PROGRAMS] == [True, False]
    for program in PROGRAMS:
        body = program.partition("async def main")[2].partition("asyncio.run")[0]
        assert len([line for line in body.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("program", PROGRAMS, ids=["newswire", "aiokafka"])
async def test_the_program_prints_each_article_and_keeps_its_place(
    kafka: "Kafka", namespace: str, tmp_path: Path, program: str
) -> None:
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=1))
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{namespace}.test")
    async with producer:
        for title in ("The first", "The second"):
            async with producer.transaction():
                record = article(title=title, sequence=1 if title == "The first" else 2)
                await producer.send_and_wait(f"{namespace}.enriched", record.encode(), record.id.encode())
        await producer.begin_transaction()
        await producer.send_and_wait(f"{namespace}.enriched", article(title="Not committed").encode(), b"k")

        file = tmp_path / "program.py"
        file.write_text(re.sub(r'"newswire(?=[".])', f'"{namespace}', program))
        with subprocess.Popen(
            [sys.executable, "-u", str(file), kafka.bootstrap_servers], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            process.terminate()
            lines += process.stdout.readlines()
        await producer.abort_transaction()
    assert [title for line in lines for title in ("The first", "The second", "Not committed") if title in line] == [
        "The first",
        "The second",
    ]
