"""What becomes of revisions: `python -m bench.revisions FOLDER [--out FILE]`, FOLDER as bench.captures reads it.

All captures go through the reader that replay uses, and what it finds new or changed through the steps of the service
in one process, without the encoder. A changed text of an entry must be an update, and none a duplicate, but for entries
that were copies of another feed's article all along, and changed as that one did. Where all that changed is no part of
the text (links, pictures, white space), it is seen. Each that ends otherwise is listed. Exit code 1 when there is one.
"""

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Figure, report
from newswire.pipeline.analysis.opening import open_analysis
from newswire.pipeline.analysis.step import AnalyzeStep
from newswire.pipeline.enrich import Enricher, MemoryState, open_steps
from newswire.pipeline.replay.captures import capture_reader
from newswire.pipeline.replay.folder import open_folder
from newswire.pipeline.replay.items import CaptureError
from newswire.pipeline.replay.selection import Selection
from newswire.pipeline.settings import AnalyzeSettings, Settings
from newswire.schemas import Outcome


@dataclass
class Endings:
    """How raw records ended, `first` texts of entries and `changed` ones; `others` are those to look at.

    `emitted` says of each entry whether a text of it was emitted.
    """

    first: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    others: list[str] = field(default_factory=list)
    emitted: dict[str, bool] = field(default_factory=dict)

    def count(self, id: str, outcome: Outcome) -> None:
        """Count the outcome of a record of the article `id`."""
        before = self.emitted.get(id)
        self.emitted[id] = bool(before) or outcome.outcome in ("emitted", "updated")
        if before is None:
            self.first[outcome.outcome] += 1
            return
        self.changed[outcome.outcome] += 1
        if outcome.outcome not in ("updated", "seen") and (before or outcome.outcome != "duplicate"):
            what = outcome.duplicate or outcome.reason
            self.others.append(f"{outcome.feed_url} {id}: {outcome.outcome} at {outcome.stage}, {what}")


async def follow(folder: Path) -> Endings:
    """Read all captures in their order, and follow each record to its outcome."""
    settings = Settings(analyze=AnalyzeSettings(constant_ms=0))
    state, endings = MemoryState(), Endings()
    source = open_folder(folder, Selection())
    with open_analysis(settings.analyze, lambda: sys.exit("an analysis hangs")) as runner:
        enricher = Enricher(settings, open_steps(settings, AnalyzeStep(runner).process), received_ms=0)
        async with capture_reader(settings) as read:
            for capture in source.items(0):
                try:
                    decided = await read(capture, source.body(capture, settings.collect.body_max), state)
                except CaptureError:
                    continue
                for key, value in decided.records:
                    sent = await enricher.follow(value, int(capture.at.timestamp() * 1000))
                    outcome = next(Outcome.decode(one.value) for one in sent if one.topic == "outcomes")
                    endings.count(key.decode(), outcome)
    return endings


def main() -> int:
    """Follow, print, list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    endings = asyncio.run(follow(options.folder))
    changed = endings.changed.total()
    figures = [
        Figure("changed texts of captured feeds", changed, "texts"),
        Figure("of them updates", endings.changed["updated"], "texts", "all", endings.changed["updated"] / changed),
        Figure("of them the same text", endings.changed["seen"], "texts", "all", endings.changed["seen"] / changed),
        Figure("of them copies of another's change, as before", endings.changed["duplicate"], "texts"),
        Figure("of them anything else", len(endings.others), "texts", goal="0"),
        *(Figure(f"first texts that ended as {kind}", count, "texts") for kind, count in sorted(endings.first.items())),
    ]
    report(figures, options.out)
    for line in endings.others:
        print(f"  {line}")
    return 1 if endings.others else 0


if __name__ == "__main__":
    sys.exit(main())
