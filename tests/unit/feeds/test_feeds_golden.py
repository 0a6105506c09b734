"""Feeds of each format beside what they are to become; one line of a diff is one change of meaning."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from newswire.pipeline.feeds.parse import parse_feed
from newswire.pipeline.feeds.parsed import feed_from_plain

FOLDER = Path(__file__).parent.parent / "data" / "feeds"
FEEDS = sorted(file for file in FOLDER.iterdir() if not file.name.endswith(".expected.json"))


def read(file: Path) -> Any:
    """A golden feed's expected object."""
    return orjson.loads(file.with_name(file.name + ".expected.json").read_bytes())


def test_there_are_feeds() -> None:
    assert len(FEEDS) >= 5


@pytest.mark.parametrize("file", FEEDS, ids=lambda file: file.name)
def test_a_golden_feed_becomes_its_entries(file: Path) -> None:
    parsed = parse_feed(file.read_bytes(), None, "https://host.example/feed.xml")
    assert orjson.loads(orjson.dumps(parsed)) == read(file)


@pytest.mark.parametrize("file", FEEDS, ids=lambda file: file.name)
def test_it_survives_the_way_out_of_the_worker(file: Path) -> None:
    parsed = parse_feed(file.read_bytes(), None, "https://host.example/feed.xml")
    assert feed_from_plain(orjson.loads(orjson.dumps(parsed))) == parsed
