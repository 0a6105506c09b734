"""Replaying an archive into a real broker: the records, what could not be read, and the place that is kept."""

from pathlib import Path

import pytest

from newswire.pipeline.archive.record import Origin
from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.connection import Connection
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.replay.sources import open_source
from newswire.pipeline.replay.writer import Pace, Progress, ReplayError, open_writer
from newswire.pipeline.settings import Settings
from newswire.schemas import RawArticle
from tests.conftest import Kafka
from tests.integration.replaying import values
from tests.unit.archive.answers import FEED, answer, warcs, writer
from tests.unit.feeds.site import rss

pytestmark = pytest.mark.broker


async def test_an_archive_is_written_to_raw_and_another_one_is_refused(
    kafka: Kafka, namespace: str, tmp_path: Path
) -> None:
    settings = Settings(namespace=namespace)
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=1, replay=True))

    async def write(folder: Path) -> Progress:
        async with (
            capture_reader(settings) as reader,
            open_writer(
                settings,
                Connection(kafka.bootstrap_servers),
                open_source(folder, Selection(), settings.text),
                reader,
                resume=True,
            ) as one,
        ):
            await one.write(Pace(None))
            return one.progress

    archive = writer(tmp_path)
    bodies = (rss("a one"), rss("a one"), b"<html>no feed</html>", rss("b two", "a changed"))
    for number, body in enumerate(bodies):
        archive.write(answer(number, body, origin=Origin(FEED, "Mine", 1, None, read=False)))
    archive.close()
    progress = await write(tmp_path)
    assert (progress.new, progress.changed, progress.seen, progress.failed) == (2, 1, 0, 1)
    assert await write(tmp_path) == progress  # nothing is left to do
    records = [RawArticle.decode(value) for _, value in await values(kafka, settings.topic("raw"))]
    assert [(record.title, record.feed_title, record.observed_at) for record in records] == [
        ("a one", "Mine", answer(0).at),
        ("a changed", "Mine", answer(3).at),
        ("b two", "Mine", answer(3).at),
    ]
    archive.write(answer(4, rss("c three")))
    archive.close()
    assert len(warcs(tmp_path)) == 2
    with pytest.raises(ReplayError, match="another source"):
        await write(tmp_path)
