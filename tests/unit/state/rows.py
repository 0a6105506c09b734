"""The rows that each stage's step writes over the released records of tests/data/schemas.

`python -m tests.unit.state.rows` writes those of this code's versions to tests/data/state, where they are missing.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from newswire.pipeline.analysis.constant import ConstantAnalyzer
from newswire.pipeline.analysis.results import Analysis
from newswire.pipeline.analysis.step import AnalyzeStep
from newswire.pipeline.duplicates import DeduplicateStep
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.feeds.feedstate import load
from newswire.pipeline.feeds.parsed import ParsedEntry, ParsedFeed
from newswire.pipeline.feeds.polls import Document, Failure, Poll, basis_of
from newswire.pipeline.feeds.schedule import Hints
from newswire.pipeline.feeds.step import CollectStep
from newswire.pipeline.settings import Settings
from newswire.pipeline.state import STATE_FORMATS
from newswire.pipeline.step import Source, count_result
from newswire.pipeline.stories.step import ClusterStep
from newswire.pipeline.text.prepare import PrepareStep
from newswire.schemas import AnalyzedArticle, FeedSettings, PreparedArticle, RawArticle, UniqueArticle
from newswire.schemas.common import Record

DATA = Path(__file__).parents[2] / "data"
SETTINGS = Settings()
RECEIVED_MS = 1_795_200_000_000
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)

Rows = dict[bytes, bytes]


def sources(record: type[Record]) -> list[Source]:
    """The released records of a contract as this code writes them, each with its place on its topic."""
    kept = json.loads((DATA / "schemas" / f"{record.NAME.rsplit('.', 1)[0]}.v1.json").read_text())
    values = [record.decode(json.dumps(fields).encode()).encode() for fields in kept]
    return [Source("t", 0, offset, b"key", value, RECEIVED_MS) for offset, value in enumerate(values)]


def entry(name: str, text: str) -> ParsedEntry:
    """An entry of a feed."""
    return ParsedEntry(
        entry_id=name, url=f"https://harbour-courier.example/{name}", title=f"Title {name}", content=text
    )


def poll(url: str, state: MemoryState, outcome: Document | Failure) -> Poll:
    """A finished poll of a feed as it stands in the state."""
    feed = load(state, url)
    assert feed is not None
    return Poll(url, AT, basis_of(feed), outcome)


def document(*entries: ParsedEntry) -> Document:
    """What a feed gave."""
    return Document(ParsedFeed("The Harbour Courier", entries, "fast"), '"e1"', None, "b" * 16, Hints())


def collect(state: MemoryState) -> None:
    """Two feeds: one gave two entries and then failed, the other is paused."""
    step = CollectStep(SETTINGS)
    settings = sources(FeedSettings)
    urls = [FeedSettings.decode(source.value).url for source in settings]
    for source, url in zip(settings, urls, strict=True):
        count_result(state, step.settings(Source("t", 0, source.offset, url.encode(), source.value, 0), state))
    found = document(entry("2", "<p>Second</p>"), entry("1", "<p>First</p>"))
    for outcome in (found, Failure("500 Internal Server Error")):
        count_result(state, step.finished(poll(urls[0], state, outcome), state))


def prepare(state: MemoryState) -> None:
    """All raw articles."""
    step = PrepareStep(SETTINGS)
    for source in sources(RawArticle):
        count_result(state, step.process(source, state))


def deduplicate(state: MemoryState) -> None:
    """All prepared articles."""
    step = DeduplicateStep(SETTINGS, state)
    for source in sources(PreparedArticle):
        count_result(state, step.process(source, state))


class _NoRunner:
    """Runs no model."""

    name = ConstantAnalyzer.name
    taxonomy = ConstantAnalyzer.taxonomy

    async def run(self, title: str, text: str) -> Analysis:
        """An empty analysis."""
        return ConstantAnalyzer(0.0).analyze(title, text)


def analyze(state: MemoryState) -> None:
    """All unique articles; the step keeps nothing, its counters do."""
    step = AnalyzeStep(_NoRunner())
    for source in sources(UniqueArticle):
        try:
            step.process(source).send(None)
        except StopIteration as end:
            count_result(state, end.value)


def cluster(state: MemoryState) -> None:
    """The analyzed articles but the second, so that the third waits."""
    step = ClusterStep(SETTINGS, state)
    first, _, third = sources(AnalyzedArticle)
    for source in (first, third):
        for result in step.process(source, state):
            count_result(state, result)


STAGES: dict[str, Callable[[MemoryState], None]] = {
    "collect": collect,
    "prepare": prepare,
    "deduplicate": deduplicate,
    "analyze": analyze,
    "cluster": cluster,
}


def written(stage: str) -> Rows:
    """The rows that this code writes."""
    state = MemoryState()
    STAGES[stage](state)
    return dict(state.scan(b""))


def file_of(stage: str, version: int) -> Path:
    """Where the rows of a version are kept."""
    return DATA / "state" / f"{stage}.v{version}.json"


def released(stage: str, version: int) -> Rows:
    """The rows as this version was released with."""
    kept = json.loads(file_of(stage, version).read_text())
    return {bytes.fromhex(key): bytes.fromhex(value) for key, value in kept.items()}


def main() -> None:
    """Write the files that are missing."""
    for stage, (version, _) in STATE_FORMATS.items():
        file = file_of(stage, version)
        if not file.exists():
            rows = {key.hex(): value.hex() for key, value in sorted(written(stage).items())}
            file.write_text(json.dumps(rows, indent=1) + "\n")
            print(file)


if __name__ == "__main__":
    main()
