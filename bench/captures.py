"""Whether replay decides new, changed and seen as an archive of captured feeds says: `python -m bench.captures FOLDER`.

FOLDER has manifest.jsonl as replay reads it, items.jsonl.gz (a line for each text of an entry: `feed`, `id`,
`first_seen`, `last_seen`, `n_seen`) and revisions.jsonl.gz (entries whose text changed: `feed`, `id`, `versions`, each
`first_seen`, `title`, `summary`). The captures go through the reader that replay uses, without Kafka. Entries must be
new and last seen when the items say, and change when the revisions say; sightings (an entry that stands twice in a
document counts twice) must be as many in all. Each disagreement is listed under what explains it. Exit code 1 when one
is unexplained.
"""

import argparse
import asyncio
import gzip
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench.figures import Figure, report
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.feeds.feedstate import load
from newswire.pipeline.feeds.identity import article_id, normalise
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.folder import open_folder
from newswire.pipeline.replay.items import CaptureError
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.settings import Settings
from newswire.schemas import RawArticle

UNEXPLAINED = "unexplained"

Text = tuple[str, str]
"""An entry's title and summary, white space normalised."""


@dataclass
class Entry:
    """What became of one entry: when it was first and last in its feed, and each of its texts with its first sight."""

    first: int = 0
    last: int = 0
    texts: list[tuple[int, Text]] = field(default_factory=list)


@dataclass
class Decisions:
    """Entries by feed and key (16 hex digits of the article id), and the counts of the captures."""

    entries: defaultdict[tuple[str, str], Entry] = field(default_factory=lambda: defaultdict(Entry))
    counts: Counter[str] = field(default_factory=Counter)


async def decide(folder: Path) -> Decisions:
    """Read all captures in their order and note what is decided of each entry."""
    settings, state, decisions = Settings(), MemoryState(), Decisions()
    source = open_folder(folder, Selection())
    async with capture_reader(settings) as read:
        for capture in source.items(0):
            try:
                decided = await read(capture, source.body(capture, settings.collect.body_max), state)
            except CaptureError:
                decisions.counts["unreadable"] += 1
                continue
            at = int(capture.at.timestamp())
            decisions.counts.update(captures=1, new=decided.new, changed=decided.changed, seen=decided.seen)
            feed = load(state, capture.feed)
            assert feed is not None
            for name, (_, last) in feed.seen.items():
                if last == at:
                    entry = decisions.entries[capture.feed, name]
                    entry.first, entry.last = entry.first or at, at
            for key, value in decided.records:
                article = RawArticle.decode(value)
                text = normalise(article.title), normalise(article.content or article.summary)
                decisions.entries[capture.feed, key.decode()[:16]].texts.append((at, text))
    return decisions


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines under gzip."""
    with gzip.open(file) as lines:
        return [orjson.loads(line) for line in lines]


def key_of(record: dict[str, Any]) -> tuple[str, str]:
    """An expected entry's feed and key."""
    identity = article_id(record["feed"], entry_id=record["id"], url=None, title=None, content=None)
    return record["feed"], identity[:16]


def expected_sights(items: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Each entry's first and last sight."""
    sights: dict[tuple[str, str], tuple[int, int]] = {}
    for item in items:
        first, last = sights.get(key_of(item), (item["first_seen"], item["last_seen"]))
        sights[key_of(item)] = min(first, item["first_seen"]), max(last, item["last_seen"])
    return sights


def explain_change(expected: list[tuple[int, Text]], decided: list[tuple[int, Text]], at: int) -> str:
    """Why only one side has a change at this time. Both lists are an entry's texts in order."""
    here = dict(decided).get(at)
    if here is not None:
        return "went back to an earlier text" if here in [t for when, t in expected if when < at] else UNEXPLAINED
    before = [t for when, t in expected if when < at]
    same = before and dict(expected)[at] == before[-1]
    return "only white space differs" if same else UNEXPLAINED


def compare(folder: Path, decisions: Decisions) -> tuple[list[Figure], dict[str, list[str]]]:
    """The agreement, and the disagreements by what explains them."""
    items, revisions = (read_lines(folder / name) for name in ("items.jsonl.gz", "revisions.jsonl.gz"))
    names = {key_of(item): f"{item['feed']} {item['id']}" for item in items}
    faults: dict[str, list[str]] = defaultdict(list)
    sights = expected_sights(items)
    found = {key: (entry.first, entry.last) for key, entry in decisions.entries.items()}
    for key in sights.keys() | found.keys():
        if sights.get(key) != found.get(key):
            told = f"first and last seen: expected {sights.get(key)}, decided {found.get(key)}"
            faults[UNEXPLAINED].append(f"{names.get(key, key)}: {told}")
    texts = {
        key_of(record): [
            (v["first_seen"], (normalise(v["title"]), normalise(v["summary"]))) for v in record["versions"]
        ]
        for record in revisions
    }
    expected = {(key, at) for key, versions in texts.items() for at, _ in versions[1:]}
    decided = {(key, at) for key, entry in decisions.entries.items() for at, _ in entry.texts[1:]}
    for key, at in expected ^ decided:
        own = decisions.entries[key].texts
        reason = explain_change(texts.get(key, own[:1]), own, at)
        who = "newswire says changed" if (key, at) in decided else "the archive says changed"
        faults[reason].append(f"{names.get(key, key)}: at {at} {who}")
    changed = {key for key, _ in expected}, {key for key, _ in decided}
    sighted = sum(decisions.counts[name] for name in ("new", "changed", "seen")), sum(i["n_seen"] for i in items)

    def agreement(name: str, number: int, of: int, unit: str) -> Figure:
        return Figure(name, number, unit, f"{of:,} expected", number / of)

    return [
        Figure(
            "captures read", decisions.counts["captures"], f"captures ({decisions.counts['unreadable']} unreadable)"
        ),
        agreement("sightings", *sighted, "sightings"),
        agreement("entries new at the same capture", _same(sights, found, 0), len(sights), "ids"),
        agreement("entries last seen at the same capture", _same(sights, found, 1), len(sights), "ids"),
        agreement("entries that changed", len(changed[0] & changed[1]), len(changed[0]), "ids"),
        agreement("changes at the same capture", len(expected & decided), len(expected), "changes"),
        Figure("changes that the archive does not list", len(decided - expected), "changes"),
    ], dict(faults)


def _same(
    sights: dict[tuple[str, str], tuple[int, int]], found: dict[tuple[str, str], tuple[int, int]], at: int
) -> int:
    return sum(key in found and found[key][at] == sight[at] for key, sight in sights.items())


def main() -> int:
    """Decide, compare and list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    decisions = asyncio.run(decide(options.folder))
    figures, faults = compare(options.folder, decisions)
    report(figures, options.out)
    for reason, lines in sorted(faults.items()):
        print(f"{len(lines)} disagreements, {reason}:")
        for line in sorted(lines):
            print(f"  {line}")
    return 1 if UNEXPLAINED in faults else 0


if __name__ == "__main__":
    sys.exit(main())
